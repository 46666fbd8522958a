//! Makes a skeleton from the axes of the rows, and predicts what its blocks will cost.
//!
//! Fits of a block and of a stream meet here. They differ in what a centre costs (a block stores its centres,
//! a stream shares them) and in whether there is a query metric.

use super::context::{FitContext, finite};
use super::moments::Axes;
use super::predict::at_fixed_rate;
use crate::error::{Error, Result};
use crate::format::sections::index_bits;
use crate::params::{Params, Preset, RateControl};
use crate::skeleton::Skeleton;
use half::f16;

/// The outcome of a fit. Energies are weighted. Predictions are for rows like those that were added.
#[derive(Debug, Clone, PartialEq)]
pub struct FitReport {
    /// Rows that were added.
    pub rows: u64,
    /// Components that were kept.
    pub rank: usize,
    /// Share of the variance that they capture, 0 to 1; 1 if the rows have no variance.
    pub captured_variance: f64,
    /// Arithmetic over geometric mean of the variances of the components kept: how much a transform to
    /// uncorrelated components gains over none, at high rate. At least 1; infinite if a variance is 0.
    pub coding_gain: f64,
    /// K-means centres that were kept.
    pub n_centres: usize,
    /// Bits per value of a block of many rows, without header and skeleton. With a step, the cost of rows of
    /// the sample at that step. If the size decides and no step was given, the cost at a step of half the
    /// root mean square of the components.
    pub predicted_bpv: f64,
    /// Relative squared error that goes with those bits.
    pub predicted_error: f64,
}

impl FitContext<'_> {
    /// Cuts the basis, tries K-means on the sample and predicts what a block will cost.
    ///
    /// # Errors
    /// [`Error::NotConverged`] if a basis under a metric has no usable inverse; [`Error::OutOfMemory`].
    pub fn finish(&self, axes: &Axes) -> Result<(Skeleton, FitReport)> {
        let Self { params, .. } = *self;
        let dim = axes.mean.len();
        let total: f64 = axes.variances.iter().sum();
        let rank = match params.settings().preset {
            // All of them: a direction without variance in the sample may have some in a block.
            Preset::Rdo => axes.variances.len(),
            _ => choose_rank(&axes.variances, total, params),
        };
        let captured: f64 = axes.variances[..rank].iter().sum();
        let mut skeleton = Skeleton::with_room(dim, rank, params.settings().kmeans_k as usize)?;
        skeleton.set_axes(
            (dim, rank),
            axes.mean.iter().map(|&x| x as f32),
            axes.variances[..rank].iter().map(|&x| finite(x)),
            axes.vectors[..rank * dim].iter().map(|&x| f16::from_f64(x).to_f32()),
        );
        // Rounding the axes of a metric to binary16 does not take their inverse away, since the ridge of the
        // metric keeps them far from dependent. The check is for what cannot be foreseen.
        if self.metric && !skeleton.invert_basis()? {
            return Err(Error::NotConverged { dim });
        }
        let left = self.try_centres(&mut skeleton)?;
        let n_centres = skeleton.n_centres();
        // Energy as the certificate counts it: about 0, not about the mean, and under the metric if there is
        // one.
        let energy = total
            + match skeleton.mean_image() {
                [] => axes.mean.iter().map(|x| x * x).sum::<f64>(),
                image => image.iter().map(|&x| f64::from(x).powi(2)).sum(),
            };
        let centre_side = if n_centres > 0 { 8.0 + f64::from(index_bits(n_centres)) } else { 0.0 };
        let (row_bits, coded_error) = if params.settings().rate_control == RateControl::Bits {
            at_fixed_rate(&skeleton, captured * left, params)?
        } else {
            self.try_step(&skeleton)?
        };
        let report = FitReport {
            rows: self.weights.len() as u64,
            rank,
            captured_variance: if total > 0.0 { captured / total } else { 1.0 },
            coding_gain: coding_gain(&axes.variances[..rank]),
            n_centres,
            predicted_bpv: (row_bits + centre_side) / dim as f64,
            predicted_error: if energy > 0.0 { (total - captured + coded_error) / energy } else { 0.0 },
        };
        Ok((skeleton, report))
    }
}

/// The fewest components that capture the requested share of the variance, within the requested limit.
/// Directions with less than 1e-13 of the largest variance are never kept: they are rounding errors of
/// binary32, whose squares are about 1e-14.
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

/// Arithmetic over geometric mean, the latter by logarithms, because a product would leave the range.
fn coding_gain(variances: &[f64]) -> f64 {
    if variances.is_empty() {
        return 1.0;
    }
    let n = variances.len() as f64;
    let mean = variances.iter().sum::<f64>() / n;
    mean / (variances.iter().map(|variance| variance.ln()).sum::<f64>() / n).exp()
}
