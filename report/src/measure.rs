//! Every series on every stream of a set, in parallel.
//!
//! A stream is coded on its own, with a skeleton of its own; a point of a curve adds up the bytes of all streams.

use std::collections::BTreeMap;

use anyhow::Result;
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::bound::Basis;
use crate::series::SERIES;
use crate::set::{Cut, Piece, Set};
use crate::stream::{Point, Stream};
use crate::theory::Component;

/// The skeletons of a series and cut.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Skeletons {
    /// Number of streams, each with a skeleton.
    pub streams: usize,
    /// Bytes of all artifacts.
    pub bytes: usize,
    /// Values of a token.
    pub values: usize,
}

/// What was measured on a set.
#[derive(Default)]
pub struct Measured {
    /// By series (its place in [`SERIES`]), cut and split: a point per rate.
    pub curves: BTreeMap<(usize, Cut), BTreeMap<usize, Vec<Point>>>,
    /// By the same, of series whose blocks share skeletons: those of the first split that makes curves.
    pub skeletons: BTreeMap<(usize, Cut), Skeletons>,
    /// For the Gaussian bound, of the splits that make curves.
    pub components: BTreeMap<(Cut, Basis), Vec<Component>>,
}

/// A stream of a split.
struct Job {
    split: usize,
    cut: Cut,
    pieces: Vec<Piece>,
}

/// What a job finds.
struct Found {
    /// Per series its points, and the bytes of its skeleton.
    points: Vec<(usize, Vec<Point>, Option<usize>)>,
    components: Vec<(Basis, Vec<Component>)>,
}

/// How much there is to do, in the units in which [`measure`] moves the bar.
pub fn work(set: &Set) -> u64 {
    jobs(set).iter().map(|job| set.dim(&job.pieces) as u64).sum()
}

/// Measures a set.
///
/// # Errors
/// When the library refuses rows or settings.
pub fn measure(set: &Set, bar: &ProgressBar) -> Result<Measured> {
    let jobs = jobs(set);
    let run = |job: &Job| {
        let found = run(set, job)?;
        bar.inc(set.dim(&job.pieces) as u64);
        Ok(found)
    };
    let found: Vec<Found> = jobs.par_iter().with_max_len(1).map(run).collect::<Result<_>>()?;

    let mut measured = Measured::default();
    let shown = set.splits.iter().position(|split| split.curves);
    for (job, found) in jobs.iter().zip(found) {
        for (series, points, artifact) in found.points {
            let curves = measured.curves.entry((series, job.cut)).or_default();
            match curves.get_mut(&job.split) {
                Some(curve) => curve.iter_mut().zip(&points).for_each(|(sum, point)| sum.add(point)),
                None => drop(curves.insert(job.split, points)),
            }
            if let Some(bytes) = artifact.filter(|_| shown == Some(job.split)) {
                let sum = measured.skeletons.entry((series, job.cut)).or_default();
                sum.streams += 1;
                sum.bytes += bytes;
                sum.values += set.dim(&job.pieces);
            }
        }
        for (basis, components) in found.components {
            measured.components.entry((job.cut, basis)).or_default().extend(components);
        }
    }
    Ok(measured)
}

/// One job per split, cut and stream, the longest first.
fn jobs(set: &Set) -> Vec<Job> {
    let mut jobs = Vec::new();
    for split in 0..set.splits.len() {
        for cut in set.cuts() {
            jobs.extend(set.streams(cut).into_iter().map(|pieces| Job { split, cut, pieces }));
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(set.dim(&job.pieces)));
    jobs
}

fn run(set: &Set, job: &Job) -> Result<Found> {
    let mut stream = Stream::new(set, job.split, &job.pieces)?;
    let applies = SERIES.iter().enumerate().filter(|(_, series)| series.cuts.contains(&job.cut));
    let points = |(i, series)| stream.points(series).map(|(points, artifact)| (i, points, artifact));
    let points = applies.map(points).collect::<Result<_>>()?;
    let bounded = set.suite == "kv" && set.splits[job.split].curves;
    let components = if bounded { stream.components()? } else { Vec::new() };
    Ok(Found { points, components })
}
