//! The first C program and the first C++ program of the README compile against the package and run.

use ffi_tests::{Linkage, execute, source};

use crate::PACKAGE;

/// The text between the first fence that opens a block of `language` and the next fence.
fn first_program(language: &str) -> String {
    let readme = std::fs::read_to_string(source("../README.md")).expect("there is a README.md");
    let (_, program) = readme
        .split_once(&format!("\n```{language}\n"))
        .unwrap_or_else(|| panic!("README.md has no block that opens with ```{language}"));
    let (program, _) = program.split_once("\n```").expect("every block ends");
    format!("{program}\n")
}

/// Compiles a program of the README and runs it.
fn check(program: &str, compiler: &str, standard: &str, name: &str) {
    let folder = PACKAGE.scratch(&format!("readme-{name}"));
    let file = folder.join(name);
    std::fs::write(&file, program).expect("the scratch folder is writable");
    execute(PACKAGE.compile(compiler, &file, &folder.join("readme"), Linkage::Shared, &[standard]));
}

#[test]
fn first_c_block_runs() {
    let program = first_program("c");
    check(&program, "gcc", "-std=c99", "readme.c");
    check(&program, "clang", "-std=c2x", "readme.c");
}

#[test]
fn first_c_block_is_the_first_example() {
    let example = std::fs::read_to_string(source("../cpp-examples/00_block.c")).expect("there is an example");
    assert_eq!(first_program("c"), example, "README.md (left) and 00_block.c (right)");
    assert!(example.lines().count() <= 40);
}

#[test]
fn first_cpp_block_runs() {
    check(&first_program("cpp"), "g++", "-std=c++17", "readme.cpp");
}
