//! The shared library exports the functions of the header, under one prefix, and nothing else.

use ffi_tests::{Linkage, command, execute, run, source};

use crate::PACKAGE;
use crate::header::code;

/// The functions that the headers declare: names with the prefix before a parenthesis, outside of comments.
pub fn declared() -> Vec<String> {
    let code = ["kakeyaturbo.h", "profile.h"].map(code).join("\n");
    let words = code
        .split('(')
        .filter_map(|before| before.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next_back());
    let mut names: Vec<String> =
        words.filter(|word| word.starts_with("kakeya_")).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn exported_functions() {
    let symbols =
        run(command("nm", ["--dynamic", "--defined-only", "--format=posix"]).arg(PACKAGE.library()));
    let mut exported: Vec<String> =
        symbols.lines().filter_map(|line| line.split(['@', ' ']).next()).map(str::to_owned).collect();
    exported.sort();
    assert_eq!(exported, declared(), "exported (left) and declared in the header (right)");
    insta::assert_snapshot!(exported.join("\n"));
}

/// Every function has a pointer type that fits it, and is found under its name at run time.
#[test]
fn pointer_types() {
    let program = PACKAGE.scratch("pointer_types").join("dlopen");
    let program = PACKAGE.compile("gcc", &source("c/dlopen.c"), &program, Linkage::Shared, &["-ldl"]);
    let mut named: Vec<String> = execute(program).lines().map(str::to_owned).collect();
    named.sort();
    assert_eq!(named, declared(), "in dlopen.h (left) and declared (right)");
}

#[test]
fn soname() {
    let dynamic = run(command("readelf", ["--dynamic", "--wide"]).arg(PACKAGE.library()));
    let mut version = env!("CARGO_PKG_VERSION").split('.');
    let (major, minor) = (version.next().unwrap_or_default(), version.next().unwrap_or_default());
    let suffix = if major == "0" { format!("0.{minor}") } else { major.to_owned() };
    let expected = format!("soname: [libkakeyaturbo.so.{suffix}]");
    assert!(dynamic.contains(&expected), "no {expected} in\n{dynamic}");
}
