//! The adapter for llama.cpp, on states of every shape that it knows, under the sanitizers.

use ffi_tests::{Linkage, execute, source};

use crate::PACKAGE;

#[test]
fn states_and_sessions() {
    let flags = ["-DKAKEYA_CPP_EXCEPTIONS", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = PACKAGE.scratch("llama").join("llama");
    execute(PACKAGE.compile("g++", &source("cpp/llama.cpp"), &program, Linkage::Shared, &flags));
}

#[test]
fn with_clang_and_std_span() {
    let program = PACKAGE.scratch("llama_std_span").join("llama");
    let flags = ["-DKAKEYA_CPP_EXCEPTIONS", "-std=c++20"];
    execute(PACKAGE.compile("clang++", &source("cpp/llama.cpp"), &program, Linkage::Shared, &flags));
}
