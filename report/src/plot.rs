//! The picture: error against bits per value, a panel per set.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::record::Record;

/// A curve as it is drawn: of which records, and how.
struct Style {
    codec: &'static str,
    rows: &'static str,
    family: &'static str,
    label: &'static str,
    colour: RGBColor,
    mark: Mark,
}

enum Mark {
    None,
    Dot,
    Cross,
    Triangle,
}

// Colours that are told apart with any kind of colour vision (Okabe and Ito).
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const YELLOW: RGBColor = RGBColor(200, 180, 20);
const GREY: RGBColor = RGBColor(140, 140, 140);

/// How sets are drawn whose rows can be joined.
const STYLES: &[Style] = &[
    style("turbo", "head", "bits", "turbo", BLUE, Mark::Dot),
    style("q4_0_rot", "head", "", "rotated q4_0", BLACK, Mark::Triangle),
    style("q8_0", "head", "", "q8_0", BLACK, Mark::Cross),
    style("kakeya", "head", "bits,skeleton=block", "kakeya, own skeleton", PURPLE, Mark::Cross),
    style("kakeya", "layer", "bits,skeleton=shared", "kakeya, a layer a row", ORANGE, Mark::Cross),
    style("rdo", "layer", "bits", "rdo bits, a layer a row", YELLOW, Mark::Triangle),
    style("rdo", "head", "step", "rdo step, a head a row", SKY, Mark::Dot),
    style("rdo", "layer", "step", "rdo step, a layer a row", GREEN, Mark::Dot),
    style("rdo", "layer3", "step", "rdo step, three layers a row", VERMILION, Mark::Dot),
    style("rd_bound", "layer", "basis=fitted", "Gaussian R(D), a layer a row", GREY, Mark::None),
];

/// How independent rows are drawn.
const GAUSSIAN: &[Style] = &[
    style("turbo", "", "bits", "turbo", BLUE, Mark::Dot),
    style("q4_0_rot", "", "", "rotated q4_0", BLACK, Mark::Triangle),
    style("q8_0", "", "", "q8_0", BLACK, Mark::Cross),
    style("kakeya", "", "bits,skeleton=block", "kakeya, own skeleton", PURPLE, Mark::Cross),
    style("kakeya", "", "bits,skeleton=shared", "kakeya, shared skeleton", ORANGE, Mark::Cross),
    style("rdo", "", "bits", "rdo bits", YELLOW, Mark::Triangle),
    style("rdo", "", "step", "rdo step", GREEN, Mark::Dot),
    style("rdo", "", "step,effort=1", "rdo step, effort 1", VERMILION, Mark::Dot),
    style("uniform_entropy", "", "", "uniform + ideal entropy coding", SKY, Mark::None),
    style("rd_bound", "", "", "R(D)", GREY, Mark::None),
];

const fn style(
    codec: &'static str,
    rows: &'static str,
    family: &'static str,
    label: &'static str,
    colour: RGBColor,
    mark: Mark,
) -> Style {
    Style { codec, rows, family, label, colour, mark }
}

/// Size of a panel.
const PANEL: (u32, u32) = (720, 540);
const COLUMNS: usize = 2;

/// What curves are drawn in: a logarithmic scale upwards.
pub type Panel<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, LogCoord<f64>>>;

/// Draws the sets of the records to an SVG file.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(path: &Path, records: &[Record]) -> Result<()> {
    let mut sets: Vec<&str> = records.iter().map(|record| record.set.as_str()).collect();
    sets.dedup();
    let rows = sets.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    for (area, set) in root.split_evenly((rows, COLUMNS)).iter().zip(sets) {
        let records: Vec<&Record> = records.iter().filter(|record| record.set == set).collect();
        panel(area, set, &records).map_err(|error| anyhow!("{error}"))?;
    }
    root.present().map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    set: &str,
    records: &[&Record],
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let mut chart: Panel<'_> = ChartBuilder::on(area)
        .caption(set, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..9.0, (1e-5..1.0).log_scale())?;
    mesh(&mut chart, "bits per value, every byte counted but a shared skeleton's", "relative squared error")?;
    let cut = records.iter().any(|record| record.rows.is_some());
    for style in if cut { STYLES } else { GAUSSIAN } {
        let points = points(style, records);
        if points.is_empty() {
            continue;
        }
        let (line, fill) = (style.colour.stroke_width(2), style.colour.filled());
        let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), line))?.label(style.label);
        let sample = move |at: (i32, i32)| EmptyElement::at(at) + PathElement::new([(0, 0), (24, 0)], line);
        match style.mark {
            Mark::None => drop(drawn.legend(sample)),
            Mark::Dot => {
                drawn.legend(move |at| sample(at) + Circle::new((12, 0), 4, fill));
                chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, fill)))?;
            }
            Mark::Cross => {
                drawn.legend(move |at| sample(at) + Cross::new((12, 0), 5, line));
                chart.draw_series(points.iter().map(|&at| Cross::new(at, 5, line)))?;
            }
            Mark::Triangle => {
                drawn.legend(move |at| sample(at) + TriangleMarker::new((12, 0), 5, fill));
                chart.draw_series(points.iter().map(|&at| TriangleMarker::new(at, 5, fill)))?;
            }
        }
    }
    legend(&mut chart)
}

/// Draws the grid and the axes of a panel.
pub fn mesh(chart: &mut Panel<'_>, x: &str, y: &str) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(10)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()
}

/// Draws what the curves of a panel are called.
pub fn legend(chart: &mut Panel<'_>) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 13))
        .legend_area_size(30)
        .margin(8)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .draw()
}

/// The points of a curve by rate.
fn points(style: &Style, records: &[&Record]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = records
        .iter()
        .filter(|r| r.is_point() && r.codec == style.codec && r.rows.as_deref().unwrap_or("") == style.rows)
        .filter(|r| family(r.setting.as_deref().unwrap_or("")) == style.family)
        .filter_map(|r| Some((r.bpv?, r.rel_err?)))
        .filter(|(bpv, error)| *bpv <= 9.0 && *error >= 1e-5)
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// A setting without its rate: what [`crate::series::Series::family`] is called.
pub fn family(setting: &str) -> String {
    let name = |part: &'_ str| match part.split_once('=') {
        Some((rate @ ("bits" | "step"), _)) => rate.to_owned(),
        _ => part.to_owned(),
    };
    setting.split(',').map(name).collect::<Vec<String>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_a_setting_without_its_rate() {
        let families = ["step=0.5", "bits=2,skeleton=block", "basis=own", ""].map(family);
        assert_eq!(families, ["step", "bits,skeleton=block", "basis=own", ""]);
    }
}
