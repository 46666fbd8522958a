//! From measurements to records: points of curves, bounds, what skeletons cost.

use std::collections::BTreeMap;

use crate::measure::{Measured, Skeletons};
use crate::record::{Record, rounded};
use crate::series::SERIES;
use crate::set::{Cut, Set};
use crate::stats::Mean;
use crate::stream::Point;
use crate::theory;

/// Tokens over which the cost of skeletons is spread.
const TOKENS: [usize; 3] = [1 << 10, 1 << 13, 1 << 16];

/// A curve that is computed, not measured.
pub struct Bound {
    pub codec: &'static str,
    pub cut: Cut,
    pub variant: &'static str,
    /// Bits per value and relative error.
    pub points: Vec<(f64, f64)>,
}

/// What all records of rows cut in one way have in common. Sets whose rows cannot be joined have no cuts.
pub fn blank(set: &Set, codec: &str, cut: Cut) -> Record {
    Record {
        suite: set.suite.to_owned(),
        set: set.name.clone(),
        codec: codec.to_owned(),
        rows: set.joins.then(|| cut.name().to_owned()),
        ..Record::default()
    }
}

/// Per series, cut and rate: all bytes, and the mean over tensors and documents of the relative error.
pub fn points(set: &Set, measured: &Measured) -> Vec<Record> {
    let mut records = Vec::new();
    for (&(series, cut), curves) in &measured.curves {
        let series = &SERIES[series];
        for (i, &rate) in series.rates.iter().enumerate() {
            let shown = curves.iter().filter(|(split, _)| set.splits[**split].curves);
            let points: Vec<&Point> = shown.map(|(_, curve)| &curve[i]).collect();
            let bits = 8.0 * points.iter().map(|point| point.bytes).sum::<usize>() as f64;
            let values = points.iter().map(|point| point.values).sum::<usize>() as f64;
            let error = Mean::of(&points.iter().flat_map(|point| point.errors()).collect::<Vec<f64>>());
            records.push(Record {
                setting: series.setting(rate),
                bpv: Some(rounded(bits / values)),
                rel_err: Some(rounded(error.value)),
                n: Some(error.n),
                ci95: error.half.map(rounded),
                ..blank(set, series.codec, cut)
            });
        }
    }
    records
}

/// Shannon's bound and the uniform quantiser for independent rows, reverse water-filling for others.
pub fn bounds(set: &Set, measured: &Measured) -> Vec<Bound> {
    if set.suite == "gauss" {
        let curve = |codec, distortion: fn(f64) -> f64| {
            let points = (1..=34).map(|i| f64::from(i) / 4.0).map(|rate| (rate, distortion(rate))).collect();
            Bound { codec, cut: Cut::Head, variant: "", points }
        };
        return vec![
            curve("rd_bound", theory::shannon),
            curve("uniform_entropy", theory::uniform_with_entropy),
        ];
    }
    let shown = set.splits.iter().filter(|split| split.curves);
    let documents = shown.clone().count();
    let tokens: usize = shown.map(|split| set.documents[split.judge].positions.len()).sum();
    let width: usize = set.tensors.iter().map(|tensor| tensor.heads * tensor.head_dim).sum();
    let mut bounds = Vec::new();
    for (&(cut, basis), components) in &measured.components {
        // Levels from 4 times the variance of a value down to 2^-17 of it.
        let point = |i: i32| {
            let (bits, errors) = theory::water_fill(components, (-f64::from(i) / 2.0).exp2());
            let error = errors.iter().sum::<f64>() / (errors.len() * documents) as f64;
            (bits / (tokens * width) as f64, error)
        };
        bounds.push(Bound {
            codec: "rd_bound",
            cut,
            variant: basis.name(),
            points: (-4..34).map(point).collect(),
        });
    }
    bounds
}

/// The part of a bound that is in sight of the codecs.
pub fn bound_points(set: &Set, bound: &Bound) -> Vec<Record> {
    let visible = bound.points.iter().filter(|(bpv, error)| *bpv > 0.0 && *bpv <= 8.5 && *error >= 1e-6);
    let record = |&(bpv, error): &(f64, f64)| Record {
        setting: (!bound.variant.is_empty()).then(|| bound.variant.to_owned()),
        bpv: Some(rounded(bpv)),
        rel_err: Some(rounded(error)),
        ..blank(set, bound.codec, bound.cut)
    };
    visible.map(record).collect()
}

/// What shared skeletons cost, spread over the tokens that use them. Of series of a codec whose skeletons have the
/// same size the first speaks for all.
pub fn skeletons(set: &Set, skeletons: &BTreeMap<(usize, Cut), Skeletons>) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for (&(series, cut), &Skeletons { streams, bytes, values }) in skeletons {
        let series = &SERIES[series];
        let record = |tokens| Record {
            setting: Some(series.variant.to_owned()).filter(|variant| !variant.is_empty()),
            bpv: Some(rounded(8.0 * bytes as f64 / (tokens * values) as f64)),
            skeletons: Some(streams),
            bytes: Some(bytes),
            tokens: Some(tokens),
            ..blank(set, series.codec, cut)
        };
        let same = |r: &Record| r.codec == series.codec && r.bytes == Some(bytes);
        if !records.iter().any(same) {
            records.extend(TOKENS.map(record));
        }
    }
    records
}
