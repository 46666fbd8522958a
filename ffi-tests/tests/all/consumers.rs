//! Outside programs in C and C++ build and run, whichever way they find the package and bind to it.

use std::os::unix::fs::symlink;
use std::path::Path;

use ffi_tests::{Linkage, build_with_cmake, execute, needed_libraries, source};

use crate::PACKAGE;

/// Runs a consumer, which checks its own results, and sees that it is bound as it should be.
fn check(program: &Path, linkage: Linkage) {
    let report = execute(program);
    assert!(report.contains("round trip"), "{} printed only {report:?}", program.display());
    let needed = needed_libraries(program);
    let shared = needed.iter().any(|name| name.starts_with("libkakeyaturbo.so.0."));
    assert_eq!(shared, linkage == Linkage::Shared, "{} needs {needed:?}", program.display());
}

fn find_package(name: &str, target: &str, linkage: Linkage) {
    let definitions = [("CMAKE_PREFIX_PATH", PACKAGE.prefix()), ("CONSUMER_LINKS_TO", Path::new(target))];
    let build = build_with_cmake(&source("consumers/find_package"), &PACKAGE.scratch(name), &definitions);
    for program in ["consumer_c", "consumer_cpp"] {
        check(&build.join(program), linkage);
    }
}

#[test]
fn find_package_neutral() {
    find_package("find_package_neutral", "kakeyaturbo::kakeyaturbo", Linkage::Shared);
}

#[test]
fn find_package_shared() {
    find_package("find_package_shared", "kakeyaturbo::shared", Linkage::Shared);
}

#[test]
fn find_package_static() {
    find_package("find_package_static", "kakeyaturbo::static", Linkage::Static);
}

#[test]
fn add_subdirectory() {
    let folder = PACKAGE.scratch("add_subdirectory");
    let root = source("..");
    // The project would compile the library once more: let its cargo find what the package's cargo has made.
    let part = folder.join("build/kakeyaturbo");
    std::fs::create_dir_all(&part).expect("the scratch folder is writable");
    symlink(PACKAGE.cargo_folder(), part.join("cargo")).expect("the scratch folder is writable");
    let definitions = [("KAKEYATURBO_SOURCE_DIR", root.as_path())];
    let build = build_with_cmake(&source("consumers/add_subdirectory"), &folder, &definitions);
    check(&build.join("consumer_c"), Linkage::Shared);
    check(&build.join("consumer_cpp"), Linkage::Shared);
    check(&build.join("consumer_c_static"), Linkage::Static);
    check(&build.join("consumer_cpp_static"), Linkage::Static);
}

fn pkg_config(name: &str, linkage: Linkage) {
    let folder = PACKAGE.scratch(name);
    for (compiler, file) in [("gcc", "consumer.c"), ("g++", "consumer.cpp"), ("clang", "consumer.c")] {
        let program = folder.join(format!("{compiler}-{file}.out"));
        check(&PACKAGE.compile(compiler, &source("consumers").join(file), &program, linkage, &[]), linkage);
    }
}

#[test]
fn pkg_config_shared() {
    pkg_config("pkg_config_shared", Linkage::Shared);
}

#[test]
fn pkg_config_static() {
    pkg_config("pkg_config_static", Linkage::Static);
}
