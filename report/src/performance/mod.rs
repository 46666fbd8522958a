//! Speed: what the programs of `bench` measured, as JSON lines, tables and a picture.
//!
//! A run replaces the lines of the suites that it measured and keeps all others.

mod aims;
mod cells;
mod codecs;
mod plot;
mod sessions;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

pub use self::plot::draw;
pub use self::tables::{NAMES, table};

/// A measurement; fields that do not apply are left out. `docs/PERFORMANCE.md` says what they are.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Measurement {
    pub suite: String,
    pub name: String,
    pub op: String,
    pub dtype: Option<String>,
    pub rows: Option<String>,
    pub tier: Option<String>,
    pub openblas: Option<String>,
    pub cores: Option<usize>,
    pub d: Option<usize>,
    pub n: Option<usize>,
    pub first: Option<usize>,
    pub threads: Option<usize>,
    pub step: Option<f64>,
    pub bpv: Option<f64>,
    pub rel_err: Option<f64>,
    pub seconds: Option<f64>,
    pub values_per_s: Option<f64>,
    pub gflops: Option<f64>,
    pub ratio_to_q4_0: Option<f64>,
    pub ratio_to_bound: Option<f64>,
    pub ratio_to_limit: Option<f64>,
    pub ratio_to_one_thread: Option<f64>,
    pub ratio_to_prefill: Option<f64>,
    pub entropy_seconds: Option<f64>,
    pub row_seconds: Option<f64>,
    pub workspace_bytes: Option<f64>,
    pub bound_bytes: Option<f64>,
    pub skeleton_bytes: Option<f64>,
    pub state_bytes: Option<f64>,
    pub session_bytes: Option<f64>,
    pub compress_seconds: Option<f64>,
    pub prefill_seconds: Option<f64>,
    pub load_seconds: Option<f64>,
    pub open_seconds: Option<f64>,
    pub hash_seconds: Option<f64>,
    pub disk_seconds: Option<f64>,
    pub instructions_per_value: Option<f64>,
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub text: String,
    pub measurement: Measurement,
}

/// The lines of a file; none if there is no file.
///
/// # Errors
/// When the file cannot be read, or a line is not a measurement.
pub fn load(path: &Path) -> Result<Vec<Line>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = |text: &str| {
        let measurement =
            serde_json::from_str(text).with_context(|| format!("{}: {text}", path.display()))?;
        Ok(Line { text: text.to_owned(), measurement })
    };
    text.lines().map(line).collect()
}

/// `old`, with all suites that occur in `new` replaced, in the order of suites.
pub fn merge(old: Vec<Line>, new: Vec<Line>) -> Vec<Line> {
    let suite = |line: &Line| line.measurement.suite.clone();
    let mut lines: Vec<Line> = old.into_iter().filter(|o| new.iter().all(|n| suite(n) != suite(o))).collect();
    lines.extend(new);
    lines.sort_by_key(suite);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_suites_replace_their_lines() {
        let line =
            |text: &str| Line { text: text.to_owned(), measurement: serde_json::from_str(text).unwrap() };
        let old = [
            r#"{"suite":"speed","name":"rdo","d":64}"#,
            r#"{"suite":"cold","name":"rdo","d":64}"#,
            r#"{"suite":"speed","name":"turbo","d":96}"#,
        ];
        let new = r#"{"suite":"speed","name":"rdo","op":"decode","d":128,"ratio_to_bound":0.5}"#;
        let merged = merge(old.map(line).into(), vec![line(new)]);
        let texts: Vec<&str> = merged.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, [old[1], new]);
        assert_eq!(merged[1].measurement.ratio_to_bound, Some(0.5));
    }
}
