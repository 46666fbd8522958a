//! What the parts of a fit share: its inputs, and coefficients of the sample.

use crate::error::{Result, try_vec};
use crate::params::Params;
use crate::skeleton::Skeleton;
use crate::skeleton::frame::unit_of;
use crate::vector::sums::peak;
use crate::vector::tier::{best, dispatch};

/// What a fit knows besides the axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct FitContext<'a> {
    /// Rows that centres are fitted to and predictions are measured on, `[weights.len(), dim]`.
    pub sample: &'a [f32],
    pub weights: &'a [f32],
    pub params: &'a Params,
    /// Price of one component of a centre, in bits per row: 16 bits over the rows that share it.
    pub centre_bits: f64,
    /// Whether the axes follow a query metric and so need an inverse.
    pub metric: bool,
}

/// The step that a fit is judged at: that of the parameters, or, if the size decides, half the root mean
/// square of the components, which is in the range of steps that blocks of 2 to 3 bits per value end up with.
pub(super) fn nominal_step(skeleton: &Skeleton, params: &Params) -> f32 {
    let step = params.settings().step;
    if step > 0.0 {
        return step;
    }
    let sum: f64 = skeleton.variances().iter().map(|&variance| f64::from(variance)).sum();
    (0.5 * (sum / skeleton.rank().max(1) as f64).sqrt()).clamp(1e-30, 1e30) as f32
}

/// Coefficients of every `every`-th row of the sample, multiplied by a power of two that is returned with
/// them, so that squares of rows near the limits of binary32 stay within it. It is 1 for ordinary rows.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
pub(super) fn coefficients(skeleton: &Skeleton, sample: &[f32], every: usize) -> Result<(Vec<f32>, f32)> {
    const WHAT: &str = "the coefficients of the sample";
    let (dim, rank) = (skeleton.dim(), skeleton.rank());
    let rows = sample.chunks_exact(dim).step_by(every);
    let mut coefficients = try_vec(rows.len() * rank, 0.0_f32, WHAT)?;
    let mut deviation = try_vec(dim, 0.0, WHAT)?;
    let peak = peak(sample).max(skeleton.peak());
    let (shrink, level) = (1.0 / unit_of(peak), best());
    for (y, x) in coefficients.chunks_exact_mut(rank.max(1)).zip(rows) {
        dispatch!(level, simd => skeleton.project(simd, x, shrink, &mut deviation, y));
    }
    Ok((coefficients, shrink))
}

/// A variance in binary32. Squares of rows near the limits of binary32 lie beyond it, hence the limit.
pub(super) fn finite(variance: f64) -> f32 {
    (variance as f32).min(f32::MAX)
}
