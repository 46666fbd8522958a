//! The chores of this workspace: `cargo xtask <command>`.
//!
//! ```text
//! check      after every change: format, lints, the C header, the tests that take seconds
//! test       everything: all tests, the package, llama.cpp, the release archive, aarch64, the fuzz targets
//! demo       the package installed, the examples built against it and run
//! header     the C headers written from src/ffi
//! bench      speed, instruction counts, sessions of llama.cpp: docs/PERFORMANCE.md
//! quality    rate against distortion: docs/QUALITY.md and docs/ATTRIBUTION.md
//! llama      llama.cpp fetched, and the programs of tools/llama built
//! coverage   lines of src/ that the tests reach
//! fuzz       the fuzz targets, for as long as you like
//! dist       the archive of a release
//! ```
//!
//! Each command is one file. Commands show the output of the programs they run as it is, stop at the first
//! failure, and install with the system's package manager what they need and the machine lacks.

mod aarch64;
mod bench;
mod check;
mod coverage;
mod demo;
mod dist;
mod engine;
mod fuzz;
mod header;
mod licences;
mod programs;
mod quality;
mod shell;
mod steps;
mod test;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of the kakeyaturbo workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the package below target/, build the C++ examples against it and run them
    Demo,
    /// After every change: format, lints, the C header, the tests that take seconds
    Check,
    /// Format, lints, documentation, every test
    Test,
    /// Write the C headers in include/kakeyaturbo from src/ffi
    Header {
        /// Only compare, and fail if a committed header differs
        #[arg(long)]
        check: bool,
    },
    /// Fetch and build llama.cpp, and build the programs of tools/llama with it
    Llama,
    /// Line coverage of src/; fails below 99 %
    Coverage,
    /// Rate and distortion of every preset against other codecs and theory; with `--engine`, on a model's predictions inside
    /// llama.cpp; `cargo xtask quality --help` has the options
    #[command(disable_help_flag = true)]
    Quality {
        /// Options of the report generator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Speed of every preset against what engines use today, instruction counts, sessions of llama.cpp
    Bench(bench::Options),
    /// Run the fuzz targets
    Fuzz(fuzz::Options),
    /// Pack a release below target/dist, then build and run programs against what was packed
    Dist,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo => demo::run(),
        Command::Check => check::run(),
        Command::Test => test::run(),
        Command::Header { check } => header::run(check),
        Command::Llama => engine::programs(),
        Command::Coverage => coverage::run(),
        Command::Quality { options } => quality::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Dist => dist::pack(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
