//! Fits a skeleton to rows: to those of one block, or to a stream too long to hold.
//!
//! Both take rows as plain slices, already put together from tensors. [`super::StreamFitter`] does that.

use super::context::FitContext;
use super::finish::FitReport;
use super::metric::Roots;
use super::moments::{Moments, axes_of_block};
use crate::error::{Count, Error, Result, try_reserve};
use crate::params::Params;
use crate::seed::{self, Purpose};
use crate::skeleton::Skeleton;
use rand::Rng;
use rand::rngs::ChaCha8Rng;

/// Rows that a [`Fitter`] keeps for K-means: 16 per centre of the largest table of centres, 256.
const RESERVOIR: usize = 4096;

/// Fits the skeleton that is stored inside a block to its rows `[weights.len(), dim]`. Weights must not all
/// be zero. This happens while encoding and allocates; its time grows with `dim²` per row and the cube of the
/// smaller of rows and `dim`.
///
/// # Errors
/// [`Error::NotConverged`], [`Error::OutOfMemory`]
pub fn fit_block(
    rows: &[f32],
    weights: &[f32],
    dim: usize,
    params: &Params,
) -> Result<(Skeleton, FitReport)> {
    let axes = axes_of_block(rows, weights, dim)?;
    // Centres are stored in the block, 16 bits per component, so its rows have to pay for them.
    let centre_bits = 16.0 / weights.len() as f64;
    FitContext { sample: rows, weights, params, centre_bits, metric: false }.finish(&axes)
}

/// Fits a skeleton to a stream of rows in bounded memory: sums for the basis, a uniform sample of the rows
/// for K-means. Deterministic for given rows, their order and the seed; how they are divided into calls of
/// [`Fitter::add`] may change the last digits of the sums.
#[derive(Debug)]
pub struct Fitter {
    params: Params,
    moments: Moments,
    sample: Vec<f32>,
    sample_weights: Vec<f32>,
    /// Decides which rows enter the sample.
    stream: ChaCha8Rng,
    dim: usize,
}

impl Fitter {
    /// A fitter for rows of `dim` coordinates.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]. Memory is proportional to `dim²`, plus the sample of 4096 rows.
    pub fn new(dim: usize, params: &Params) -> Result<Self> {
        Ok(Self {
            params: params.clone(),
            moments: Moments::new(dim)?,
            sample: try_reserve(RESERVOIR * dim, "the sample of rows")?,
            sample_weights: try_reserve(RESERVOIR, "the sample of rows")?,
            stream: seed::stream(params.settings().seed, Purpose::Sample),
            dim,
        })
    }

    /// Adds finite rows `[weights.len(), dim]` with finite weights that are not negative. They are not
    /// checked: a NaN would make [`Fitter::finish`] fail.
    pub fn add(&mut self, rows: &[f32], weights: &[f32]) {
        let before = self.moments.rows();
        self.moments.add(rows, weights);
        for (seen, (row, &weight)) in (before..).zip(rows.chunks_exact(self.dim).zip(weights)) {
            if self.sample_weights.len() < RESERVOIR {
                self.sample.extend_from_slice(row);
                self.sample_weights.push(weight);
            } else {
                // Reservoir sampling: row `seen` takes a slot drawn from `0 ..= seen`, if there is such a
                // slot. The product draws without a division, and its bias is below 2^-32.
                let slot = ((u128::from(self.stream.next_u64()) * u128::from(seen + 1)) >> 64) as usize;
                if slot < RESERVOIR {
                    self.sample[slot * self.dim..(slot + 1) * self.dim].copy_from_slice(row);
                    self.sample_weights[slot] = weight;
                }
            }
        }
    }

    /// The skeleton of the rows added so far, at least one of which must have a weight. More may be added
    /// afterwards, and this called again.
    ///
    /// # Errors
    /// [`Error::BadShape`] if no row has a weight, [`Error::NotConverged`], [`Error::OutOfMemory`].
    pub fn finish(&self) -> Result<(Skeleton, FitReport)> {
        self.finish_under(None)
    }

    /// [`Fitter::finish`] with a transform that follows a query metric, if there are roots of one. Only
    /// preset rdo can use such a skeleton.
    ///
    /// # Errors
    /// Those of [`Fitter::finish`].
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
        let context = FitContext {
            sample: &self.sample,
            weights: &self.sample_weights,
            params: &self.params,
            // Shared by all blocks, so a row's share of the centres is next to nothing.
            centre_bits: 0.0,
            metric: roots.is_some(),
        };
        let (skeleton, report) = context.finish(&axes)?;
        Ok((skeleton.seal()?, FitReport { rows: self.moments.rows(), ..report }))
    }
}
