//! The promises of the C API, each checked by a C program of its own in `c/contract`.

use ffi_tests::{Linkage, command, run, source};

use crate::PACKAGE;

/// Compiles a program with the flags of the caller's choice and runs it under `wrapper`, if there is one.
pub fn run_program(name: &str, how: &str, flags: &[&str], wrapper: &[&str]) -> String {
    run_linked(name, how, Linkage::Shared, flags, wrapper)
}

/// As [`run_program`], bound to the library as the caller says.
pub fn run_linked(name: &str, how: &str, linkage: Linkage, flags: &[&str], wrapper: &[&str]) -> String {
    let program = PACKAGE.scratch(&format!("contract-{how}-{name}")).join(name);
    let file = source("c/contract").join(format!("{name}.c"));
    let _: std::path::PathBuf = PACKAGE.compile("gcc", &file, &program, linkage, flags);
    let line = wrapper.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
    let line: Vec<&std::ffi::OsStr> = line.collect();
    run(&mut command(line[0], &line[1..]))
}

macro_rules! programs {
    ($($name:ident)*) => {
        /// The programs of this folder.
        pub const PROGRAMS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                let report = run_program(stringify!($name), "plain", &[], &[]);
                assert!(report.contains(", 0 failed"), "{report}");
            }
        )*
    };
}

programs! {
    batch
    decode_rows
    enums
    fixed_step
    fork
    hostile
    memory
    null_pointers
    profile
    profile_builder
    profile_pointers
    rdo
    rope
    round_trip
    row_rules
    skeleton
    status
    struct_size
    threads
    untouched_outputs
    workspaces
}

#[test]
fn every_program_is_run() {
    let folder = std::fs::read_dir(source("c/contract")).expect("there are programs");
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".c")?.to_owned())).collect();
    found.sort();
    assert_eq!(found, PROGRAMS);
}
