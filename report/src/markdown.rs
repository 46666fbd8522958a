//! Tables in Markdown, for the terminal and for pages of `docs`.
//!
//! In a page a table stands between a line `<!-- table: NAME -->` and a line `<!-- end -->`.

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};

/// What stands in place of a figure that does not exist.
pub const NO_FIGURE: &str = "–";

/// `text` with its tables made anew by a function that has them by their names.
///
/// # Errors
/// When a table has no end or a name that does not exist.
pub fn fill(text: &str, table: impl Fn(&str) -> Option<Table>) -> Result<String> {
    let mut filled = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        filled.push_str(line);
        filled.push('\n');
        let Some(name) = line.strip_prefix("<!-- table: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let table = table(name).with_context(|| format!("no table is called {name}"))?;
        let end = lines.by_ref().find(|line| *line == "<!-- end -->");
        filled.push_str(&format!(
            "{table}\n{}\n",
            end.with_context(|| format!("the table {name} has no end"))?
        ));
    }
    Ok(filled)
}

/// A table without the columns that are empty, numbers from column `right` on.
pub fn table<T: ToString>(header: &[T], rows: Vec<Vec<String>>, right: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let kept: Vec<usize> =
        (0..header.len()).filter(|&i| rows.is_empty() || rows.iter().any(|row| !row[i].is_empty())).collect();
    table.set_header(kept.iter().map(|&i| header[i].to_string()));
    for row in rows {
        table.add_row(kept.iter().map(|&i| row[i].clone()));
    }
    for (column, &i) in table.column_iter_mut().zip(&kept) {
        column.set_cell_alignment(if i < right { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// Three significant digits; small numbers have an exponent.
pub fn small(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return NO_FIGURE.to_owned();
    }
    if !(1e-3..1e3).contains(&x) {
        return format!("{x:.2e}");
    }
    let digits = (2 - x.log10().floor() as i32).max(0) as usize;
    format!("{x:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.1175, 0.000_041_19, 12.345, 123.4].map(small), ["0.117", "4.12e-5", "12.3", "123"]);
    }

    #[test]
    fn a_dash_stands_for_no_figure() {
        assert_eq!([f64::NAN, f64::INFINITY, 0.0].map(small), [NO_FIGURE, NO_FIGURE, "0"]);
    }
}
