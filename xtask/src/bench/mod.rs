//! `cargo xtask bench`: builds the programs of `bench` against the installed package, llama.cpp and rivals, runs them, and
//! has `report` draw tables and picture.
//!
//! ```text
//! instructions   what a call executes, counted by callgrind and compared with the committed counts
//! sessions       profiles of three row layouts, and sessions of llama.cpp restored with them
//! quick          the table of a quick run
//! ```

mod instructions;
mod quick;
mod sessions;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::engine::Engine;
use crate::shell::{self, cargo, command, succeeds};
use crate::tools;
use crate::workspace::{Workspace, configure};

/// What is measured, and how thoroughly.
#[derive(Args)]
pub struct Options {
    /// About a minute once everything is built: two widths, short turns, the instructions of one tier. Prints a table, and
    /// leaves docs/ and the committed counts alone
    #[arg(long)]
    quick: bool,
    /// Measure only this (repeatable); the other results stay as they are in docs/
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Codecs and rivals on one core, batches on two
    Codecs,
    /// The benchmarks of the Rust interface, by criterion
    Criterion,
    /// Instruction counts, by callgrind
    Instructions,
    /// Sessions of llama.cpp; fetches models
    Sessions,
}

/// A folder for what is built and measured, and what was built.
struct Bench {
    engine: Engine,
    root: PathBuf,
    folder: PathBuf,
    quick: bool,
}

impl Bench {
    fn program(&self, name: &str) -> PathBuf {
        self.folder.join("programs").join(name)
    }
}

/// Measures, and brings `docs/PERFORMANCE.md` up to date.
///
/// # Errors
/// When something cannot be fetched or built, or a program fails.
pub fn run(options: &Options) -> Result<()> {
    tools::ensure(&tools::BUILD.iter().chain(tools::ENGINE).chain(tools::BENCH).collect::<Vec<_>>())?;
    let wanted = |part| match options.only.as_slice() {
        [] => !options.quick || matches!(part, Part::Codecs | Part::Instructions),
        only => only.contains(&part),
    };
    let engine = Engine::prepare()?;
    let workspace = Workspace::load()?;
    let bench =
        Bench { engine, folder: workspace.target.join("bench"), root: workspace.root, quick: options.quick };
    println!("\n== the programs that measure, as an outside project");
    let programs = bench.folder.join("programs");
    configure(&bench.root.join("bench"), &programs, std::slice::from_ref(&bench.engine.search))?;
    shell::run(command("cmake", ["--build"]).arg(&programs))?;

    let mut results = Vec::new();
    if wanted(Part::Codecs) {
        results.extend(codecs(&bench)?);
    }
    if wanted(Part::Instructions) {
        results.push(instructions::run(&bench)?);
    }
    if wanted(Part::Sessions) {
        results.extend(sessions::run(&bench)?);
    }
    if wanted(Part::Criterion) {
        criterion(&bench)?;
    }
    if bench.quick { quick::print(&results) } else { render(&bench, &results) }
}

/// Everything on one core, then batches on all.
fn codecs(bench: &Bench) -> Result<[PathBuf; 2]> {
    let quick: &[&str] =
        if bench.quick { &["--dims", "128", "512", "--rounds", "3", "--seconds", "0.02"] } else { &[] };
    let run = |suites: &[&str], pinned: bool| {
        let results = bench.folder.join(format!("{}.jsonl", suites[0]));
        let program = bench.program("bench_codecs");
        let mut measure = if pinned { on_one_core(&program) } else { Command::new(&program) };
        measure.args(suites).args(quick).arg("--json").arg(&results);
        shell::run(&mut measure).map(|()| results)
    };
    println!("\n== codecs and rivals on one core");
    let suites: &[&str] = if bench.quick { &["speed"] } else { &["speed", "growth", "access", "cold"] };
    let one = run(suites, true)?;
    println!("\n== batches");
    Ok([one, run(&["threads"], false)?])
}

fn criterion(bench: &Bench) -> Result<()> {
    println!("\n== the Rust interface, by criterion");
    shell::run(&mut cargo(["bench", "--package", "bench", "--no-run"]))?;
    let mut run = on_one_core(cargo([""; 0]).get_program());
    run.args(["bench", "--package", "bench", "--"]);
    if bench.quick {
        run.args(["--warm-up-time", "0.1", "--measurement-time", "0.4", "--sample-size", "10"]);
    }
    shell::run(run.current_dir(&bench.root))
}

/// A program on the last core, where there is `taskset` to say so.
fn on_one_core(program: impl AsRef<OsStr>) -> Command {
    if !succeeds(&mut command("taskset", ["--version"])) {
        return Command::new(program);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut pinned = command("taskset", ["-c", &(cores - 1).to_string()]);
    pinned.arg(program);
    pinned
}

/// Tables and picture, by the program that has what draws.
fn render(bench: &Bench, results: &[PathBuf]) -> Result<()> {
    let mut render = cargo(["run", "--quiet", "--release", "--package", "report", "--", "--suite", "none"]);
    for file in results {
        render.arg("--performance").arg(file);
    }
    shell::run(render.current_dir(&bench.root))
}

/// What a file says.
fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Makes or replaces a file.
fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
