//! JSON lines: one result a line, for programs. `docs/QUALITY.md` says what the fields are.
//!
//! A run replaces the lines of the sets that it measured and keeps all others as they are, whatever fields they
//! have.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A result; fields that do not apply are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    pub suite: String,
    pub set: String,
    pub codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bpv: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rel_err: Option<f64>,
    /// The codec and setting that `ratio` compares with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rival: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci95: Option<f64>,
    /// Number of skeletons, and bytes of their artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skeletons: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Tokens that share the skeletons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// Of suite `engine`: what was changed, "state" or "live", and which texts were scored, "in", "off" or a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<String>,
    /// Mean divergence of the predictions, what of it is above the noise control, and its 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kld: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kld_excess: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kld_excess_ci95: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kld_p99: Option<f64>,
    /// Share of tokens with the same likeliest prediction; relative change of the perplexity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dppl: Option<f64>,
    /// Of one passage, not of a group of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
}

impl Record {
    /// Whether it is a point of a curve.
    pub fn is_point(&self) -> bool {
        self.rel_err.is_some() && self.rival.is_none()
    }
}

/// A number as it is written: five significant digits.
pub fn rounded(x: f64) -> f64 {
    format!("{x:.4e}").parse().expect("a number that was just written")
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub text: String,
    pub record: Record,
}

impl Line {
    /// The line of a record.
    pub fn of(record: Record) -> Self {
        Self { text: serde_json::to_string(&record).expect("strings and numbers"), record }
    }
}

/// The lines of a file; none if there is no file.
///
/// # Errors
/// When the file cannot be read, or a line is not a record.
pub fn load(path: &Path) -> Result<Vec<Line>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = |text: &str| {
        let record = serde_json::from_str(text).with_context(|| format!("{}: {text}", path.display()))?;
        Ok(Line { text: text.to_owned(), record })
    };
    text.lines().map(line).collect()
}

/// `old`, with the lines of all sets that occur in `new` replaced, in the order of suites and sets.
pub fn merge(old: Vec<Line>, new: Vec<Line>) -> Vec<Line> {
    let key = |line: &Line| (line.record.suite.clone(), line.record.set.clone());
    let mut lines: Vec<Line> = old.into_iter().filter(|o| new.iter().all(|n| key(n) != key(o))).collect();
    lines.extend(new);
    lines.sort_by_key(key);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { text: text.to_owned(), record: serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn a_record_is_a_line_without_empty_fields() {
        let record = Record {
            suite: "kv".into(),
            set: "m".into(),
            codec: "rdo".into(),
            bpv: Some(rounded(1.234_567)),
            n: Some(12),
            ..Record::default()
        };
        let text = r#"{"suite":"kv","set":"m","codec":"rdo","bpv":1.2346,"n":12}"#;
        assert_eq!(Line::of(record.clone()).text, text);
        assert_eq!(line(text).record, record);
        assert_eq!(rounded(0.000_041_234_56), 4.1235e-5);
    }

    #[test]
    fn measured_sets_replace_their_lines() {
        let engine = r#"{"suite":"engine","set":"m","codec":"rdo","kld":0.01}"#;
        let (old, other) =
            (r#"{"suite":"kv","set":"m","codec":"a"}"#, r#"{"suite":"kv","set":"l","codec":"a"}"#);
        let new = r#"{"suite":"kv","set":"m","codec":"b"}"#;
        let merged = merge([old, other, engine].map(line).into(), vec![line(new)]);
        let texts: Vec<&str> = merged.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, [engine, other, new]);
    }
}
