//! Every stored seed meets what its fuzz target requires.

use std::fs;
use std::path::Path;

use kakeyaturbo_fuzz_targets as targets;

/// Runs a target on its seeds.
fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{} has {} seeds", folder.display(), paths.len());
    for path in paths {
        println!("{}", path.display());
        target(&fs::read(&path).unwrap());
    }
}

#[test]
fn decode() {
    run("decode", targets::decode);
}

#[test]
fn header() {
    run("header", targets::header);
}

#[test]
fn skeleton() {
    run("skeleton", targets::skeleton);
}

#[test]
fn profile() {
    run("profile", targets::profile);
}

#[test]
fn round_trip() {
    run("round_trip", targets::round_trip);
}

#[test]
fn differential() {
    run("differential", targets::differential);
}
