//! The C++ adapter: owners, failures, exceptions, under the sanitizers.

use std::path::PathBuf;

use ffi_tests::{Linkage, execute, source};

use crate::PACKAGE;

fn adapter(name: &str, compiler: &str, flags: &[&str]) {
    let program = PACKAGE.scratch(name).join("adapter");
    let program = PACKAGE.compile(compiler, &source("cpp/adapter.cpp"), &program, Linkage::Shared, flags);
    execute(program);
}

#[test]
fn without_exceptions() {
    adapter("without_exceptions", "g++", &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
}

#[test]
fn with_exceptions() {
    let flags = ["-DKAKEYA_CPP_EXCEPTIONS", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    adapter("with_exceptions", "g++", &flags);
}

#[test]
fn with_clang_and_std_span() {
    adapter("with_clang_and_std_span", "clang++", &["-std=c++20"]);
}

/// Files that differ in `KAKEYA_CPP_EXCEPTIONS` and in `-fno-exceptions` behave each as it was compiled to, in
/// whichever order the linker sees them.
#[test]
fn all_modes_in_one_program() {
    let folder = PACKAGE.scratch("modes");
    // Without optimisation: a function that is inlined would hide which definition the linker chose.
    let part = |name: &str, mode: &[&str]| -> PathBuf {
        let define = format!("-DPART={name}");
        let flags: Vec<&str> = ["-O0", "-c", &define].into_iter().chain(mode.iter().copied()).collect();
        let object = folder.join(name).with_extension("o");
        PACKAGE.compile("g++", &source("cpp/modes/part.cpp"), &object, Linkage::Shared, &flags)
    };
    let throwing = part("throwing", &["-DKAKEYA_CPP_EXCEPTIONS"]);
    let aborting = part("aborting", &[]);
    let no_exceptions = part("no_exceptions", &["-fno-exceptions"]);
    let orders = [[&throwing, &aborting, &no_exceptions], [&aborting, &throwing, &no_exceptions]];
    for (index, order) in orders.iter().enumerate() {
        let program = folder.join(format!("modes-{index}"));
        let objects = order.map(|object| object.to_str().expect("the path is UTF-8"));
        execute(PACKAGE.compile("g++", &source("cpp/modes/main.cpp"), &program, Linkage::Shared, &objects));
    }
}
