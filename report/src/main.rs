//! Measures rate against distortion, for every preset, other codecs and theory (`cargo xtask quality`), and writes the
//! tables and pictures of `docs`: of this, of the predictions of models, and of speed (`cargo xtask bench`).
//!
//! This is a crate of its own, so that the other commands of xtask, which are called far more often, build neither
//! the library for themselves nor what draws and computes here.
//!
//! ```text
//! gauss, kv      sets: tensors of documents, and which to fit on and to judge on
//! series         what is tried, as data; coder, rivals: how rows are coded
//! stream         one stream of a set: fits, blocks, errors; measure: all of them, in parallel
//! theory, bound  what is computed in place of measured; stats: means, intervals, curves
//! results, compare       measurements to records; record: JSON lines
//! engine, attribution    what llama_quality and llama_sensitivity measured: tables and pictures
//! quality, plot          records to tables and to the picture; markdown: what all tables are made with
//! performance    what the programs of bench measured: lines, tables and a picture
//! ```

mod attribution;
mod bound;
mod coder;
mod compare;
mod engine;
mod gauss;
mod kv;
mod markdown;
mod measure;
mod performance;
mod plot;
mod quality;
mod record;
mod results;
mod rivals;
mod series;
mod set;
mod stats;
mod stream;
mod theory;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::record::{Line, Record};
use crate::set::Set;

/// Rate and distortion of every preset against other codecs and theory.
///
/// Prints tables, and writes docs/quality.jsonl, docs/quality.svg and the tables of docs/QUALITY.md. Sets that are
/// not measured keep what is written there about them.
#[derive(Parser)]
#[command(name = "cargo xtask quality", bin_name = "cargo xtask quality")]
struct Cli {
    /// Measure only this
    #[arg(long)]
    suite: Option<Suite>,
    /// A folder with more KV rows, NAME-train.safetensors and NAME-test.safetensors (repeatable)
    #[arg(long, value_name = "FOLDER")]
    kv: Vec<PathBuf>,
    /// Take over what llama_quality wrote, FILE; without one, first of all, run it: takes an hour or two, and fetches models
    #[arg(long, value_name = "FILE")]
    engine: Vec<PathBuf>,
    /// Take over what llama_sensitivity wrote, MODEL-sensitivities.json (repeatable)
    #[arg(long, value_name = "FILE")]
    sensitivities: Vec<PathBuf>,
    /// Take over what the programs of bench wrote, FILE (repeatable): for docs/PERFORMANCE.md
    #[arg(long, value_name = "FILE")]
    performance: Vec<PathBuf>,
    /// Write JSON lines to this file, or print nothing else with `-`, and leave docs/ alone
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Suite {
    /// Independent normal rows
    Gauss,
    /// Keys and values of language models
    Kv,
    /// Nothing: bring picture and tables up to date with the JSON lines
    None,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !cli.performance.is_empty() {
        return speed(&root.join("docs"), &cli.performance, cli.json.as_deref());
    }
    let mut sets = Vec::new();
    if matches!(cli.suite, None | Some(Suite::Gauss)) {
        sets.extend(gauss::sets());
    }
    if matches!(cli.suite, None | Some(Suite::Kv)) {
        let folders: Vec<PathBuf> = [root.join("tests/data")].into_iter().chain(cli.kv.clone()).collect();
        sets.extend(kv::sets(&folders)?);
    }
    let records = measure(&sets)?;
    let mut lines: Vec<Line> = records.iter().cloned().map(Line::of).collect();
    for file in &cli.engine {
        lines.extend(record::load(file)?.into_iter().filter(|line| line.record.passage.is_none()));
    }
    for file in &cli.sensitivities {
        lines.extend(attribution::read(file)?.into_iter().map(Line::of));
    }
    match cli.json.as_deref() {
        Some(path) if path == Path::new("-") => lines.iter().for_each(|line| println!("{}", line.text)),
        Some(path) => {
            quality::print(&records);
            write(path, &text(&lines))?;
        }
        None => {
            quality::print(&records);
            document(&root.join("docs"), lines)?;
        }
    }
    Ok(())
}

fn measure(sets: &[Set]) -> Result<Vec<Record>> {
    let bar = ProgressBar::new(sets.iter().map(measure::work).sum());
    bar.set_style(
        ProgressStyle::with_template("{msg} [{bar:40}] {percent} %, {eta} left")?.progress_chars("=> "),
    );
    let mut records = Vec::new();
    for set in sets {
        bar.set_message(set.name.clone());
        let start = Instant::now();
        let measured = measure::measure(set, &bar).with_context(|| set.name.clone())?;
        let bounds = results::bounds(set, &measured);
        records.extend(results::points(set, &measured));
        records.extend(bounds.iter().flat_map(|bound| results::bound_points(set, bound)));
        records.extend(compare::comparisons(set, &measured, &bounds));
        if set.suite == "kv" {
            records.extend(results::skeletons(set, &measured.skeletons));
        }
        bar.suspend(|| eprintln!("{}: {:.0} s", set.name, start.elapsed().as_secs_f64()));
    }
    bar.finish_and_clear();
    Ok(records)
}

/// Brings the JSON lines, the picture and the tables of the document up to date.
fn document(docs: &Path, lines: Vec<Line>) -> Result<()> {
    let json = docs.join("quality.jsonl");
    let lines = record::merge(record::load(&json)?, lines);
    write(&json, &text(&lines))?;
    let all: Vec<Record> = lines.into_iter().map(|line| line.record).collect();
    let (parts, rest): (Vec<Record>, Vec<Record>) = all.into_iter().partition(attribution::is_about);
    let (engine, records): (Vec<Record>, Vec<Record>) =
        rest.into_iter().partition(|record| record.suite == "engine");
    plot::draw(&docs.join("quality.svg"), &records)?;
    if !engine.is_empty() {
        engine::draw(&docs.join("engine.svg"), &engine)?;
    }
    if !parts.is_empty() {
        attribution::draw(&docs.join("attribution.svg"), &parts)?;
    }
    for page in ["QUALITY.md", "ATTRIBUTION.md"].map(|name| docs.join(name)) {
        let old = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        write(&page, &quality::fill(&old, &records, &engine, &parts)?)?;
    }
    Ok(())
}

/// Prints tables of speed, and brings lines, picture and page up to date, or writes the lines elsewhere.
fn speed(docs: &Path, files: &[PathBuf], json: Option<&Path>) -> Result<()> {
    let mut lines = Vec::new();
    for file in files {
        lines.extend(performance::load(file)?);
    }
    let whole =
        |lines: &[performance::Line]| lines.iter().map(|line| format!("{}\n", line.text)).collect::<String>();
    let of =
        |lines: &[performance::Line]| lines.iter().map(|line| line.measurement.clone()).collect::<Vec<_>>();
    let measured = of(&lines);
    for name in performance::NAMES {
        let table = performance::table(&measured, name).filter(|table| table.row_count() > 0);
        table.into_iter().for_each(|table| println!("\n== {name}\n\n{table}"));
    }
    if let Some(path) = json {
        return write(path, &whole(&lines));
    }
    let path = docs.join("performance.jsonl");
    let lines = performance::merge(performance::load(&path)?, lines);
    write(&path, &whole(&lines))?;
    let all = of(&lines);
    performance::draw(&docs.join("performance.svg"), &all)?;
    let page = docs.join("PERFORMANCE.md");
    let old = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    write(&page, &markdown::fill(&old, |name| performance::table(&all, name))?)
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", line.text)).collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
