//! The adapter for llama.cpp, on states of every shape that it knows, under the sanitizers.

use std::fs;

use ffi_tests::{Linkage, command, execute, run, source};

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

/// What the fuzz target of states and sessions requires, of every seed that is stored with it.
#[test]
fn fuzz_seeds() {
    let flags = ["-DKAKEYA_CPP_EXCEPTIONS", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = PACKAGE.scratch("session_seeds").join("session_seeds");
    let program = PACKAGE.compile("g++", &source("cpp/session_seeds.cpp"), &program, Linkage::Shared, &flags);
    let seeds = fs::read_dir(source("../fuzz/seeds/session")).unwrap().map(|entry| entry.unwrap().path());
    run(&mut command(program, seeds));
}
