//! What the installation writes, and nothing else.

use std::fs;
use std::path::Path;

use crate::PACKAGE;

/// Appends the files below `folder`, by path relative to `root`, with the targets of links.
fn list(root: &Path, folder: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("an installed folder is readable") {
        let path = entry.expect("an installed folder is readable").path();
        let name = path.strip_prefix(root).expect("it is below the root").display().to_string();
        if path.is_symlink() {
            let target = fs::read_link(&path).expect("a link has a target");
            lines.push(format!("{name} -> {}", target.display()));
        } else if path.is_dir() {
            list(root, &path, lines);
        } else {
            lines.push(name);
        }
    }
}

#[test]
fn installed_files() {
    let mut lines = Vec::new();
    list(PACKAGE.prefix(), PACKAGE.prefix(), &mut lines);
    lines.sort();
    let (minor, _) = env!("CARGO_PKG_VERSION").rsplit_once('.').expect("a version has three parts");
    let tree = lines.join("\n").replace(env!("CARGO_PKG_VERSION"), "[version]");
    insta::assert_snapshot!(tree.replace(&format!(".so.{minor}"), ".so.[soversion]"));
}

#[test]
fn no_file_names_the_place_of_the_build() {
    let mut lines = Vec::new();
    list(PACKAGE.prefix(), PACKAGE.prefix(), &mut lines);
    let prefix = PACKAGE.prefix().display().to_string();
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let home = home.expect("cargo runs the tests");
    for name in lines.iter().filter(|name| !name.contains(" -> ")) {
        let bytes = fs::read(PACKAGE.prefix().join(name)).expect("an installed file is readable");
        for place in [
            &prefix,
            env!("CARGO_MANIFEST_DIR"),
            env!("CARGO_MANIFEST_DIR").trim_end_matches("/ffi-tests"),
            &home,
        ] {
            let found = bytes.windows(place.len()).any(|window| window == place.as_bytes());
            assert!(!found, "{name} names {place}");
        }
    }
}
