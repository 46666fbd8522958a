//! The chores of this workspace: `cargo xtask <command>`.
//!
//! Each command is one file. Commands show the output of the programs they run as it is, stop at the first
//! failure, and install with the system's package manager what they need and the machine lacks.

mod aarch64;
mod bench;
mod coverage;
mod demo;
mod dist;
mod engine;
mod fuzz;
mod header;
mod licences;
mod quality;
mod shell;
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
    /// Format, lints, documentation, every test
    Test,
    /// Write include/kakeyaturbo/kakeyaturbo.h from src/ffi
    Header {
        /// Only compare, and fail if the committed header differs
        #[arg(long)]
        check: bool,
    },
    /// Fetch and build llama.cpp, and build the programs of cpp-examples/llama with it
    Llama,
    /// Line coverage of src/; fails below 99 %
    Coverage,
    /// Rate and distortion of every preset against other codecs and theory; with `--engine`, on a model's predictions inside
    /// llama.cpp; `quality --help` has the options
    #[command(disable_help_flag = true)]
    Quality {
        /// Options of xtask/quality
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
