//! The headers compile alone and twice, under every warning, in every language version they are for.

use std::fs;
use std::path::Path;

use ffi_tests::{WARNINGS, command, run};

use crate::PACKAGE;

/// The headers for C.
const C_HEADERS: [&str; 3] = ["kakeyaturbo.h", "profile.h", "dlopen.h"];

/// Compiles a file that includes nothing but `header`, twice.
fn compile(folder: &Path, header: &str, compiler: &str, language: &str, standard: &str) {
    let suffix = if language == "c" { "c" } else { "cpp" };
    let name = format!("{}.{compiler}.{standard}.{suffix}", header.replace('/', "-"));
    let file = folder.join(name);
    let line = format!("#include <kakeyaturbo/{header}>\n");
    fs::write(&file, format!("{line}{line}int main(void) {{ return 0; }}\n"))
        .expect("the scratch folder is writable");
    let mut check = command(compiler, ["-fsyntax-only", "-x", language, &format!("-std={standard}")]);
    check.args(WARNINGS).arg("-I").arg(PACKAGE.prefix().join("include")).arg(file);
    run(&mut check);
}

#[test]
fn c_headers() {
    let folder = PACKAGE.scratch("c_headers");
    for compiler in ["gcc", "clang"] {
        for header in C_HEADERS {
            for standard in ["c99", "c11", "c17", "c2x"] {
                compile(&folder, header, compiler, "c", standard);
            }
            for standard in ["c++11", "c++17", "c++20", "c++2b"] {
                compile(&folder, header, compiler, "c++", standard);
            }
        }
    }
}

#[test]
fn cpp_headers() {
    let folder = PACKAGE.scratch("cpp_headers");
    let root = PACKAGE.prefix().join("include/kakeyaturbo");
    let mut names = Vec::new();
    for (folder, prefix) in [(root.clone(), ""), (root.join("cpp"), "cpp/"), (root.join("llama"), "llama/")] {
        for entry in fs::read_dir(folder).expect("there are headers") {
            let name = entry.expect("the folder is readable").file_name();
            names.push(format!("{prefix}{}", name.to_str().expect("the name is ASCII")));
        }
    }
    for expected in ["kakeyaturbo.hpp", "cpp/codec.hpp", "llama/state.hpp"] {
        assert!(names.iter().any(|name| name == expected), "no {expected} in {names:?}");
    }
    for header in names.iter().filter(|name| name.ends_with(".hpp")) {
        for compiler in ["g++", "clang++"] {
            for standard in ["c++17", "c++20"] {
                compile(&folder, header, compiler, "c++", standard);
            }
        }
    }
}

/// A header without its comments and empty lines.
pub fn code(header: &str) -> String {
    let mut inside = false;
    let text = PACKAGE.header(header);
    let code = text.lines().filter(|line| {
        inside |= line.starts_with("/*");
        let comment = inside || line.trim_start().starts_with("///");
        inside &= !line.contains("*/");
        !comment && !line.trim().is_empty()
    });
    code.collect::<Vec<_>>().join("\n")
}

/// What a change of the interface looks like to its users.
#[test]
fn declarations() {
    let code = ["kakeyaturbo.h", "profile.h"].map(code).join("\n");
    let code: Vec<&str> = code.lines().filter(|line| !line.contains("KAKEYA_VERSION_")).collect();
    insta::assert_snapshot!(code.join("\n"));
}

/// A header is read from top to bottom: it must not grow beyond what one reads.
#[test]
fn lengths() {
    for (header, most) in [("kakeyaturbo.h", 700), ("profile.h", 500)] {
        let lines = PACKAGE.header(header).lines().count();
        assert!(lines <= most, "{header} has {lines} lines, more than {most}");
    }
}

/// Where the compiler can tell, a status that is thrown away is an error under `-Werror`.
#[test]
fn a_status_must_be_looked_at() {
    let file = PACKAGE.scratch("ignored_status").join("ignored.c");
    let call = "kakeya_block_verify(NULL, NULL, 0);";
    fs::write(&file, format!("#include <kakeyaturbo/kakeyaturbo.h>\nvoid f(void) {{ {call} }}\n")).unwrap();
    for (compiler, language, standard) in
        [("gcc", "c", "c99"), ("clang", "c", "c99"), ("g++", "c++", "c++17"), ("clang++", "c++", "c++17")]
    {
        // Not only the syntax: gcc warns of a status that is thrown away when it generates code.
        let mut check =
            command(compiler, ["-c", "-o", "/dev/null", "-x", language, &format!("-std={standard}")]);
        check.args(WARNINGS).arg("-I").arg(PACKAGE.prefix().join("include")).arg(&file);
        let output = check.output().expect("the compiler starts");
        let report = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && report.contains("unused"), "{compiler}: {report}");
    }
}
