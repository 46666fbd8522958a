//! `cargo xtask check`: what to run after every change. It takes minutes, and `cargo xtask test` is the whole.

use anyhow::Result;

use crate::shell::cargo;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{header, programs, tools};

/// Programs that are compiled and run within seconds: stored blocks, every tier, hostile bytes, refusals, memory. Not
/// `kernel`, which compiles the kernel anew, and not what codes real rows.
const FAST: [&str; 13] = [
    "--package=kakeyaturbo",
    "--test=allocations",
    "--test=edges",
    "--test=golden",
    "--test=golden_errors",
    "--test=hostile",
    "--test=lloyd_max_table",
    "--test=out_of_memory",
    "--test=profile",
    "--test=profile_bytes",
    "--test=rate_tables",
    "--test=refusals",
    "--test=tiers",
];

/// Format, lints, the C header, and the tests that take seconds; the first failure ends it.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a check fails.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    let result = checks(&mut steps);
    steps.print();
    if result.is_ok() {
        println!("the fast checks passed; `cargo xtask test` has the others");
    }
    result
}

fn checks(steps: &mut Steps) -> Result<()> {
    let workspace = Workspace::load()?;
    tools::ensure_rust_components()?;
    format(steps)?;
    clippy(steps)?;
    steps.step("header", || header::run(true))?;
    steps.step("fast tests", || programs::test(&workspace, &FAST))
}

/// Rust files as rustfmt writes them, those of the fuzzer too, which are a workspace of their own.
///
/// # Errors
/// When a file is written otherwise.
pub fn format(steps: &mut Steps) -> Result<()> {
    steps.command("format", cargo(["fmt", "--all", "--check"]))?;
    steps.command("format of fuzz", cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

/// No lint finds anything.
///
/// # Errors
/// When one does.
pub fn clippy(steps: &mut Steps) -> Result<()> {
    steps.command("clippy", cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}
