//! The adapter for llama.cpp, on states of every shape that it knows, under the sanitizers.

use std::fs;
use std::path::PathBuf;

use ffi_tests::{Linkage, command, execute, run, source};

use crate::PACKAGE;

const SANITIZE: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// A program of this crate that uses the helpers of `tools/cpp` and the fuzz target of sessions.
fn compile(name: &str, compiler: &str, file: &str, flags: &[&str]) -> PathBuf {
    let folders = ["../tools/cpp", "../fuzz/cpp"].map(|folder| format!("-I{}", source(folder).display()));
    let common = ["-DKAKEYA_CPP_EXCEPTIONS", &folders[0], &folders[1]];
    let program = PACKAGE.scratch(name).join("program");
    PACKAGE.compile(compiler, &source(file), &program, Linkage::Shared, &[&common, flags].concat())
}

#[test]
fn states_and_sessions() {
    execute(compile("llama", "g++", "cpp/llama.cpp", &SANITIZE));
}

#[test]
fn with_clang_and_std_span() {
    execute(compile("llama_std_span", "clang++", "cpp/llama.cpp", &["-std=c++20"]));
}

/// What the fuzz target of states and sessions requires, of every seed that is stored with it.
#[test]
fn fuzz_seeds() {
    let program = compile("session_seeds", "g++", "cpp/session_seeds.cpp", &SANITIZE);
    let seeds = fs::read_dir(source("../fuzz/seeds/session")).unwrap().map(|entry| entry.unwrap().path());
    run(&mut command(program, seeds));
}
