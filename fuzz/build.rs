//! Compiles the target of the C++ adapter, with the coverage that libFuzzer reads.

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-changed=../include");
    println!("cargo:rerun-if-changed=../tools/cpp");
    cc::Build::new()
        .cpp(true)
        .compiler("clang++")
        .std("c++17")
        .define("KAKEYA_CPP_EXCEPTIONS", None)
        .include("../include")
        .include("../tools/cpp")
        .flag("-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp")
        .file("cpp/session.cpp")
        .compile("kakeya_fuzz_session");
}
