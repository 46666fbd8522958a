//! Predicts the bits and the error of rows like those that a fit saw.
//!
//! At a fixed rate both follow from variances and the theory of scalar quantisers. At a step the rate model
//! has no such formula, so a part of the sample is quantised and the model asked for its bits.

use super::context::{FitContext, coefficients, nominal_step};
use crate::error::{Result, try_vec};
use crate::fixed::allocation::Allocation;
use crate::fixed::levels::DISTORTION;
use crate::params::{Params, Preset};
use crate::skeleton::{Skeleton, nearest_centre};
use crate::stepped::quantizer::{RowRate, Stepper};
use crate::stepped::trellis::TrellisColumn;
use crate::vector::tier::{best, dispatch};

/// Bits of a row at a fixed rate, and the energy of its error, if `coded` is the energy that is quantised.
/// The 16 bits are the scale of the row.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
pub(super) fn at_fixed_rate(skeleton: &Skeleton, coded: f64, params: &Params) -> Result<(f64, f64)> {
    let settings = params.settings();
    if settings.preset == Preset::Rdo {
        let allocation = Allocation::new(skeleton.variances(), settings.bits)?;
        return Ok((16.0 + allocation.row_bits() as f64, coded * allocation.distortion()));
    }
    let bits = 16.0 + skeleton.rank() as f64 * f64::from(params.bits());
    Ok((bits, coded * DISTORTION[usize::from(params.bits()) - 1]))
}

/// Rows of the sample that are coded to see what a step costs. Their mean is within a few per cent of the
/// mean of all, which is enough for a prediction.
const TRIED: usize = 512;

impl FitContext<'_> {
    /// Bits of a row at a step, and the energy of its error: the means over rows of the sample that are coded
    /// and decoded.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn try_step(&self, skeleton: &Skeleton) -> Result<(f64, f64)> {
        let Self { sample, weights, params, .. } = *self;
        let rank = skeleton.rank();
        // Evenly spaced rows, because neighbours are alike.
        let every = weights.len().div_ceil(TRIED).max(1);
        let (mut rows, shrink) = coefficients(skeleton, sample, every)?;
        for z in rows.chunks_exact_mut(rank) {
            if let Some((index, t)) = nearest_centre(z, skeleton.centres()) {
                let t = skeleton.reach().decode(skeleton.reach().encode(t / shrink)) * shrink;
                z.iter_mut().zip(skeleton.centre(index)).for_each(|(z, c)| *z -= t * c);
            }
        }
        let stepper = Stepper::new(skeleton.variances(), params.settings())?;
        let step = nominal_step(skeleton, params);
        code_rows(&stepper, step, &rows, weights.iter().step_by(every), 1.0 / shrink)
    }
}

/// Mean bits of rows of coefficients in units of `unit`, and weighted mean energy of their errors. Errors are
/// those of the coefficients, which are errors of rows, or under the metric if there is one.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
fn code_rows<'a>(
    stepper: &Stepper,
    step: f32,
    rows: &[f32],
    weights: impl Iterator<Item = &'a f32>,
    unit: f32,
) -> Result<(f64, f64)> {
    const WHAT: &str = "the trial of a step";
    let (quantizer, rank) = (stepper.with_step(step), stepper.rank());
    let floats = || try_vec(rank, 0.0_f32, WHAT);
    let (mut whiten, mut scratch, mut back) = (floats()?, floats()?, floats()?);
    let (mut values, mut stages) = (try_vec(rank, 0, WHAT)?, try_vec(rank, TrellisColumn::default(), WHAT)?);
    let (mut bins, mut points) = (try_vec(rank, 0, WHAT)?, try_vec(rank, 0, WHAT)?);
    stepper.whiten(step, &mut whiten);
    let level = best();
    let (mut bits, mut squared, mut count, mut total) = (0.0, 0.0, 0.0_f64, 0.0_f64);
    for (z, &weight) in rows.chunks_exact(rank).zip(weights) {
        let row_level = dispatch!(level, simd => quantizer.level(simd, z, unit, &whiten, &mut scratch));
        let row = RowRate { level: row_level, shift: 0 };
        // A row whose values are too large to be coded is stored raw: at most 32 bits per value, and no
        // error.
        if quantizer.quantize(z, unit, row, &mut values, &mut stages).is_some() {
            quantizer.bin_codes(row, &mut bins);
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
    // The 4 bits are the level of the row.
    Ok((4.0 + bits / count.max(1.0), if total > 0.0 { squared / total } else { 0.0 }))
}
