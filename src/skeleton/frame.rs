//! What both coders do with a skeleton: turn coefficients back into a row, and measure the error of a decoded
//! row.
//!
//! Rows whose values come near the limits of binary32 are divided by a power of two first. That changes no
//! bit of the result, but keeps squares and sums in range.

use super::Skeleton;
use crate::distortion::{NormMode, RowError};
use crate::format::RowCode;
use crate::vector::sums::dot;
use crate::vector::tier::on_tier;
use fearless_simd::Simd;

/// The skeleton of a block, and how its coordinates relate to the tensors. Decoding without measuring needs
/// the skeleton alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub skeleton: &'a Skeleton,
    /// What a unit of each coordinate of a row is in units of the tensors: the inverse gains.
    pub units: &'a [f32],
    /// For each coordinate, the one that a rotary embedding turns it with; itself if none does.
    pub partners: &'a [u16],
}

/// The power of two that values up to `peak` are divided by: 1 for all but extreme ones. Part of the format:
/// it decides which rows decode on the wide path.
#[inline(always)]
pub(crate) fn unit_of(peak: f32) -> f32 {
    // Squares of these, and sums of 4096 of them, are far inside the range of binary32.
    const UNIT_RANGE: std::ops::RangeInclusive<f32> = 1e-15..=1e15;
    if peak == 0.0 || UNIT_RANGE.contains(&peak) {
        return 1.0;
    }
    // Between 2^-126 and 2^126, so that the unit and its inverse are both normal numbers.
    let exponent = ((peak.to_bits() >> 23) & 0xFF).clamp(1, 253);
    f32::from_bits(exponent << 23)
}

impl Frame<'_> {
    /// Turns quantised coefficients, `y` in units of `unit`, back into a row: adds the prediction of the
    /// centre to `y`, then transforms.
    #[inline(always)]
    pub fn synthesise(&self, code: RowCode, y: &mut [f32], unit: f32, x: &mut [f32]) {
        let t = self.skeleton.reach().decode(code.reach);
        if t != 0.0 {
            let t = t / unit;
            for (y, &c) in y.iter_mut().zip(self.skeleton.centre(usize::from(code.centre))) {
                *y += t * c;
            }
        }
        self.skeleton.reconstruct(y, unit, x);
    }

    /// The error of a decoded row. It is under the query metric if there is one and the distortion is the
    /// inner product; the largest error is only found if the distortion minimises it, since it takes longer
    /// than the sums. `deviation` is scratch for a row.
    #[inline(never)]
    pub fn measure<S: Simd>(
        &self,
        simd: S,
        mode: NormMode,
        x: &[f32],
        back: &[f32],
        deviation: &mut [f32],
    ) -> RowError {
        on_tier!(simd, self.measure_here(mode, x, back, deviation))
    }

    #[inline(always)]
    fn measure_here(&self, mode: NormMode, x: &[f32], back: &[f32], deviation: &mut [f32]) -> RowError {
        // Eight sums, because one sum would wait for itself; and binary64, because the header promises a
        // bound.
        let mut sums = [[0.0_f64; 8]; 2];
        for (x, back) in x.chunks(8).zip(back.chunks(8)) {
            for (lane, (&x, &back)) in x.iter().zip(back).enumerate() {
                let (x, off) = (f64::from(x), f64::from(x) - f64::from(back));
                sums[0][lane] += x * x;
                sums[1][lane] += off * off;
            }
        }
        let [mut energy, mut squared] = sums.map(|lanes| lanes.iter().sum());
        if mode == NormMode::Unbiased && self.skeleton.has_metric() {
            let off = x.iter().zip(back).map(|(x, back)| f64::from(*x) - f64::from(*back));
            energy = self.in_metric(x.iter().map(|x| f64::from(*x)), deviation);
            squared = self.in_metric(off, deviation);
        }
        let absolute = if mode == NormMode::Search { self.worst(x, back) } else { 0.0 };
        RowError { energy, squared, absolute }
    }

    /// Squared length of a vector under the skeleton's metric. `scratch` is scratch for a row.
    #[inline(always)]
    fn in_metric(&self, values: impl Iterator<Item = f64> + Clone, scratch: &mut [f32]) -> f64 {
        // Divided by the largest value, so that squares stay in range.
        let unit = values.clone().fold(0.0, |peak: f64, x| peak.max(x.abs()));
        if unit == 0.0 {
            return 0.0;
        }
        scratch.iter_mut().zip(values).for_each(|(out, x)| *out = (x / unit) as f32);
        let along = |axis: &[f32]| f64::from(dot(axis, scratch)).powi(2);
        let axes = self.skeleton.transform().chunks_exact(self.skeleton.dim());
        axes.map(along).sum::<f64>() * unit * unit
    }

    /// The largest error in units of the tensors. For a pair of coordinates that turn together it is the
    /// length of the pair's error, the most that either can be off by at any position.
    #[inline(always)]
    fn worst(&self, x: &[f32], back: &[f32]) -> f64 {
        let off = |i: usize| f64::from(x[i]) - f64::from(back[i]);
        let mut worst = 0.0_f64;
        for (i, (&unit, &partner)) in self.units.iter().zip(self.partners).enumerate() {
            let partner = usize::from(partner);
            let length = if partner == i { off(i).abs() } else { off(i).hypot(off(partner)) };
            worst = worst.max(length * f64::from(unit));
        }
        worst
    }
}
