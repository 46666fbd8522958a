//! The version macros say what the library says at run time, and what the package says.

use ffi_tests::{Linkage, execute, source};

use crate::PACKAGE;

#[test]
fn macros_equal_functions() {
    let program = PACKAGE.scratch("version").join("version");
    let program = PACKAGE.compile("gcc", &source("c/version.c"), &program, Linkage::Shared, &[]);
    let versions = execute(program);
    let parts: Vec<u32> =
        env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().expect("a number")).collect();
    let number = parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2];
    assert_eq!(versions, format!("{} {number}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn pkg_config_says_the_version() {
    assert_eq!(PACKAGE.pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
}
