//! Comparisons at equal error: how many bits a series needs where a rival has the error that it has.
//!
//! They are made document by document, so that what a document has easy or hard is the same on both sides.

use std::collections::BTreeMap;

use crate::measure::Measured;
use crate::record::{Record, rounded};
use crate::results::{Bound, blank};
use crate::series::{Coder, SERIES, Skeletons};
use crate::set::Set;
use crate::stats::{Mean, rate_at};
use crate::stream::Point;

/// The codecs and settings that all others are compared with.
const RIVALS: [(&str, &str); 5] =
    [("q8_0", ""), ("q4_0_rot", ""), ("turbo", "bits=4"), ("turbo", "bits=3"), ("turbo", "bits=2")];

/// A rival on each split: bits per value and error.
struct Rival {
    name: String,
    at: BTreeMap<usize, (f64, f64)>,
}

/// Per rival and series: bits per value at the error of the rival, mean over the documents that curves are made of;
/// and the ratio to the rival's, mean over all documents.
pub fn comparisons(set: &Set, measured: &Measured, bounds: &[Bound]) -> Vec<Record> {
    let mut records = Vec::new();
    for (codec, setting) in RIVALS {
        let rival = rival(measured, codec, setting);
        let shown = rival.at.iter().filter(|(split, _)| set.splits[**split].curves);
        let error = mean(shown.map(|(_, (_, error))| *error));
        let record = |codec, cut, variant: &str, bpv| Record {
            setting: (!variant.is_empty()).then(|| variant.to_owned()),
            rival: Some(rival.name.clone()),
            rel_err: Some(rounded(error)),
            bpv: Some(rounded(bpv)),
            ..blank(set, codec, cut)
        };
        for (&(series, cut), curves) in &measured.curves {
            let series = &SERIES[series];
            let compared = !matches!(series.coder, Coder::Row(_) | Coder::Preset(_, Skeletons::None));
            if let Some(needs) = needs(curves, &rival).filter(|_| compared) {
                let here = needs.iter().filter(|(split, _)| set.splits[**split].curves);
                let ratios: Vec<f64> = needs.iter().map(|(split, bpv)| bpv / rival.at[split].0).collect();
                let ratio = Mean::of(&ratios);
                records.push(Record {
                    ratio: Some(rounded(ratio.value)),
                    n: Some(ratio.n),
                    ci95: ratio.half.map(rounded),
                    ..record(series.codec, cut, &series.family(), mean(here.map(|(_, bpv)| *bpv)))
                });
            }
        }
        for bound in bounds {
            if let Some(bpv) = rate_at(&bound.points, error) {
                records.push(record(bound.codec, bound.cut, bound.variant, bpv));
            }
        }
    }
    records
}

fn rival(measured: &Measured, codec: &str, setting: &str) -> Rival {
    let (&(series, _), curves) = measured
        .curves
        .iter()
        .find(|((series, _), _)| SERIES[*series].codec == codec)
        .expect("every rival is a series for rows of a head");
    let series = &SERIES[series];
    let named = |rate| series.setting(rate).unwrap_or_default() == setting;
    let place =
        series.rates.iter().position(|&rate| named(rate)).expect("every rival is a rate of its series");
    let point = |(&split, curve): (&usize, &Vec<Point>)| (split, (curve[place].bpv(), curve[place].error()));
    Rival { name: format!("{codec} {setting}").trim_end().to_owned(), at: curves.iter().map(point).collect() }
}

/// Bits per value at the error of the rival on each split; None if a curve does not reach it.
fn needs(curves: &BTreeMap<usize, Vec<Point>>, rival: &Rival) -> Option<BTreeMap<usize, f64>> {
    let need = |(&split, curve): (&usize, &Vec<Point>)| {
        let curve: Vec<(f64, f64)> = curve.iter().map(|point| (point.bpv(), point.error())).collect();
        Some((split, rate_at(&curve, rival.at[&split].1)?))
    };
    curves.iter().map(need).collect()
}

fn mean(samples: impl Iterator<Item = f64>) -> f64 {
    let samples: Vec<f64> = samples.collect();
    samples.iter().sum::<f64>() / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(bpv: f64, error: f64) -> Point {
        Point { rate: 0.0, bytes: (bpv * 1000.0) as usize, values: 8000, sums: vec![(error, 1.0)] }
    }

    /// Two documents, of which the second is harder for both.
    #[test]
    fn documents_are_compared_one_by_one() {
        let rival = Rival { name: String::new(), at: [(0, (4.0, 0.01)), (1, (4.0, 0.02))].into() };
        let curves =
            [(0, vec![point(1.0, 0.1), point(3.0, 0.001)]), (1, vec![point(1.0, 0.2), point(3.0, 0.002)])];
        let found = needs(&curves.into(), &rival).unwrap();
        assert!(found.values().all(|bpv| (bpv - 2.0).abs() < 1e-12), "{found:?}");
        let floor = [(0, vec![point(1.0, 0.1), point(3.0, 0.05)])];
        assert_eq!(needs(&floor.into(), &rival), None);
    }
}
