//! The picture: values per second against the width of a row, encoding and decoding side by side.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::Measurement;
use crate::plot::{BLUE, ORANGE, Panel, SKY, VERMILION, legend, mesh};

/// What is drawn: the name of a series, as results have it, and its colour. The product is the bound of both directions.
const SERIES: [(&str, RGBColor); 9] = [
    ("memcpy of f16", RGBColor(140, 140, 140)),
    ("f16", RGBColor(190, 190, 190)),
    ("ggml q8_0", SKY),
    ("ggml q4_0", BLACK),
    ("ggml iq4_nl", ORANGE),
    ("zstd -1 of f16", RGBColor(204, 121, 167)),
    ("f32 product, OpenBLAS", RGBColor(200, 180, 20)),
    ("turbo 4 bits", BLUE),
    ("rdo", VERMILION),
];

/// Draws the measurements to an SVG file.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(path: &Path, all: &[Measurement]) -> Result<()> {
    let root = SVGBackend::new(path, (1440, 560)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    for (area, op) in root.split_evenly((1, 2)).iter().zip(["encode", "decode"]) {
        panel(area, op, all).map_err(|error| anyhow!("{error}"))?;
    }
    root.present().map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    op: &str,
    all: &[Measurement],
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let mut chart: Panel<'_> = ChartBuilder::on(area)
        .caption(op, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(90)
        .build_cartesian_2d(0.0..1600.0, (1e0..1e5).log_scale())?;
    mesh(&mut chart, "values of a row", "million values per second, one core")?;
    for (name, colour) in SERIES {
        let is = |m: &&Measurement| {
            let counts = m.op == op || m.op == "copy" || m.op == "product";
            m.suite == "speed" && m.name == name && counts && m.dtype.as_deref() != Some("f32")
        };
        let points: Vec<(f64, f64)> =
            all.iter().filter(is).filter_map(|m| Some((m.d? as f64, m.values_per_s? * 1e-6))).collect();
        if points.is_empty() {
            continue;
        }
        let own = matches!(name, "turbo 4 bits" | "rdo");
        let (line, fill) = (colour.stroke_width(if own { 3 } else { 2 }), colour.filled());
        chart.draw_series(LineSeries::new(points.iter().copied(), line))?.label(name).legend(move |at| {
            EmptyElement::at(at) + PathElement::new([(0, 0), (24, 0)], line) + Circle::new((12, 0), 4, fill)
        });
        chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, fill)))?;
    }
    legend(&mut chart)
}
