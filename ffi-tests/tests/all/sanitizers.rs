//! No program reads or writes what is not its own, leaks, or does what C leaves undefined.

use std::path::Path;

use ffi_tests::{Linkage, command, execute, run, source};

use crate::PACKAGE;
use crate::contract::{PROGRAMS, run_linked, run_program};

const VALGRIND: [&str; 4] = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"];
const SANITIZE: [&str; 3] =
    ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];

/// A consumer, compiled with `flags`.
fn consumer(name: &str, compiler: &str, file: &str, flags: &[&str]) -> std::path::PathBuf {
    let program = PACKAGE.scratch(name).join("consumer");
    PACKAGE.compile(compiler, &source("consumers").join(file), &program, Linkage::Shared, flags)
}

fn valgrind(program: &Path) {
    run(command(VALGRIND[0], &VALGRIND[1..]).arg(program));
}

#[test]
fn c_under_valgrind() {
    valgrind(&consumer("c_under_valgrind", "gcc", "consumer.c", &[]));
}

#[test]
fn cpp_under_valgrind() {
    valgrind(&consumer("cpp_under_valgrind", "g++", "consumer.cpp", &[]));
}

#[test]
fn c_with_sanitizers() {
    execute(consumer("c_with_sanitizers", "gcc", "consumer.c", &SANITIZE));
}

#[test]
fn cpp_with_sanitizers() {
    execute(consumer("cpp_with_sanitizers", "g++", "consumer.cpp", &SANITIZE));
}

#[test]
fn every_contract_program_with_sanitizers() {
    for name in PROGRAMS {
        run_program(name, "sanitized", &SANITIZE, &[]);
    }
}

/// Those whose inputs lie in memory of exactly their size, where a step beyond the end shows; the library itself is
/// not instrumented, and Valgrind sees into it.
#[test]
fn hostile_input_under_valgrind() {
    for name in ["decode_rows", "skeleton", "untouched_outputs"] {
        run_program(name, "valgrind", &[], &VALGRIND);
    }
}

/// As a part of the program, the library is checked no less.
#[test]
fn static_library_under_valgrind() {
    for name in ["memory", "round_trip", "profile", "untouched_outputs"] {
        run_linked(name, "valgrind-static", Linkage::Static, &[], &VALGRIND);
    }
}

/// Not `fork`: its children lack the thread that owns a workspace, and so lose it.
#[test]
fn memory_under_valgrind() {
    for name in ["memory", "round_trip", "rdo", "profile"] {
        run_program(name, "valgrind-shared", &[], &VALGRIND);
    }
}

/// Valgrind's drd sees every access that no lock and no atomic operation puts in order.
#[test]
fn threads_under_drd() {
    let drd = ["valgrind", "--tool=drd", "--quiet", "--error-exitcode=9"];
    for name in ["threads", "batch"] {
        run_program(name, "drd", &[], &drd);
    }
}
