//! Fitting a skeleton to rows: of one block, or of a stream too long to hold.

use super::{Roots, Skeleton};
use crate::error::{Count, Error, Result, try_reserve, try_vec};
use crate::kmeans;
use crate::params::{Params, Preset, RateControl};
use crate::pca::{Axes, Moments, axes_of_block};
use crate::quantize::{Allocation, DISTORTION};
use crate::rate::expected_bits;
use crate::simd::dispatch;
use crate::stepped::{RowStep, Stepper};
use crate::sums::dot;
use crate::trellis::Stage;
use fearless_simd::Level;
use half::f16;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Rows that a [`Fitter`] keeps for K-means.
const RESERVOIR: usize = 4096;

/// What a fit found. Energies are weighted.
#[derive(Debug, Clone, PartialEq)]
pub struct FitReport {
    /// Rows that were added.
    pub rows: u64,
    /// Components kept.
    pub rank: usize,
    /// Share of the variance that they capture.
    pub captured_variance: f64,
    /// Arithmetic over geometric mean of the variances of the components kept.
    pub coding_gain: f64,
    /// K-means centres kept.
    pub n_centres: usize,
    /// Bits per value of a block of many rows, without header and skeleton. With a step, what rows of the sample
    /// cost at it; where the size decides and no step was given, at half the root mean square of the components.
    pub predicted_bpv: f64,
    /// Relative squared error expected at the same rate.
    pub predicted_error: f64,
}

/// Fits a skeleton that is stored inside the block, to its rows `[weights.len(), dim]`. Weights must not be
/// all zero.
pub fn fit_block(
    rows: &[f32],
    weights: &[f32],
    dim: usize,
    params: &Params,
) -> Result<(Skeleton, FitReport)> {
    let axes = axes_of_block(rows, weights, dim)?;
    // Centres are stored as binary16 in the block, so its rows have to pay for them.
    let side = Side { centre_bits: 16.0 / weights.len() as f64, metric: false };
    finish(&axes, rows, weights, params, side)
}

/// Fits a skeleton to a stream of rows in bounded memory: sums for the basis, a uniform sample of the rows for
/// K-means. Deterministic for given rows, their order and the seed.
#[derive(Debug)]
pub struct Fitter {
    params: Params,
    moments: Moments,
    sample: Vec<f32>,
    sample_weights: Vec<f32>,
    stream: ChaCha8Rng,
    dim: usize,
}

impl Fitter {
    /// A fitter for rows of `dim` coordinates.
    pub fn new(dim: usize, params: &Params) -> Result<Self> {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&params.settings().seed.to_le_bytes());
        key[8] = 2; // apart from the streams of the rotation and of K-means
        Ok(Self {
            params: params.clone(),
            moments: Moments::new(dim)?,
            sample: try_reserve(RESERVOIR * dim, "the sample of rows")?,
            sample_weights: try_reserve(RESERVOIR, "the sample of rows")?,
            stream: ChaCha8Rng::from_seed(key),
            dim,
        })
    }

    /// Adds finite rows `[weights.len(), dim]` with finite weights not below 0.
    pub fn add(&mut self, rows: &[f32], weights: &[f32]) {
        let before = self.moments.rows();
        self.moments.add(rows, weights);
        for (seen, (row, &weight)) in (before..).zip(rows.chunks_exact(self.dim).zip(weights)) {
            if self.sample_weights.len() < RESERVOIR {
                self.sample.extend_from_slice(row);
                self.sample_weights.push(weight);
            } else {
                let slot = ((u128::from(self.stream.next_u64()) * u128::from(seen + 1)) >> 64) as usize;
                if slot < RESERVOIR {
                    self.sample[slot * self.dim..(slot + 1) * self.dim].copy_from_slice(row);
                    self.sample_weights[slot] = weight;
                }
            }
        }
    }

    /// The skeleton of the rows added so far, one of which must have a weight; more may be added afterwards.
    pub fn finish(&self) -> Result<(Skeleton, FitReport)> {
        self.finish_under(None)
    }

    /// As [`Fitter::finish`], with a transform that follows a query metric. For [`Preset::Rdo`].
    pub(crate) fn finish_under(&self, roots: Option<&Roots>) -> Result<(Skeleton, FitReport)> {
        if self.moments.weight() == 0.0 {
            return Err(Error::BadShape {
                what: "rows with a weight to fit to",
                got: 0,
                expected: Count::AtLeast(1),
            });
        }
        let axes = match roots {
            Some(roots) => self.moments.axes_under(roots)?,
            None => self.moments.axes()?,
        };
        let side = Side { centre_bits: 0.0, metric: roots.is_some() };
        let (skeleton, report) = finish(&axes, &self.sample, &self.sample_weights, &self.params, side)?;
        Ok((skeleton, FitReport { rows: self.moments.rows(), ..report }))
    }
}

/// What else a fit has to know.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// Price of a centre component, in bits per row.
    centre_bits: f64,
    /// Whether the axes are those under a metric.
    metric: bool,
}

/// Cuts the basis, tries K-means on the sample and predicts what a block will cost.
fn finish(
    axes: &Axes,
    sample: &[f32],
    weights: &[f32],
    params: &Params,
    side: Side,
) -> Result<(Skeleton, FitReport)> {
    let dim = axes.mean.len();
    let total: f64 = axes.variances.iter().sum();
    let rank = match params.settings().preset {
        // What has no variance in the sample may have some in a block.
        Preset::Rdo => axes.variances.len(),
        _ => choose_rank(&axes.variances, total, params),
    };
    let captured: f64 = axes.variances[..rank].iter().sum();
    let mut skeleton =
        Skeleton { rank, ..Skeleton::with_room(dim, rank, params.settings().kmeans_k as usize)? };
    let half = |x: &f64| f16::from_f64(*x).to_f32();
    skeleton.set_mean(axes.mean.iter().map(|&x| x as f32));
    skeleton.variances.extend(axes.variances[..rank].iter().map(|&x| finite(x)));
    skeleton.basis.extend(axes.vectors[..rank * dim].iter().map(half));

    // Rounded to binary16, the axes of a metric still have an inverse: they are far from dependent.
    if side.metric && !skeleton.invert_basis()? {
        return Err(Error::NotConverged { dim });
    }
    let left = try_kmeans(&mut skeleton, sample, weights, params, side.centre_bits)?;
    let n_centres = skeleton.n_centres();
    let energy = total
        + match skeleton.mean_image() {
            [] => axes.mean.iter().map(|x| x * x).sum::<f64>(),
            image => image.iter().map(|&x| f64::from(x).powi(2)).sum(),
        };
    let centre_side = if n_centres > 0 { 8.0 + f64::from(index_bits(n_centres)) } else { 0.0 };
    let (row_bits, coded_error) = if params.settings().rate_control == RateControl::Bits {
        predict(&skeleton, captured * left, params)?
    } else {
        try_step(&skeleton, sample, weights, params)?
    };
    let report = FitReport {
        rows: weights.len() as u64,
        rank,
        captured_variance: if total > 0.0 { captured / total } else { 1.0 },
        coding_gain: coding_gain(&axes.variances[..rank]),
        n_centres,
        predicted_bpv: (row_bits + centre_side) / dim as f64,
        predicted_error: if energy > 0.0 { (total - captured + coded_error) / energy } else { 0.0 },
    };
    Ok((skeleton, report))
}

/// Bits of a row at a fixed rate, and what coding leaves of its energy, of which `coded` is left after the
/// centres.
fn predict(skeleton: &Skeleton, coded: f64, params: &Params) -> Result<(f64, f64)> {
    let settings = params.settings();
    if settings.preset == Preset::Rdo {
        let allocation = Allocation::new(skeleton.variances(), settings.bits)?;
        return Ok((16.0 + allocation.row_bits() as f64, coded * allocation.distortion()));
    }
    let bits = 16.0 + skeleton.rank as f64 * f64::from(params.bits());
    Ok((bits, coded * DISTORTION[usize::from(params.bits()) - 1]))
}

/// Rows of the sample that are coded to see what a step costs.
const TRIED: usize = 512;

/// Bits of a row at a step, and the energy of its error: those of rows of the sample, coded and decoded.
fn try_step(skeleton: &Skeleton, sample: &[f32], weights: &[f32], params: &Params) -> Result<(f64, f64)> {
    let rank = skeleton.rank;
    let every = weights.len().div_ceil(TRIED).max(1);
    let (mut rows, shrink) = coefficients(skeleton, sample, every)?;
    for z in rows.chunks_exact_mut(rank) {
        if let Some((index, t)) = kmeans::assign(z, skeleton.centres()) {
            let t = skeleton.reach.decode(skeleton.reach.encode(t / shrink)) * shrink;
            z.iter_mut().zip(skeleton.centre(index)).for_each(|(z, c)| *z -= t * c);
        }
    }
    let stepper = Stepper::new(skeleton.variances(), params.settings())?;
    let step = nominal_step(skeleton, params);
    code_rows(&stepper, step, &rows, weights.iter().step_by(every), 1.0 / shrink)
}

/// Mean bits of rows of coefficients in units of `unit`, and weighted mean energy of their errors.
fn code_rows<'a>(
    stepper: &Stepper,
    step: f32,
    rows: &[f32],
    weights: impl Iterator<Item = &'a f32>,
    unit: f32,
) -> Result<(f64, f64)> {
    const WHAT: &str = "the trial of a step";
    let (quantizer, rank) = (stepper.at(step), stepper.rank());
    let floats = || try_vec(rank, 0.0_f32, WHAT);
    let (mut whiten, mut scratch, mut back) = (floats()?, floats()?, floats()?);
    let (mut values, mut stages) = (try_vec(rank, 0, WHAT)?, try_vec(rank, Stage::default(), WHAT)?);
    let (mut bins, mut points) = (try_vec(rank, 0, WHAT)?, try_vec(rank, 0, WHAT)?);
    stepper.whiten(step, &mut whiten);
    let level = Level::new();
    let (mut bits, mut squared, mut count, mut total) = (0.0, 0.0, 0.0_f64, 0.0_f64);
    for (z, &weight) in rows.chunks_exact(rank).zip(weights) {
        let gain = dispatch!(level, simd => quantizer.gain(simd, z, unit, &whiten, &mut scratch));
        let row = RowStep { gain, step: 0 };
        // A row whose values are too large to be coded is stored raw: 32 bits a value at most, no error.
        if quantizer.quantize(z, unit, row, &mut values, &mut stages).is_some() {
            quantizer.codes(row, &mut bins);
            quantizer.points(&values, &bins, &mut points);
            quantizer.dequantize(&points, row, unit, &mut back);
            bits += quantizer.bits(&values, row);
            let off =
                |(z, back): (&f32, &f32)| (f64::from(unit) * (f64::from(*z) - f64::from(*back))).powi(2);
            squared += f64::from(weight) * z.iter().zip(&back).map(off).sum::<f64>();
        } else {
            bits += 32.0 * rank as f64;
        }
        (count, total) = (count + 1.0, total + f64::from(weight));
    }
    Ok((4.0 + bits / count.max(1.0), if total > 0.0 { squared / total } else { 0.0 }))
}

/// The step that a fit is judged at: the one of the parameters, or, where the size decides, half the root mean
/// square of the components.
fn nominal_step(skeleton: &Skeleton, params: &Params) -> f32 {
    let step = params.settings().step;
    if step > 0.0 {
        return step;
    }
    let sum: f64 = skeleton.variances().iter().map(|&variance| f64::from(variance)).sum();
    (0.5 * (sum / skeleton.rank.max(1) as f64).sqrt()).clamp(1e-30, 1e30) as f32
}

/// Coefficients of every `every`-th row of the sample, shrunk by the power of two that is returned with them:
/// squares of rows near the limits of binary32 stay within it.
fn coefficients(skeleton: &Skeleton, sample: &[f32], every: usize) -> Result<(Vec<f32>, f32)> {
    const WHAT: &str = "the coefficients of the sample";
    let (dim, rank) = (skeleton.dim, skeleton.rank);
    let rows = sample.chunks_exact(dim).step_by(every);
    let mut coefficients = try_vec(rows.len() * rank, 0.0_f32, WHAT)?;
    let mut deviation = try_vec(dim, 0.0, WHAT)?;
    let peak = sample.iter().fold(skeleton.peak(), |peak, x| peak.max(x.abs()));
    let (shrink, level) = (1.0 / crate::codec::unit_of(peak), Level::new());
    for (y, x) in coefficients.chunks_exact_mut(rank.max(1)).zip(rows) {
        dispatch!(level, simd => skeleton.project(simd, x, shrink, &mut deviation, y));
    }
    Ok((coefficients, shrink))
}

/// Bits that centres save on a row: on components whose variances they lower from `before` to `after`, or, where
/// all components get the same bits, on the energy of which they leave the share `left`.
fn saved_bits(before: &[f32], after: &[f64], left: f64, step: f32, params: &Params) -> Result<f64> {
    let settings = params.settings();
    if settings.preset != Preset::Rdo {
        return Ok(-0.5 * before.len() as f64 * left.log2());
    }
    if settings.rate_control == RateControl::Bits {
        // At the same bits the distortion falls; a component that has bits takes half a bit for an octave of it.
        let mut lower = try_reserve(after.len(), "the variances of the sample")?;
        lower.extend(after.iter().map(|&variance| finite(variance)));
        let [one, other] = [Allocation::new(before, settings.bits)?, Allocation::new(&lower, settings.bits)?];
        let total = |variances: &[f32]| variances.iter().map(|&variance| f64::from(variance)).sum::<f64>();
        let octaves = (one.distortion() * total(before)).log2() - (other.distortion() * total(&lower)).log2();
        return Ok(0.5 * one.coded() as f64 * octaves);
    }
    let bits = |variance: f64| expected_bits((variance as f32).sqrt(), step);
    Ok(before.iter().zip(after).map(|(&before, &after)| bits(f64::from(before)) - bits(after)).sum())
}

/// A variance in binary32, beyond whose range the rows' squares may lie.
fn finite(variance: f64) -> f32 {
    (variance as f32).min(f32::MAX)
}

/// Bits of a centre index.
pub(crate) fn index_bits(n_centres: usize) -> u8 {
    n_centres.next_power_of_two().trailing_zeros() as u8
}

/// The fewest components that capture the asked share, within the asked limit. Directions with less than
/// 1e-13 of the largest variance are rounding errors of binary32 and never kept.
fn choose_rank(variances: &[f64], total: f64, params: &Params) -> usize {
    let limit = match params.settings().max_rank as usize {
        0 => variances.len(),
        limit => limit.min(variances.len()),
    };
    let floor = variances.first().map_or(0.0, |largest| largest * 1e-13);
    let target = f64::from(params.settings().variance_ratio) * total;
    let mut sum = 0.0;
    let wanted = variances.iter().take_while(|&&variance| {
        let more = variance > floor && sum < target;
        sum += variance;
        more
    });
    wanted.count().min(limit)
}

fn coding_gain(variances: &[f64]) -> f64 {
    if variances.is_empty() {
        return 1.0;
    }
    let n = variances.len() as f64;
    let mean = variances.iter().sum::<f64>() / n;
    mean / (variances.iter().map(|variance| variance.ln()).sum::<f64>() / n).exp()
}

/// Fits centres and keeps them if the bits that they save on a row exceed the bits that they cost: an index, 8
/// bits of reach, and the row's share of the centres themselves. At fixed rate they save `rank/2·log₂` of the
/// energy ratio, at a fixed step what the rate model saves on the components' variances, which become those of
/// what the centres leave. Returns the share of the sample's energy that is left for the quantiser; 1 where no
/// centre was kept.
fn try_kmeans(
    skeleton: &mut Skeleton,
    sample: &[f32],
    weights: &[f32],
    params: &Params,
    centre_bits: f64,
) -> Result<f64> {
    let rank = skeleton.rank;
    let settings = params.settings();
    if settings.kmeans_k == 0 || rank == 0 {
        return Ok(1.0);
    }
    let (rows, shrink) = coefficients(skeleton, sample, 1)?;
    let k = settings.kmeans_k as usize;
    let mut centres = kmeans::fit(&rows, weights, rank, k, settings.kmeans_iters, settings.seed)?;
    centres.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());

    let (mut energy, mut left, mut reach, mut total) = (0.0, 0.0, 0.0_f32, 0.0);
    let mut after = try_vec(rank, 0.0_f64, "the variances of the sample")?;
    for (y, &weight) in rows.chunks_exact(rank).zip(weights) {
        let Some((index, t)) = kmeans::assign(y, &centres) else { return Ok(1.0) };
        let centre = &centres[index * rank..(index + 1) * rank];
        for ((after, &y), &c) in after.iter_mut().zip(y).zip(centre) {
            *after += f64::from(weight) * f64::from(y - t * c).powi(2);
        }
        total += f64::from(weight);
        let norm = dot(y, y);
        energy += f64::from(weight) * f64::from(norm);
        left += f64::from(weight) * f64::from((norm - t * t).max(0.0));
        reach = reach.max(t.abs());
    }
    let n_centres = centres.len() / rank;
    let scale = 1.0 / (total * f64::from(shrink).powi(2));
    after.iter_mut().for_each(|variance| *variance *= scale);
    let rdo = settings.preset == Preset::Rdo;
    let saved =
        saved_bits(&skeleton.variances, &after, left / energy, nominal_step(skeleton, params), params)?;
    let cost = 8.0 + f64::from(index_bits(n_centres)) + centre_bits * centres.len() as f64;
    // A NaN, from rows without energy, keeps nothing.
    if saved > cost {
        skeleton.centres.extend_from_slice(&centres);
        skeleton.reach.peak = (reach / shrink).min(f32::MAX);
        if rdo {
            skeleton.variances.clear();
            skeleton.variances.extend(after.iter().map(|&variance| finite(variance)));
        }
        return Ok(left / energy);
    }
    Ok(1.0)
}
