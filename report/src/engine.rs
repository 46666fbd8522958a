//! What codecs do to a model's predictions, as `llama_quality` measured it: tables and a picture.

use std::path::Path;

use anyhow::{Result, anyhow};
use comfy_table::Table;
use plotters::prelude::*;

use crate::markdown::{small, table};
use crate::plot::{BLUE, GREEN, ORANGE, Panel, SKY, VERMILION, family, legend, mesh};
use crate::record::Record;

/// The rival that all others are judged against.
const RIVAL: &str = "q4_0_rot";
/// What above the noise control counts as nothing lost.
const NOTHING: f64 = 0.003;

/// All that was measured of a set, a row per setting: texts like those of the profile, and others.
pub fn points(records: &[Record], set: &str) -> Table {
    let of = |texts: &'static str| records.iter().filter(move |r| r.set == set && texts_are(r, texts));
    let rows = of("in").map(|r| {
        let off = of("off").find(|o| key(o) == key(r));
        let number = |x: Option<f64>| x.map_or(String::new(), small);
        let plus_minus = |x: Option<f64>, half: Option<f64>| {
            x.map_or(String::new(), |x| {
                format!("{x:.4}{}", half.map_or(String::new(), |h| format!(" ± {h:.4}")))
            })
        };
        let percent =
            |x: Option<f64>, digits: usize| x.map_or(String::new(), |x| format!("{:.digits$} %", 100.0 * x));
        let bpv = |r: &Record| r.bpv.map_or(String::new(), |bpv| format!("{bpv:.2}"));
        vec![
            r.codec.clone(),
            r.rows.clone().unwrap_or_default(),
            r.setting.clone().unwrap_or_default(),
            r.applied.clone().unwrap_or_default(),
            bpv(r),
            plus_minus(r.kld, r.ci95),
            plus_minus(r.kld_excess.filter(|_| r.codec != "identity"), r.kld_excess_ci95),
            number(r.kld_p99),
            percent(r.top1, 1),
            percent(r.dppl, 1),
            off.map_or(String::new(), bpv),
            off.map_or(String::new(), |off| plus_minus(off.kld, off.ci95)),
        ]
    });
    let header = [
        "codec",
        "rows",
        "setting",
        "on",
        "bpv",
        "KLD",
        "above noise",
        "99 % KLD",
        "top-1",
        "ΔPPL",
        "off: bpv",
        "off: KLD",
    ];
    table(&header, rows.collect(), 4)
}

/// Bits per value at which each curve crosses the rival's divergence, and at which nothing is lost.
pub fn crossings(records: &[Record]) -> Table {
    let mut rows = Vec::new();
    for set in names(records) {
        for (codec, cut, family) in curves(records, set) {
            let at = |texts: &str, target: Option<f64>, of: fn(&Record) -> Option<f64>| {
                let curve = curve(records, (set, &codec, &cut, &family), texts, of);
                let found = target.and_then(|target| crossing(&curve, target));
                found.map_or(String::new(), |bpv| format!("{bpv:.2}"))
            };
            let rival = |texts: &str| {
                let on_state = |r: &&Record| r.codec == RIVAL && r.applied.as_deref() == Some("state");
                records
                    .iter()
                    .filter(on_state)
                    .find(|r| r.set == set && texts_are(r, texts))
                    .and_then(|r| r.kld)
            };
            let row = vec![
                set.to_owned(),
                codec.clone(),
                cut.clone(),
                family.clone(),
                at("in", rival("in"), |r| r.kld),
                at("off", rival("off"), |r| r.kld),
                at("in", Some(NOTHING), |r| r.kld_excess),
            ];
            if row[4..].iter().any(|cell| !cell.is_empty()) {
                rows.push(row);
            }
        }
    }
    let header =
        ["model", "codec", "rows", "rate", "as rotated q4_0", "off: as rotated q4_0", "0.003 above noise"];
    table(&header, rows, 4)
}

/// Draws divergence against bits per value, a panel per model and kind of texts.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(path: &Path, records: &[Record]) -> Result<()> {
    let sets = names(records);
    let root = SVGBackend::new(path, (1440, 540 * sets.len() as u32)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    let panels = sets.iter().flat_map(|set| ["in", "off"].map(|texts| (*set, texts)));
    for (area, (set, texts)) in root.split_evenly((sets.len(), 2)).iter().zip(panels) {
        panel(area, records, set, texts).map_err(|error| anyhow!("{error}"))?;
    }
    root.present().map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    records: &[Record],
    set: &str,
    texts: &str,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let kind = if texts == "in" { "texts like the calibration's" } else { "other languages" };
    let mut chart: Panel<'_> = ChartBuilder::on(area)
        .caption(format!("{set}, {kind}"), ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..10.0, (1e-3..1.0).log_scale())?;
    mesh(&mut chart, "bits per value, every byte counted but a profile's", "mean KLD of the predictions")?;
    let colours = [VERMILION, GREEN, BLUE, ORANGE, SKY];
    for ((codec, cut, family), colour) in curves(records, set).into_iter().zip(colours.into_iter().cycle()) {
        let points = curve(records, (set, &codec, &cut, &family), texts, |r| r.kld);
        let name = format!("{codec} {family}, {}", if cut.is_empty() { "a tensor" } else { &cut });
        let sample = move |at: (i32, i32)| {
            EmptyElement::at(at)
                + PathElement::new([(0, 0), (24, 0)], colour.stroke_width(2))
                + Circle::new((12, 0), 4, colour.filled())
        };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(sample);
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, colour.filled())))?;
    }
    for (codec, label) in [("q8_0", "q8_0"), ("q4_0", "q4_0"), (RIVAL, "rotated q4_0")] {
        let found = records.iter().filter(|r| r.set == set && r.codec == codec && texts_are(r, texts));
        for r in found {
            let (Some(bpv), Some(kld)) = (r.bpv, r.kld) else { continue };
            let text = format!("{label}, {}", r.applied.as_deref().unwrap_or(""));
            let mark = EmptyElement::at((bpv, kld))
                + TriangleMarker::new((0, 0), 6, BLACK.filled())
                + Text::new(text, (8, -6), ("sans-serif", 13));
            chart.draw_series([mark])?;
        }
    }
    let floor = records
        .iter()
        .find(|r| r.set == set && r.codec == "noise" && texts_are(r, texts))
        .and_then(|r| r.kld);
    if let Some(floor) = floor {
        let grey = RGBColor(140, 140, 140);
        let line = chart.draw_series(LineSeries::new([(0.0, floor), (10.0, floor)], grey.stroke_width(1)))?;
        line.label("noise control: nothing is lost").legend(move |at| {
            EmptyElement::at(at) + PathElement::new([(0, 0), (24, 0)], grey.stroke_width(1))
        });
    }
    legend(&mut chart)
}

fn names(records: &[Record]) -> Vec<&str> {
    let mut names: Vec<&str> = records.iter().map(|record| record.set.as_str()).collect();
    names.dedup();
    names
}

fn texts_are(record: &Record, texts: &str) -> bool {
    record.texts.as_deref() == Some(texts)
}

fn key(record: &Record) -> [Option<&str>; 4] {
    [Some(&record.codec), record.rows.as_deref(), record.setting.as_deref(), record.applied.as_deref()]
}

/// Codec, rows and rate control of every curve of a set, in the order of the records.
fn curves(records: &[Record], set: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for record in records.iter().filter(|r| r.set == set && texts_are(r, "in") && r.bpv.is_some()) {
        let family = family(record.setting.as_deref().unwrap_or(""));
        let curve = (record.codec.clone(), record.rows.clone().unwrap_or_default(), family);
        if !curve.2.is_empty() && !found.contains(&curve) {
            found.push(curve);
        }
    }
    found
}

/// A curve by rate.
fn curve(
    records: &[Record],
    (set, codec, cut, rate): (&str, &str, &str, &str),
    texts: &str,
    of: fn(&Record) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = records
        .iter()
        .filter(|r| r.set == set && r.codec == codec && texts_are(r, texts))
        .filter(|r| r.rows.as_deref().unwrap_or("") == cut)
        .filter(|r| family(r.setting.as_deref().unwrap_or("")) == rate)
        .filter_map(|r| Some((r.bpv?, of(r)?)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Where a falling curve crosses a value: between neighbouring points, on a logarithmic scale.
fn crossing(curve: &[(f64, f64)], target: f64) -> Option<f64> {
    curve.windows(2).rev().find_map(|pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if y0 < target || y1 > target || y1 >= y0 {
            return None;
        }
        // Differences from the noise control may be negative.
        let (a, b, t) = (y0.max(1e-6).ln(), y1.max(1e-6).ln(), target.ln());
        Some(x0 + (x1 - x0) * (a - t) / (a - b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(codec: &str, rows: &str, setting: &str, texts: &str, (bpv, kld): (f64, f64)) -> Record {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Record {
            suite: "engine".into(),
            set: "m".into(),
            codec: codec.into(),
            rows: filled(rows),
            setting: filled(setting),
            applied: filled("state"),
            texts: filled(texts),
            bpv: Some(bpv),
            kld: Some(kld),
            kld_excess: Some(kld - 0.002),
            ..Record::default()
        }
    }

    #[test]
    fn a_curve_crosses_its_rival() {
        let records = [
            record("q4_0_rot", "", "", "in", (4.5, 0.01)),
            record("q4_0_rot", "", "", "off", (4.5, 0.04)),
            record("rdo", "layer", "step=1", "in", (1.0, 0.1)),
            record("rdo", "layer", "step=0.5", "in", (2.0, 0.001)),
            record("rdo", "layer", "step=1", "off", (1.0, 0.03)),
        ];
        let table = crossings(&records).to_string();
        let row: Vec<&str> = table.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        // In: halfway on the logarithmic scale. Off: no point is above.
        assert_eq!(row[1..6], ["m", "rdo", "layer", "step", "1.50"], "{table}");
        assert!(points(&records, "m").to_string().contains("| rdo "));
        assert_eq!(crossing(&[(1.0, 0.1), (2.0, 0.01)], 0.2), None);
        assert_eq!(crossing(&[(1.0, 0.1), (2.0, 0.01)], 0.1), Some(1.0));
    }
}
