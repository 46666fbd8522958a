//! The table of a quick run: measurements as they are, without the report generator, which would first have to be built.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::read;

/// Columns that say what was measured: the field and its width.
const WHAT: [(&str, usize); 6] =
    [("suite", 13), ("name", 22), ("op", 14), ("dtype", 6), ("d", 5), ("threads", 8)];

/// Columns with figures: the title, the field, and what one of its units is shown as.
const FIGURES: [(&str, &str, f64); 5] = [
    ("Mvalues/s", "values_per_s", 1e-6),
    ("÷ q4_0", "ratio_to_q4_0", 1.0),
    ("÷ product", "ratio_to_bound", 1.0),
    ("÷ 1 thread", "ratio_to_one_thread", 1.0),
    ("instr/value", "instructions_per_value", 1.0),
];

/// Prints a line per measurement, with a dash where it has no such figure.
///
/// # Errors
/// When a file cannot be read or is not JSON lines.
pub fn print(results: &[PathBuf]) -> Result<()> {
    let titles = WHAT.map(|(field, width)| format!("{field:<width$}")).concat();
    println!("\n{titles}{}", FIGURES.map(|(title, ..)| format!("{title:>13}")).concat());
    for file in results {
        for line in read(file)?.lines() {
            let measured: Value =
                serde_json::from_str(line).with_context(|| format!("{}: {line}", file.display()))?;
            // What was measured on has no figures.
            if measured["suite"] != "machine" {
                println!("{}", row(&measured));
            }
        }
    }
    Ok(())
}

fn row(measured: &Value) -> String {
    let what = WHAT.map(|(field, width)| {
        let text = match &measured[field] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!("{text:<width$}")
    });
    let figures = FIGURES.map(|(_, field, unit)| {
        let text = measured[field].as_f64().map_or("-".to_owned(), |figure| format!("{:.2}", figure * unit));
        format!("{text:>13}")
    });
    what.concat() + &figures.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_stands_for_no_figure() {
        let line = r#"{"suite":"speed","name":"rdo","op":"decode","d":512,"values_per_s":2.5e8,"ratio_to_q4_0":null}"#;
        let row = row(&serde_json::from_str(line).unwrap());
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["speed", "rdo", "decode", "512", "250.00", "-", "-", "-", "-"]
        );
    }
}
