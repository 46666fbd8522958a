//! The quantiser at a step, and what the rate model has to know about a row.
//!
//! Coefficient `j` of row `i` is quantised with step `Δᵢ` to `v = sign(y)·⌊|y|/Δᵢ + ½ − θ⌋` and comes back as
//! `(v + offset)·Δᵢ`, with an offset in `[0, 2θ]` away from zero, a whole number of 64ths, that follows from
//! the tables. So `|y − ŷ| ≤ Δᵢ(½ + θ)`, or 0.625 steps. With effort 1 a trellis chooses the values, see
//! [`super::trellis`], and `|y − ŷ| ≤ Δᵢ`. (That is this quantiser alone. A coefficient of a decoded row is
//! off by up to 0.04 steps more, since the transform rounds to integers both ways: 0.665 and 1.04, which
//! `tests/rdo_bounds.rs` holds the codec to.) `Δᵢ = Δ·2^(sᵢ/4)`; `sᵢ` is 0 unless the rows have weights.
//!
//! What the decoder adds to a value is not a fixed half of the dead zone, because values are not spread
//! evenly within a step: small ones crowd towards zero. The tables have an offset per bin and magnitude.

use super::rans::{Decoder, Encoder, LANES};
use super::rate::{Bin, LARGEST, Model, POINTS, log2_eighths, trellis_point};
use super::trellis::{self, TrellisColumn, TrellisState};
use crate::error::{Result, try_reserve};
use crate::format::block::WIDEST_STEP;
use crate::params::Settings;
use crate::vector::sums::dot_on;
use fearless_simd::Simd;

/// Dead zone: how far, in steps, values are rounded towards zero. At low rate most of the bits go to values
/// of ±1, and those just above half a step save less error than they cost bits. An eighth keeps the bound on
/// the error at 0.625 steps.
pub(crate) const THETA: f32 = 0.125;

/// The rate of a row as stored in the block: together with the tables it fixes the bin of every component.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowRate {
    /// Energy of the row relative to the skeleton's variances, in quarter octaves of its root, plus 8: 0 to
    /// 15. It selects tables and offsets and scales nothing: a level that fits badly costs bits, not range.
    pub level: u8,
    /// Quarter octaves by which the row's step exceeds the block's.
    pub shift: i8,
}

/// The rate model and the deviations of the components, which all blocks of a codec share.
#[derive(Debug)]
pub(crate) struct Stepper {
    model: Model,
    trellis: bool,
    /// `8·log₂ σ` of each component, rounded: bins follow from integers, so every machine finds the same
    /// ones.
    eighths: Vec<i32>,
    /// `σ²` of each component, for what the encoder alone decides.
    variances: Vec<f32>,
}

impl Stepper {
    /// A stepper for components of the given variances, in the units of the rows.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn new(of_components: &[f32], settings: &Settings) -> Result<Self> {
        let mut eighths = try_reserve(of_components.len(), "the codec")?;
        eighths.extend(of_components.iter().map(|variance| log2_eighths(variance.sqrt())));
        let mut variances = try_reserve(of_components.len(), "the codec")?;
        variances.extend_from_slice(of_components);
        let trellis = settings.effort > 0;
        Ok(Self { model: Model::new(trellis)?, trellis, eighths, variances })
    }

    /// Whether a trellis chooses the values.
    pub fn has_trellis(&self) -> bool {
        self.trellis
    }

    /// Number of components.
    pub fn rank(&self) -> usize {
        self.variances.len()
    }

    /// The quantiser of a block with this step, which is positive and normal.
    pub fn with_step(&self, step: f32) -> BlockStep<'_> {
        BlockStep { stepper: self, step, eighths: log2_eighths(step) }
    }

    /// `1/√(σ² + Δ²/12)` of each component, scaled so that the gain of a row with the skeleton's variances
    /// is 1. Levels are measured with these factors. Components far below the noise of the quantiser, `Δ²/12`,
    /// count little: they become zeros whatever the level, so their energy should not move it.
    pub fn whiten(&self, step: f32, whiten: &mut [f32]) {
        let noise = f64::from(step).powi(2) / 12.0;
        let expected = |&variance: &f32| f64::from(variance) / (f64::from(variance) + noise);
        let mean = self.variances.iter().map(expected).sum::<f64>() / self.variances.len() as f64;
        let scale = 1.0 / mean.max(1e-30).sqrt();
        for (whiten, variance) in whiten.iter_mut().zip(&self.variances) {
            *whiten = (scale / (f64::from(*variance) + noise).sqrt()) as f32;
        }
    }

    /// A step below which nothing is gained: rounding the basis to 16 bits loses about 1e-7 of a row's
    /// energy, and this step loses less than a tenth of that (`Δ²/12` with `Δ` a 4096th of the root mean
    /// square). The search for a size starts here.
    pub fn finest(&self) -> f32 {
        let mean = self.variances.iter().map(|&variance| f64::from(variance)).sum::<f64>()
            / self.variances.len() as f64;
        ((mean.sqrt() / 4096.0) as f32).clamp(1e-30, 1e30)
    }
}

/// The quantiser and the rate model at the step of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockStep<'a> {
    stepper: &'a Stepper,
    step: f32,
    /// `8·log₂ Δ`.
    eighths: i32,
}

impl BlockStep<'_> {
    /// The rate model.
    #[inline(always)]
    pub fn model(&self) -> &Model {
        &self.stepper.model
    }

    /// Whether a trellis chooses the values.
    #[inline(always)]
    pub fn has_trellis(&self) -> bool {
        self.stepper.trellis
    }

    /// The step of a row. It is part of the format: a decoder multiplies in this order, see `docs/FORMAT.md`.
    #[inline(always)]
    pub fn step_of(&self, row: RowRate) -> f32 {
        /// `2^(i/4)`.
        const QUARTERS: [f32; 4] = [1.0, 1.189_207_1, std::f32::consts::SQRT_2, 1.681_792_9];
        // Whole octaves go into the exponent, which is exact; the shift is at most 16 quarters either way.
        let octaves = i32::from(row.shift) >> 2;
        self.step * QUARTERS[(row.shift & 3) as usize] * f32::from_bits(((127 + octaves) as u32) << 23)
    }

    /// The bin of component `j` in a row.
    #[inline(always)]
    pub fn bin(&self, j: usize, row: RowRate) -> Bin {
        Bin::of(self.stepper.eighths[j] - self.eighths + Self::change(row))
    }

    /// Eighths of an octave by which a row's level and shift move its bins.
    #[inline(always)]
    fn change(row: RowRate) -> i32 {
        2 * (i32::from(row.level) - 8) - 2 * i32::from(row.shift)
    }

    /// The level of coefficients `z`, in units of `unit`: the root of their mean whitened energy, in quarter
    /// octaves from two octaves below 1 to 1¾ above. `scratch` is at least as long as `z`.
    #[inline(always)]
    pub fn level<S: Simd>(&self, simd: S, z: &[f32], unit: f32, whiten: &[f32], scratch: &mut [f32]) -> u8 {
        for ((out, z), whiten) in scratch.iter_mut().zip(z).zip(whiten) {
            *out = z * (unit * whiten);
        }
        let scratch = &scratch[..z.len()];
        let mean = dot_on(simd, scratch, scratch) / z.len() as f32;
        // Half the logarithm of the mean square, in quarter octaves. An overflow is a large gain.
        ((2.0 * mean.max(1e-30).log2()).round().clamp(-8.0, 7.0) + 8.0) as u8
    }

    /// Quantises `z`, in units of `unit`; `None` if a value is too large to be coded, and then `values` are
    /// arbitrary. `stages` is scratch of the same length with a trellis, else empty.
    #[inline(always)]
    pub fn quantize(
        &self,
        z: &[f32],
        unit: f32,
        row: RowRate,
        values: &mut [i32],
        stages: &mut [TrellisColumn],
    ) -> Option<()> {
        let inverse = unit / self.step_of(row);
        let mut largest = 0;
        for (value, z) in values.iter_mut().zip(z) {
            // A cast saturates, so infinite and huge products are found by the check below.
            let size = (z.abs() * inverse + (0.5 - THETA)) as i32;
            largest = largest.max(size);
            *value = if *z < 0.0 { -size } else { size };
        }
        // A trellis may choose the point one further out.
        if largest > LARGEST - i32::from(self.has_trellis()) {
            return None;
        }
        if self.has_trellis() {
            trellis::search(z, inverse, self.model(), |j| self.bin(j, row), values, stages);
        }
        Some(())
    }

    /// Bits that the values of a row cost according to the rate model. The range coder comes within 0.2 %.
    pub fn bits(&self, values: &[i32], row: RowRate) -> f64 {
        let mut walk = TrellisState::default();
        let mut sum = 0.0;
        for (j, &value) in values.iter().enumerate() {
            let set = if self.has_trellis() { walk.quantizer() } else { 0 };
            sum += f64::from(self.model().cost(set, self.bin(j, row), value));
            walk.advance(value);
        }
        sum
    }

    /// [`Bin::code`] of every component in a row. One addition and one clamp each, so it vectorises.
    #[inline(always)]
    pub fn bin_codes(&self, row: RowRate, codes: &mut [u16]) {
        let change = Self::change(row) - self.eighths;
        for (code, eighths) in codes.iter_mut().zip(&self.stepper.eighths) {
            *code = Bin::code(eighths + change);
        }
    }

    /// Decodes the reconstruction points of a row whose bins have these codes, all of `points`.
    ///
    /// Without a trellis eight components are decoded at once as long as they take one look into the tables
    /// each; a group with an escape or with low bits is decoded one by one. With a trellis the quantiser of a
    /// value depends on the value before it, so there is no such shortcut.
    #[inline(always)]
    pub fn take_row(&self, decoder: &mut Decoder<'_>, codes: &[u16], points: &mut [i32]) {
        let model = self.model();
        if self.has_trellis() {
            let mut walk = TrellisState::default();
            for (j, (point, &code)) in points.iter_mut().zip(codes).enumerate() {
                let value = model.take_value(decoder, j % LANES, walk.quantizer(), Bin::from_code(code));
                *point = trellis_point(walk.quantizer(), value);
                walk.advance(value);
            }
            return;
        }
        let one = |decoder: &mut Decoder<'_>, lane: usize, code: u16| {
            let bin = Bin::from_code(code);
            model.point(bin, model.take_value(decoder, lane, 0, bin))
        };
        let (groups, rest) = points.as_chunks_mut::<LANES>();
        let (codes, last) = codes.as_chunks::<LANES>();
        let mut done = 0;
        while done < groups.len() {
            done += model.take_lanes(decoder, &codes[done..], &mut groups[done..]);
            if let (Some(points), Some(codes)) = (groups.get_mut(done), codes.get(done)) {
                for (lane, (point, &code)) in points.iter_mut().zip(codes).enumerate() {
                    *point = one(decoder, lane, code);
                }
                done += 1;
            }
        }
        for (lane, (point, &code)) in rest.iter_mut().zip(last).enumerate() {
            *point = one(decoder, lane, code);
        }
    }

    /// Encodes the values of a row whose bins have these codes, the last one first; `sets` is scratch of the
    /// same length with a trellis. `None` if the buffer is full.
    #[inline(always)]
    pub fn put_row(
        &self,
        encoder: &mut Encoder<'_>,
        values: &[i32],
        codes: &[u16],
        sets: &mut [u8],
    ) -> Option<()> {
        if self.has_trellis() {
            // Symbols are coded last to first, and which quantiser each had is known first to last.
            let mut walk = TrellisState::default();
            for (set, &value) in sets.iter_mut().zip(values) {
                *set = walk.quantizer() as u8;
                walk.advance(value);
            }
        }
        let model = self.model();
        let one = |encoder: &mut Encoder<'_>, j: usize| {
            // More than any one value can take: its symbol, an escape of 49 bits and 24 low bits.
            if encoder.room() < 32 {
                return None;
            }
            let set = if self.has_trellis() { usize::from(sets[j]) } else { 0 };
            model.put_value(encoder, j % LANES, set, Bin::from_code(codes[j]), values[j]);
            Some(())
        };
        let (groups, rest) = values.as_chunks::<LANES>();
        let whole = values.len() - rest.len();
        (whole..values.len()).rev().try_for_each(|j| one(encoder, j))?;
        for (g, (values, codes)) in groups.iter().zip(codes.as_chunks::<LANES>().0).enumerate().rev() {
            if self.has_trellis() || !model.put_lanes(encoder, codes, values) {
                (LANES * g..LANES * (g + 1)).rev().try_for_each(|j| one(encoder, j))?;
            }
        }
        Some(())
    }

    /// Reconstruction points of `values`, whose bins have these codes, in 1/64 steps: what
    /// [`BlockStep::take_row`] decodes, without coding. The encoder measures its error with them.
    #[inline(always)]
    pub fn points(&self, values: &[i32], codes: &[u16], points: &mut [i32]) {
        if self.has_trellis() {
            let mut walk = TrellisState::default();
            for (point, &value) in points.iter_mut().zip(values) {
                *point = trellis_point(walk.quantizer(), value);
                walk.advance(value);
            }
            return;
        }
        self.model().points(codes, values, points);
    }

    /// The coefficients of reconstruction points, in units of `unit`: only wide rows and predictions need
    /// them.
    #[inline(always)]
    pub fn dequantize(&self, points: &[i32], row: RowRate, unit: f32, z: &mut [f32]) {
        let step = self.step_of(row) / POINTS as f32 / unit;
        for (z, &point) in z.iter_mut().zip(points) {
            *z = point as f32 * step;
        }
    }
}

/// Quarter octaves by which the step of a row of this weight exceeds the block's: `(w/w̄)^(−½)`, with
/// `log_mean = log₂ w̄`. An error of squared size `Δ²` then costs the same in every row when weighted, which
/// is the best division of the bits at high rate. A row of weight 0 gets the coarsest step there is.
pub(crate) fn step_of_weight(weight: f32, log_mean: f64) -> i8 {
    if weight <= 0.0 {
        return WIDEST_STEP as i8;
    }
    let quarters = -2.0 * (f64::from(weight).log2() - log_mean);
    quarters.round().clamp(-f64::from(WIDEST_STEP), f64::from(WIDEST_STEP)) as i8
}

/// `log₂` of the geometric mean of the positive weights; 0 if there are none. The geometric mean keeps the
/// mean of the steps' logarithms where it was, and with it the size of the block, roughly.
pub(crate) fn log_mean(weights: &[f32]) -> f64 {
    let positive = || weights.iter().filter(|&&weight| weight > 0.0);
    let count = positive().count();
    positive().map(|&weight| f64::from(weight).log2()).sum::<f64>() / count.max(1) as f64
}
