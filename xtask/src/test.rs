//! `cargo xtask test`: every check, in the order in which a failure is cheapest.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::shell::{self, cargo, command};
use crate::tools;
use crate::workspace::Workspace;
use crate::{aarch64, dist, engine, fuzz};

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
    steps.command("format", cargo(["fmt", "--all", "--check"]))?;
    steps.command("clippy", cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut doc = cargo(["doc", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("documentation", doc)?;
    steps.command("cargo test", cargo(["test", "--workspace"]))?;

    let workspace = Workspace::load()?;
    let prefix = workspace.target.join("test/prefix");
    steps.step("install", || workspace.install(&prefix))?;
    let library = format!("{DLL_PREFIX}kakeyaturbo{DLL_SUFFIX}");
    let mut numpy = command(tools::python_with_numpy()?, [workspace.root.join("ffi-tests/numpy/check.py")]);
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
    steps.step("fuzz", || fuzz::fuzz(&fuzz::Options { seconds: 10, target: Vec::new(), address: false }))
}

/// What ran so far, and for how long.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn command(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        self.step(name, || shell::run(&mut command))
    }

    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work().with_context(|| format!("the step \"{name}\" failed"));
        self.0.push((name, start.elapsed()));
        result
    }

    fn print(&self) {
        println!("\n== time per step");
        for (name, time) in &self.0 {
            println!("{name:<16} {:>7.1} s", time.as_secs_f64());
        }
    }
}
