//! The headers compile alone and twice, under every warning, in every language version they are for.

use std::fs;
use std::path::Path;

use ffi_tests::{WARNINGS, command, run};

use crate::PACKAGE;

/// Compiles a file that includes nothing but `header`, twice.
fn compile(folder: &Path, header: &str, compiler: &str, language: &str, standard: &str) {
    let name = format!("{header}.{compiler}.{standard}.{}", if language == "c" { "c" } else { "cpp" });
    let file = folder.join(name);
    let line = format!("#include <kakeyaturbo/{header}>\n");
    fs::write(&file, format!("{line}{line}int main(void) {{ return 0; }}\n"))
        .expect("the scratch folder is writable");
    let mut check = command(compiler, ["-fsyntax-only", "-x", language, &format!("-std={standard}")]);
    check.args(WARNINGS).arg("-I").arg(PACKAGE.prefix().join("include")).arg(file);
    run(&mut check);
}

#[test]
fn c_header() {
    let folder = PACKAGE.scratch("c_header");
    for compiler in ["gcc", "clang"] {
        for standard in ["c99", "c11"] {
            compile(&folder, "kakeyaturbo.h", compiler, "c", standard);
        }
        for standard in ["c++17", "c++20"] {
            compile(&folder, "kakeyaturbo.h", compiler, "c++", standard);
        }
    }
}

#[test]
fn cpp_headers() {
    let folder = PACKAGE.scratch("cpp_headers");
    let entries = fs::read_dir(PACKAGE.prefix().join("include/kakeyaturbo")).expect("there are headers");
    let names = entries.map(|entry| entry.expect("the folder is readable").file_name());
    let names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    assert!(names.iter().any(|name| name == "kakeyaturbo.hpp"), "no kakeyaturbo.hpp in {names:?}");
    for header in names.iter().filter(|name| name.ends_with(".hpp")) {
        for compiler in ["g++", "clang++"] {
            for standard in ["c++17", "c++20"] {
                compile(&folder, header, compiler, "c++", standard);
            }
        }
    }
}

/// What a change of the interface looks like to its users: the header without its comments.
#[test]
fn declarations() {
    let mut inside = false;
    let text = PACKAGE.header("kakeyaturbo.h");
    let code = text.lines().filter(|line| {
        inside |= line.trim_start().starts_with("/*");
        let comment = inside;
        inside &= !line.contains("*/");
        !comment && !line.trim().is_empty()
    });
    let code: Vec<&str> = code.filter(|line| !line.contains("KAKEYA_VERSION_")).collect();
    insta::assert_snapshot!(code.join("\n"));
}
