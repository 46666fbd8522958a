//! The C++ adapter: owners, failures, exceptions, under the sanitizers.

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
