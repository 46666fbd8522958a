//! The binary interface as a C compiler sees it: every function's type, and every struct that one of them reaches,
//! compared by libabigail with what is kept in `ffi-tests/abi`.

use std::env;
use std::fs;
use std::path::PathBuf;

use ffi_tests::{Linkage, command, run, source};

use crate::PACKAGE;
use crate::symbols::declared;

/// A table of pointers to all functions, and its types as abidw writes them down. The library's own debug information
/// does not do: it has the types of Rust, which need not be those of the header.
fn interface() -> PathBuf {
    let folder = PACKAGE.scratch("abi");
    let functions = declared();
    let fields: String =
        functions.iter().map(|name| format!("    __typeof__(&{name}) {name}_type;\n")).collect();
    let values: String = functions.iter().map(|name| format!("    &{name},\n")).collect();
    let text = format!(
        "#include <kakeyaturbo/profile.h>\n\nconst struct kakeya_interface {{\n{fields}}} kakeya_functions = \
         {{\n{values}}};\n"
    );
    let (code, library) = (folder.join("interface.c"), folder.join("interface.so"));
    fs::write(&code, text).unwrap();
    // What is kept must not name a folder.
    let no_folder = format!("-ffile-prefix-map={}/=", folder.display());
    let flags = ["-shared", "-fPIC", "-std=gnu11", &no_folder];
    let library = PACKAGE.compile("gcc", &code, &library, Linkage::Shared, &flags);
    let described = folder.join("interface.abi");
    let mut abidw = command("abidw", ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"]);
    abidw.args(["--type-id-style", "hash", "--no-elf-needed"]).arg("--out-file").arg(&described).arg(library);
    run(&mut abidw);
    described
}

/// With `UPDATE_ABI=1` in the environment, what is kept becomes what is.
#[test]
fn nothing_moved() {
    let kept = source("abi/kakeyaturbo.abi");
    let now = interface();
    if env::var_os("UPDATE_ABI").is_some() {
        fs::copy(&now, &kept).unwrap();
    }
    run(command("abidiff", ["--harmless"]).args([&kept, &now]));
}

/// A comparison that finds nothing would be worth nothing.
#[test]
fn a_moved_field_is_seen() {
    let kept = fs::read_to_string(source("abi/kakeyaturbo.abi")).unwrap();
    let (before, after) = kept.split_once("layout-offset-in-bits='64'").expect("a struct has a second field");
    let forged = PACKAGE.scratch("abi-forged").join("forged.abi");
    fs::write(&forged, format!("{before}layout-offset-in-bits='72'{after}")).unwrap();
    let output = command("abidiff", [source("abi/kakeyaturbo.abi"), forged]).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && report.contains("offset changed"), "{report}");
}
