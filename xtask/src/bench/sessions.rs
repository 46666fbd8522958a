//! Sessions of llama.cpp: restored from their compressed form with each of three row layouts, against reading the tokens again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use crate::engine::models::{self, Model};
use crate::shell;

/// What a row is made of, as `llama_profile` calls it.
const LAYOUTS: [&str; 3] = ["head", "layer", "layers"];
/// The text that is read and restored, in the folder of what is scored.
const TEXT: &str = "manual/postgresql.txt";

/// Fits profiles that are good enough to take time with, and measures. Gives the files with the results.
///
/// # Errors
/// When a model cannot be fetched, or a program fails.
pub fn run(bench: &Bench) -> Result<Vec<PathBuf>> {
    models::ALL.iter().map(|model| of_model(bench, model)).collect()
}

fn of_model(bench: &Bench, model: &Model) -> Result<PathBuf> {
    let file = models::file(&bench.engine.cache, model)?;
    let profiles = bench.folder.join("profiles");
    fs::create_dir_all(&profiles).with_context(|| format!("cannot make {}", profiles.display()))?;
    let results = bench.folder.join(format!("{}.jsonl", model.name));
    let mut measure = Command::new(bench.program("bench_sessions"));
    measure.arg(&file).arg(bench.engine.texts.scored.join(TEXT)).arg(model.name).arg("--json").arg(&results);
    for rows in LAYOUTS {
        println!("\n== {}: a profile from a few windows, rows: {rows}", model.name);
        let profile = profiles.join(format!("{}-{rows}.kkp", model.name));
        let mut fit = Command::new(bench.engine.programs.join("llama_profile"));
        fit.arg(&file).arg(bench.engine.texts.calibration.join("manual")).arg(&profile);
        shell::run(fit.args(["--rows", rows, "--per-text", "1", "--centres", "16"]))?;
        measure.arg("--profile").arg(format!("{rows}={}", profile.display()));
    }
    println!("\n== {}: restoring against prefilling", model.name);
    shell::run(&mut measure)?;
    Ok(results)
}
