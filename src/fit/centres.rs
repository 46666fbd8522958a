//! Decides whether centres pay: K-means is tried on a sample of the rows, and its centres are kept if they
//! save more bits than they cost.
//!
//! Centres help if rows fall into clusters that a Gaussian around one mean does not describe. Many streams
//! have none, and then a centre would cost a byte and an index per row for nothing.

use super::context::{FitContext, coefficients, finite, nominal_step};
use super::kmeans;
use crate::error::{Result, try_reserve, try_vec};
use crate::fixed::allocation::Allocation;
use crate::format::sections::index_bits;
use crate::params::{Params, Preset, RateControl};
use crate::skeleton::{Skeleton, nearest_centre};
use crate::stepped::rate::expected_bits;
use crate::vector::sums::dot;
use half::f16;

impl FitContext<'_> {
    /// Fits centres and keeps them if they save more bits per row than they cost: an index, 8 bits of reach,
    /// and the row's share of the centres themselves. At a fixed rate they save `rank/2·log₂` of the energy
    /// ratio; at a step, what the rate model saves on the variances of the components, which become those of
    /// the remainders. Returns the share of the sample's energy that remains for the quantiser; 1 if no
    /// centre was kept.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn try_centres(&self, skeleton: &mut Skeleton) -> Result<f64> {
        let Self { sample, weights, params, centre_bits, .. } = *self;
        let rank = skeleton.rank();
        let settings = params.settings();
        if settings.kmeans_k == 0 || rank == 0 {
            return Ok(1.0);
        }
        let (rows, shrink) = coefficients(skeleton, sample, 1)?;
        let k = settings.kmeans_k as usize;
        let mut centres = kmeans::fit(&rows, weights, rank, k, settings.kmeans_iters, settings.seed)?;
        // Rounded before they are judged, because the rounded centres are the ones that get stored.
        centres.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());

        let (mut energy, mut left, mut reach, mut total) = (0.0, 0.0, 0.0_f32, 0.0);
        let mut after = try_vec(rank, 0.0_f64, "the variances of the sample")?;
        for (y, &weight) in rows.chunks_exact(rank).zip(weights) {
            let Some((index, t)) = nearest_centre(y, &centres) else { return Ok(1.0) };
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
        // K-means may have found fewer centres than it was asked for.
        let n_centres = centres.len() / rank;
        let scale = 1.0 / (total * f64::from(shrink).powi(2));
        after.iter_mut().for_each(|variance| *variance *= scale);
        let rdo = settings.preset == Preset::Rdo;
        let saved =
            saved_bits(skeleton.variances(), &after, left / energy, nominal_step(skeleton, params), params)?;
        let cost = 8.0 + f64::from(index_bits(n_centres)) + centre_bits * centres.len() as f64;
        // A NaN, from rows without energy, keeps nothing.
        if saved > cost {
            skeleton.set_centres(&centres, (reach / shrink).min(f32::MAX));
            // The tables at a step, and the bits at a fixed rate, follow the variances of what is quantised.
            if rdo {
                skeleton.set_variances(after.iter().map(|&variance| finite(variance)));
            }
            return Ok(left / energy);
        }
        Ok(1.0)
    }
}

/// Bits that centres save per row. They lower the variances of the components from `before` to `after`, and
/// the energy to the share `left`, which is all that counts if every component gets the same number of bits.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
fn saved_bits(before: &[f32], after: &[f64], left: f64, step: f32, params: &Params) -> Result<f64> {
    let settings = params.settings();
    if settings.preset != Preset::Rdo {
        return Ok(-0.5 * before.len() as f64 * left.log2());
    }
    if settings.rate_control == RateControl::Bits {
        // The bits stay the same and the distortion falls. To lower it by an octave with bits instead, each
        // component that has any would take half a bit more.
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
