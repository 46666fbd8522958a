//! The first C++ program of the README compiles against the package and runs.

use ffi_tests::{Linkage, execute, source};

use crate::PACKAGE;

/// The text between the first fence that opens a `cpp` block and the next fence.
fn first_program(readme: &str) -> Option<&str> {
    let (_, program) = readme.split_once("\n```cpp\n")?;
    Some(program.split_once("\n```")?.0)
}

#[test]
fn first_cpp_block_runs() {
    let readme = std::fs::read_to_string(source("../README.md")).expect("there is a README.md");
    let program = first_program(&readme).expect("README.md has a block that opens with ```cpp");
    let folder = PACKAGE.scratch("readme");
    let file = folder.join("readme.cpp");
    std::fs::write(&file, format!("{program}\n")).expect("the scratch folder is writable");
    let compiled = PACKAGE.compile("g++", &file, &folder.join("readme"), Linkage::Shared, &[]);
    execute(compiled);
}
