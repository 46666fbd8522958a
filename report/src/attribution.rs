//! Where the loss of a compressed cache comes from: what `llama_sensitivity` measured of each tensor alone and of all together,
//! and what `llama_quality` measured of the engine without any codec.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use comfy_table::Table;
use plotters::prelude::*;
use serde::Deserialize;

use crate::markdown::{small, table};
use crate::plot::{GREEN, Panel, VERMILION, legend, mesh};
use crate::record::{Record, rounded};

/// The end of the name of a set that has the engine's own shifts.
const BASELINES: &str = "-baselines";

/// Whether a record is for the page about attribution.
pub fn is_about(record: &Record) -> bool {
    record.suite == "attribution" || record.set.ends_with(BASELINES)
}

#[derive(Deserialize)]
struct File {
    disturbed_by: String,
    windows: usize,
    floor: f64,
    tensors: Vec<Tensor>,
    together: Vec<Together>,
}

#[derive(Deserialize)]
struct Tensor {
    layer: u32,
    part: String,
    /// Times the codec's own error, in energy.
    strength: f64,
    /// Energy added, relative to the variance.
    noise: f64,
    kld_excess: f64,
    standard_error: f64,
}

#[derive(Deserialize)]
struct Together {
    tensors: String,
    kld_excess: f64,
    standard_error: f64,
}

/// The records of a file of `llama_sensitivity`, whose name begins with the model's. Divergences are those at the codec's own
/// error: what was measured at a greater one, divided by how much greater it was.
///
/// # Errors
/// When the file is not what the program writes.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let set = stem.strip_suffix("-sensitivities").unwrap_or(&stem).to_owned();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: File = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let record = |setting: String, rel_err: Option<f64>, excess: f64, error: f64| Record {
        suite: "attribution".into(),
        set: set.clone(),
        codec: file.disturbed_by.clone(),
        setting: Some(setting),
        rel_err: rel_err.map(rounded),
        kld_excess: Some(rounded(excess)),
        kld_excess_ci95: Some(rounded(1.96 * error)),
        n: Some(file.windows),
        ..Record::default()
    };
    let single = file.tensors.iter().map(|t| {
        let name = format!("layer={},part={}", t.layer, t.part);
        record(name, Some(t.noise / t.strength), t.kld_excess / t.strength, t.standard_error / t.strength)
    });
    let together = file
        .together
        .iter()
        .map(|t| record(format!("together={}", t.tensors), None, t.kld_excess, t.standard_error));
    let floor = Record { kld: Some(rounded(file.floor)), ..record("floor".into(), None, 0.0, 0.0) };
    Ok(single.chain(together).chain([floor]).collect())
}

/// A tensor alone: its layer, whether it is V, and the record.
fn singles<'a>(records: &'a [Record], set: &str) -> Vec<(u32, bool, &'a Record)> {
    let parse = |record: &'a Record| {
        let (layer, part) = record.setting.as_deref()?.strip_prefix("layer=")?.split_once(",part=")?;
        Some((layer.parse().ok()?, part == "v", record))
    };
    records.iter().filter(|r| r.set == set && r.suite == "attribution").filter_map(parse).collect()
}

/// Divergence per unit of relative error; what cannot be told from 0 counts as its uncertainty.
fn sensitivity(record: &Record) -> f64 {
    let (excess, half) = (record.kld_excess.unwrap_or(0.0), record.kld_excess_ci95.unwrap_or(0.0));
    excess.max(half / 1.96) / record.rel_err.unwrap_or(f64::NAN)
}

/// A row per layer.
pub fn layers(records: &[Record], set: &str) -> Table {
    let singles = singles(records, set);
    let mut numbers: Vec<u32> = singles.iter().map(|(layer, ..)| *layer).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let cells = |layer: u32, is_value: bool| -> Vec<String> {
        let found = singles.iter().find(|(l, v, _)| (*l, *v) == (layer, is_value));
        found.map_or(vec![String::new(); 3], |(.., r)| {
            let (excess, half) = (r.kld_excess.unwrap_or(0.0), r.kld_excess_ci95.unwrap_or(0.0));
            vec![small(r.rel_err.unwrap_or(0.0)), format!("{excess:.5} ± {half:.5}"), small(sensitivity(r))]
        })
    };
    let rows = numbers
        .iter()
        .map(|&layer| [vec![layer.to_string()], cells(layer, false), cells(layer, true)].concat());
    let header = ["layer", "K: error", "above noise", "per error", "V: error", "above noise", "per error"];
    table(&header, rows.collect(), 0)
}

/// All tensors together beside the sum of each alone.
pub fn together(records: &[Record], set: &str) -> Table {
    let singles = singles(records, set);
    let last = singles.iter().map(|(layer, ..)| *layer).max().unwrap_or(0);
    let is_in = |name: &str, layer: u32, is_value: bool| match name {
        "k" => !is_value,
        "v" => is_value,
        "first layer" => layer == 0,
        "last layer" => layer == last,
        _ => true,
    };
    let of_set = records.iter().filter(|r| r.set == set && r.suite == "attribution");
    let rows = of_set.filter_map(|record| {
        let name = record.setting.as_deref()?.strip_prefix("together=")?;
        let some: Vec<_> =
            singles.iter().filter(|(layer, is_value, _)| is_in(name, *layer, *is_value)).collect();
        let sum: f64 = some.iter().filter_map(|(.., r)| r.kld_excess).sum();
        let squares: f64 = some.iter().filter_map(|(.., r)| r.kld_excess_ci95).map(|half| half * half).sum();
        let (excess, half) = (record.kld_excess?, record.kld_excess_ci95?);
        Some(vec![
            name.to_owned(),
            format!("{excess:.4} ± {half:.4}"),
            format!("{sum:.4} ± {:.4}", squares.sqrt()),
            format!("{:+.4}", excess - sum),
        ])
    });
    table(&["tensors", "together", "sum of each alone", "difference"], rows.collect(), 1)
}

/// The engine with other arithmetic, and noise in all tensors.
pub fn baselines(records: &[Record], set: &str) -> Table {
    let of_set =
        records.iter().filter(|r| r.set == format!("{set}{BASELINES}") && r.texts.as_deref() == Some("in"));
    let rows = of_set.map(|r| {
        let half = r.ci95.map_or(String::new(), |half| format!(" ± {half:.4}"));
        vec![
            r.codec.clone(),
            r.setting.clone().unwrap_or_default(),
            r.applied.clone().unwrap_or_default(),
            r.kld.map_or(String::new(), |kld| format!("{kld:.4}{half}")),
            r.kld_p99.map_or(String::new(), small),
            r.top1.map_or(String::new(), |share| format!("{:.1} %", 100.0 * share)),
            r.dppl.map_or(String::new(), |change| format!("{:.1} %", 100.0 * change)),
        ]
    });
    table(&["cache", "setting", "on", "KLD", "99 % KLD", "top-1", "ΔPPL"], rows.collect(), 3)
}

/// Draws the sensitivity of every tensor by layer, a panel per model.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(path: &Path, records: &[Record]) -> Result<()> {
    let mut sets: Vec<&str> =
        records.iter().filter(|r| r.suite == "attribution").map(|record| record.set.as_str()).collect();
    sets.dedup();
    let root = SVGBackend::new(path, (720 * sets.len() as u32, 480)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    for (area, set) in root.split_evenly((1, sets.len())).iter().zip(sets) {
        panel(area, records, set).map_err(|error| anyhow!("{error}"))?;
    }
    root.present().map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    records: &[Record],
    set: &str,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let singles = singles(records, set);
    let last = singles.iter().map(|(layer, ..)| *layer).max().unwrap_or(0);
    let mut chart: Panel<'_> = ChartBuilder::on(area)
        .caption(set, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..f64::from(last) + 0.5, (1e-4..10.0).log_scale())?;
    mesh(&mut chart, "layer, in the order of the state", "KLD above noise per relative squared error")?;
    for (is_value, name, colour) in [(false, "K", VERMILION), (true, "V", GREEN)] {
        let some = singles.iter().filter(|(_, v, _)| *v == is_value);
        let points: Vec<(f64, f64)> =
            some.map(|(layer, _, r)| (f64::from(*layer), sensitivity(r).max(1e-4))).collect();
        let line = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), line))?
            .label(name)
            .legend(move |at| EmptyElement::at(at) + PathElement::new([(0, 0), (24, 0)], line));
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, colour.filled())))?;
    }
    legend(&mut chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singles_are_summed_beside_all_together() {
        let json = r#"{"disturbed_by":"codec","windows":6,"floor":0.003,"tensors":[
            {"layer":0,"part":"k","strength":4,"noise":0.4,"kld_excess":0.04,"standard_error":0.004,"sensitivity":0.1},
            {"layer":1,"part":"v","strength":1,"noise":0.2,"kld_excess":0.02,"standard_error":0.003,"sensitivity":0.1}],
            "together":[{"tensors":"all","kld_excess":0.05,"standard_error":0.01},
                        {"tensors":"k","kld_excess":0.011,"standard_error":0.001}]}"#;
        let file = std::env::temp_dir().join("kakeyaturbo-test-sensitivities.json");
        fs::write(&file, json).unwrap();
        let records = read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let text = together(&records, "kakeyaturbo-test").to_string();
        assert!(text.contains("0.0300 ± 0.0062") && text.contains("+0.0200"), "{text}");
        assert!(text.contains("0.0100 ± 0.0020") && text.contains("+0.0010"), "{text}");
        let text = layers(&records, "kakeyaturbo-test").to_string();
        assert!(text.contains("0.01000 ± 0.00196") && text.contains("0.100"), "{text}");
    }
}
