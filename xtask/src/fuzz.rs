//! `cargo xtask fuzz`: every fuzz target for a while, from the stored seeds and what earlier runs found.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::shell::{command, run};
use crate::tools;
use crate::workspace::Workspace;

/// All targets: they are the files of `fuzz/fuzz_targets`.
const TARGETS: [&str; 7] =
    ["decode", "header", "skeleton", "profile", "session", "round_trip", "differential"];

/// What to fuzz, and for how long.
#[derive(Args)]
pub struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only these targets
    #[arg(long, value_parser = TARGETS)]
    target: Vec<String>,
    /// With the address sanitizer: slower, and it takes a nightly compiler
    #[arg(long)]
    address: bool,
    /// Compile fast rather than well: fewer inputs a second
    #[arg(long)]
    quick: bool,
}

impl Options {
    /// As in `cargo xtask test`: every target for a moment. To compile it well would take longer than to run it.
    pub fn quick() -> Self {
        Self { seconds: 10, target: Vec::new(), address: false, quick: true }
    }
}

/// Installs cargo-fuzz below `target/` where it is missing, builds the targets and runs one after the other; each prints
/// how many inputs it ran.
///
/// # Errors
/// When a tool is missing and cannot be installed, or an input is found for which a target fails; it is kept in
/// `fuzz/artifacts`.
pub fn fuzz(options: &Options) -> Result<()> {
    tools::ensure(&tools::TEST.iter().collect::<Vec<_>>())?;
    let workspace = Workspace::load()?;
    let fuzz =
        CargoFuzz { program: tools::subcommand("fuzz", &workspace.target)?, workspace: &workspace, options };
    run(&mut fuzz.command("build"))?;
    for target in TARGETS {
        if options.target.is_empty() || options.target.iter().any(|chosen| chosen == target) {
            fuzz.run(target).with_context(|| format!("the fuzz target {target}"))?;
        }
    }
    Ok(())
}

struct CargoFuzz<'a> {
    program: PathBuf,
    workspace: &'a Workspace,
    options: &'a Options,
}

impl CargoFuzz<'_> {
    fn command(&self, verb: &str) -> Command {
        let mut line = command(&self.program, ["fuzz", verb, "--fuzz-dir"]);
        line.arg(self.workspace.root.join("fuzz"))
            .arg("--target-dir")
            .arg(self.workspace.target.join("fuzz"));
        if self.options.quick {
            line.arg("--dev");
        }
        if self.options.address {
            // cargo-fuzz runs the cargo of its environment.
            line.args(["--sanitizer", "address"]).env("RUSTUP_TOOLCHAIN", "nightly");
        } else {
            line.args(["--sanitizer", "none"]);
        }
        line
    }

    fn run(&self, target: &str) -> Result<()> {
        let folder = self.workspace.root.join("fuzz");
        let corpus = folder.join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let mut line = self.command("run");
        line.arg(target).arg(&corpus).arg(folder.join("seeds").join(target)).arg("--");
        line.arg(format!("-max_total_time={}", self.options.seconds));
        // Memory and time that no honest input of this size needs.
        line.args([
            "-max_len=4096",
            "-rss_limit_mb=2048",
            "-malloc_limit_mb=64",
            "-timeout=5",
            "-print_final_stats=1",
        ]);
        run(&mut line)
    }
}
