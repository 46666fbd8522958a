//! Tells the tests the target triple, which the cmake crate asks for outside of build scripts.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo::rustc-env=FFI_TESTS_TARGET={target}");
}
