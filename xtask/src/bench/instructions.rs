//! Instructions that one call executes, counted by callgrind: a figure that a busy machine does not change. Valgrind has no
//! AVX-512, so tiers below it are counted.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Bench, read, write};
use crate::shell::{self, line};

/// The cases of `bench_fixed`, and the function whose instructions count.
const CASES: [(&str, &str); 7] = [
    ("turbo-encode", "kakeya_encode"),
    ("turbo-decode", "kakeya_decode"),
    ("rdo-encode", "kakeya_encode"),
    ("rdo-decode", "kakeya_decode"),
    ("rdo-run", "kakeya_decode_rows"),
    ("rdo-half", "kakeya_decode_rows"),
    ("rdo-row", "kakeya_decode_rows"),
];
const TIERS: [&str; 2] = ["scalar", "avx2"];
/// What a quick run counts: whole blocks on the tier that this is about.
const QUICK: (&[(&str, &str)], &[&str]) =
    (CASES.first_chunk::<4>().expect("there are more").as_slice(), &["avx2"]);
/// The committed counts, relative to the root.
const COMMITTED: &str = "bench/instructions.tsv";

/// Counts, prints the difference to the committed counts and replaces them unless the run is a quick one. Gives the file
/// with the results.
///
/// # Errors
/// When a program fails.
pub fn run(bench: &Bench) -> Result<PathBuf> {
    println!("\n== instructions per value");
    let folder = bench.folder.join("fixed");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    shell::run(Command::new(bench.program("bench_fixed")).arg("prepare").arg(&folder))?;
    let committed = bench.root.join(COMMITTED);
    let old = if committed.exists() { read(&committed)? } else { String::new() };
    println!("{:<14} {:<7} {:>12} {:>12} {:>9}", "case", "tier", "committed", "now", "change");
    let (mut table, mut lines) = ("case\ttier\tinstructions_per_value\n".to_owned(), String::new());
    let (cases, tiers) = if bench.quick { QUICK } else { (CASES.as_slice(), TIERS.as_slice()) };
    for &(case, function) in cases {
        for &tier in tiers {
            let count = format!("{:.2}", count(bench, case, function, tier)?);
            let key = format!("{case}\t{tier}\t");
            let before = old.lines().find_map(|line| line.strip_prefix(&key)?.parse::<f64>().ok());
            let now: f64 = count.parse()?;
            let (was, change) = before.map_or(Default::default(), |before| {
                (format!("{before:.2}"), format!("{:+.1} %", 100.0 * (now / before - 1.0)))
            });
            println!("{case:<14} {tier:<7} {was:>12} {count:>12} {change:>9}");
            writeln!(table, "{key}{count}")?;
            let record =
                json!({"suite": "instructions", "name": case, "tier": tier, "instructions_per_value": now});
            writeln!(lines, "{record}")?;
        }
    }
    if !bench.quick {
        write(&committed, &table)?;
    }
    let results = bench.folder.join("instructions.jsonl");
    write(&results, &lines)?;
    Ok(results)
}

/// Instructions per value of one case.
fn count(bench: &Bench, case: &str, function: &str, tier: &str) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(bench.program("bench_fixed"))
        .arg("run")
        .arg(bench.folder.join("fixed"))
        .args([case, tier]);
    let shown = line(&valgrind);
    let output = valgrind.output().with_context(|| format!("cannot start `{shown}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{shown}` failed: {}\n{said}", output.status);
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<f64>().ok());
    let values: f64 =
        String::from_utf8_lossy(&output.stdout).trim().parse().with_context(|| shown.clone())?;
    let collected = collected.with_context(|| format!("`{shown}` does not say what it counted"))?;
    ensure!(collected > 0.0, "`{shown}` counted nothing: {function} was not called");
    Ok(collected / values)
}
