//! `cargo xtask test`: every check, in the order in which a failure is cheapest.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};

use anyhow::Result;

use crate::shell::{cargo, command};
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{aarch64, check, dist, engine, fuzz, header, programs, tools};

const FIXTURE: &str = "tests/data/smollm2-135m-test.safetensors";

/// Runs the checks one after the other; the first failure ends it.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a check fails.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    let result = checks(&mut steps);
    steps.print();
    if result.is_ok() {
        println!("every check passed");
    }
    result
}

fn checks(steps: &mut Steps) -> Result<()> {
    steps.step("tools", || {
        tools::ensure_rust_components()?;
        tools::ensure(&tools::BUILD.iter().chain(tools::TEST).collect::<Vec<_>>())
    })?;
    check::format(steps)?;
    check::clippy(steps)?;
    steps.step("header", || header::run(true))?;
    let mut doc = cargo(["doc", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("documentation", doc)?;
    let workspace = Workspace::load()?;
    steps.step("tests", || programs::test(&workspace, &["--workspace"]))?;
    steps.command("tests in docs", cargo(["test", "--workspace", "--doc"]))?;

    let prefix = workspace.target.join("test/prefix");
    steps.step("install", || workspace.install(&prefix))?;
    let library = format!("{DLL_PREFIX}kakeyaturbo{DLL_SUFFIX}");
    let mut numpy = command(tools::python_with_numpy()?, [workspace.root.join("conformance/check.py")]);
    numpy.arg("--library").arg(prefix.join("lib").join(library));
    numpy.arg("--fixture").arg(workspace.root.join(FIXTURE));
    steps.command("numpy", numpy)?;
    steps.step("engine", engine::short)?;
    steps.step("dist", dist::pack)?;
    let mut deny = command(tools::subcommand("deny", &workspace.target)?, ["deny", "check"]);
    // Advisories are in a repository of their own, which not every machine may reach: `cargo deny check` asks for them.
    deny.args(["bans", "licenses", "sources"]).current_dir(&workspace.root);
    steps.command("cargo deny", deny)?;
    steps.step("aarch64", aarch64::check)?;
    steps.step("fuzz", || fuzz::fuzz(&fuzz::Options::quick()))
}
