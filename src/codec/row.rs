//! One row through the kernel and back.
//!
//! ```text
//! x ──T(x−μ)──► y ──− t·c──► r ──H D──► z ──Lloyd–Max──► symbols, scale (, centre, reach)
//! ```
//!
//! With bits that differ by component there is no rotation, and the scale is that of least squares for every
//! distortion but LInf.
//!
//! Rows whose values come near the limits of binary32 are worked on in units of a power of two, which changes
//! no bit of the result but keeps squares and sums in range.

use crate::distortion::{Distortion, MSE, NormMode};
use crate::error::{Error, Result, try_vec};
use crate::kmeans;
use crate::quantize::Grid;
use crate::rotation::Rotation;
use crate::scale;
use crate::skeleton::Skeleton;
use crate::sums::{dot, dot_on, square_of_difference};
use fearless_simd::Simd;

/// The stages that all rows of a block share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel<'a> {
    pub skeleton: &'a Skeleton,
    pub rotation: &'a Rotation,
    /// What coefficients are quantised with at a fixed rate.
    pub grid: &'a Grid,
    /// Units of the tensors per unit of the row, per coordinate: the inverse gains.
    pub units: &'a [f32],
    /// The coordinate that a rotary embedding turns each one with; itself where none does.
    pub partners: &'a [u16],
}

/// What is stored of a row beside its symbols.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowCode {
    /// [`scale`] code.
    pub scale: u16,
    /// [`crate::skeleton::Reach`] code.
    pub reach: u8,
    /// Index of the centre.
    pub centre: u8,
}

/// What the encoder measured on a row, by decoding it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowError {
    /// `‖x‖²`.
    pub energy: f64,
    /// `‖x − x̂‖²`; both under the query metric if there is one.
    pub squared: f64,
    /// `max |x − x̂|` in units of the tensors, whatever the positions: of a pair that a rotary embedding turns,
    /// the length of its error. Only measured where it is minimised.
    pub absolute: f64,
}

/// Buffers for one row.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// `[dim]`
    pub deviation: Vec<f32>,
    /// Coefficients, then the rotated residual, `[rank]`.
    pub z: Vec<f32>,
    /// Reconstruction points, `[rank]`.
    pub q: Vec<f32>,
    /// Symbols of the row, `[rank]`.
    pub symbols: Vec<u8>,
    /// Symbols of a scale that is being tried, `[rank]`.
    trial: Vec<u8>,
    /// Coefficients in units of their deviations, `[rank]`.
    white: Vec<f32>,
    /// A decoded row, `[dim]`.
    pub back: Vec<f32>,
}

impl Scratch {
    pub fn new(dim: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let floats = || try_vec(dim, 0.0_f32, WHAT);
        Ok(Self {
            deviation: floats()?,
            z: floats()?,
            q: floats()?,
            symbols: try_vec(dim, 0, WHAT)?,
            trial: try_vec(dim, 0, WHAT)?,
            white: floats()?,
            back: floats()?,
        })
    }

    /// Bytes of the buffers.
    pub fn bytes(dim: usize) -> usize {
        dim * (5 * size_of::<f32>() + 2)
    }
}

/// Largest magnitude in a row; not finite where any value is not. (The order of magnitudes is the order of
/// their bits, and integers have a maximum that vectorises.)
#[inline(always)]
pub(super) fn peak(row: &[f32]) -> f32 {
    f32::from_bits(row.iter().fold(0, |peak, x| peak.max(x.to_bits() & 0x7FFF_FFFF)))
}

/// The power of two in whose units values up to `peak` are worked on: 1 for all but extreme ones.
#[inline(always)]
pub(crate) fn unit_of(peak: f32) -> f32 {
    const USUAL: std::ops::RangeInclusive<f32> = 1e-15..=1e15;
    if peak == 0.0 || USUAL.contains(&peak) {
        return 1.0;
    }
    // Between 2^-126 and 2^126, so that the unit and its inverse are both normal numbers.
    let exponent = ((peak.to_bits() >> 23) & 0xFF).clamp(1, 253);
    f32::from_bits(exponent << 23)
}

/// Scales that `NormMode::Search` tries beside that of least squares, in sixteenths of an octave above the root mean square. Fewer bits want
/// a larger one: with 1 bit, half the largest value.
const SEARCH: std::ops::RangeInclusive<i32> = -8..=24;

impl Kernel<'_> {
    /// Turns the finite row `x` into what is to be quantised, `scratch.z[..rank]`, in units of the power of two
    /// that is returned; with it comes the centre that was subtracted.
    #[inline(always)]
    pub fn analyse<S: Simd>(&self, simd: S, x: &[f32], scratch: &mut Scratch) -> (f32, RowCode) {
        let unit = unit_of(peak(x).max(self.skeleton.peak()));
        let z = &mut scratch.z[..self.skeleton.rank()];
        self.skeleton.project(simd, x, 1.0 / unit, &mut scratch.deviation, z);
        let mut code = RowCode::default();
        if let Some((centre, t)) = kmeans::assign(z, self.skeleton.centres()) {
            code.centre = centre as u8;
            code.reach = self.skeleton.reach.encode(t * unit);
            let t = self.skeleton.reach.decode(code.reach) / unit;
            for (z, &c) in z.iter_mut().zip(self.skeleton.centre(centre)) {
                *z -= t * c;
            }
        }
        self.rotation.forward(simd, z);
        (unit, code)
    }

    /// Turns what was quantised, `q` in units of `unit`, back into a row, but for the rotation, which is undone
    /// already.
    #[inline(always)]
    pub fn synthesise(&self, code: RowCode, q: &mut [f32], unit: f32, x: &mut [f32]) {
        let t = self.skeleton.reach.decode(code.reach);
        if t != 0.0 {
            let t = t / unit;
            for (q, &c) in q.iter_mut().zip(self.skeleton.centre(usize::from(code.centre))) {
                *q += t * c;
            }
        }
        self.skeleton.reconstruct(q, unit, x);
    }

    /// Encodes the finite row `x`; its symbols are left in `scratch.symbols[..rank]`.
    #[inline(always)]
    pub fn encode<S: Simd, R: Distortion>(
        &self,
        simd: S,
        x: &[f32],
        scratch: &mut Scratch,
    ) -> (RowCode, RowError) {
        let rank = self.skeleton.rank();
        let (unit, mut code) = self.analyse(simd, x, scratch);
        let z = &mut scratch.z[..rank];
        let zz = dot_on(simd, z, z);
        let rms = self.grid.mean_square(z).sqrt();
        let symbols = &mut scratch.symbols[..rank];
        let white = &mut scratch.white[..rank];
        code.scale = self.quantize(z, rms, unit, white, symbols);
        let q = &mut scratch.q[..rank];
        if code.scale > 0 {
            self.grid.dequantize(simd, symbols, q);
            let (zq, qq) = (dot_on(simd, z, q), dot_on(simd, q, q));
            let scale = if self.grid.is_allocated() { MSE::scale(zz, zq, qq) } else { R::scale(zz, zq, qq) };
            code.scale = scale::encode(scale * unit);
        }
        if self.skeleton.is_identity() && R::NORM_MODE != NormMode::Search && unit == 1.0 {
            // The rotation changes no length, so the error is the same on either side of it. (Not so near the
            // limits of binary32, where decoding clamps to the largest value or rounds to a subnormal one.)
            let off = square_of_difference(simd, z, scale::decode(code.scale).unwrap_or(0.0), q);
            let [energy, squared] = [zz, off].map(f64::from);
            return (code, RowError { energy, squared, absolute: 0.0 });
        }
        self.decode(simd, (code, symbols), [&mut scratch.deviation, &mut scratch.q], &mut scratch.back);
        let mut error = self.measure::<R>(x, &scratch.back, &mut scratch.deviation);
        if R::NORM_MODE == NormMode::Search && rms > 0.0 {
            for step in SEARCH {
                let trial = &mut scratch.trial[..rank];
                let scale = self.quantize(z, rms * (step as f32 / 16.0).exp2(), unit, white, trial);
                let other = RowCode { scale, ..code };
                self.decode(
                    simd,
                    (other, trial),
                    [&mut scratch.deviation, &mut scratch.q],
                    &mut scratch.back,
                );
                let off = self.measure::<R>(x, &scratch.back, &mut scratch.deviation);
                if off.absolute < error.absolute {
                    (code, error) = (other, off);
                    symbols.copy_from_slice(trial);
                }
            }
        }
        (code, error)
    }

    /// Quantises `z` on the grid that the stored form of `scale` spans and returns that form. (On the grid of
    /// the exact scale, the rounding of the scale would cost 3 % of the distortion at 8 bits.) Where nothing
    /// is left to code, scale 0 stands for an exact zero.
    #[inline(always)]
    pub fn quantize(&self, z: &[f32], scale: f32, unit: f32, white: &mut [f32], symbols: &mut [u8]) -> u16 {
        let code = scale::encode(scale * unit);
        let grid = scale::decode(code).unwrap_or(0.0) / unit;
        if grid > 0.0 {
            self.grid.quantize(z, 1.0 / grid, white, symbols);
        } else {
            symbols.fill(0);
        }
        code
    }

    /// Decodes a row into `x`. Codes come from [`Kernel::encode`] or have been checked; `spare` and `q` are scratch.
    #[inline(always)]
    pub fn decode<S: Simd>(
        &self,
        simd: S,
        (code, symbols): (RowCode, &[u8]),
        [spare, q]: [&mut [f32]; 2],
        x: &mut [f32],
    ) {
        if code.scale > 0 {
            self.grid.dequantize(simd, symbols, &mut spare[..self.skeleton.rank()]);
        }
        self.decode_points(simd, code, [spare, q], x);
    }

    /// As [`Kernel::decode`], the points of the symbols being in `spare` already; of a scale of 0 there are none.
    #[inline(always)]
    fn decode_points<S: Simd>(&self, simd: S, code: RowCode, [spare, q]: [&mut [f32]; 2], x: &mut [f32]) {
        let rank = self.skeleton.rank();
        let scale = scale::decode(code.scale).unwrap_or(0.0);
        let t = self.skeleton.reach.decode(code.reach);
        let (spare, q) = (&mut spare[..rank], &mut q[..rank]);
        // The rotation is linear, so the scale may follow it.
        let unit = unit_of(scale.max(t.abs()).max(self.skeleton.peak()));
        if scale > 0.0 {
            if self.skeleton.is_identity() && unit == 1.0 {
                return self.rotation.inverse(simd, spare, scale, x);
            }
            self.rotation.inverse(simd, spare, scale / unit, q);
        } else {
            q.fill(0.0);
        }
        self.synthesise(code, q, unit, x);
    }

    /// Decodes row `row` straight from the packed symbols of a block, where that can be done.
    #[inline(always)]
    pub fn decode_packed<S: Simd>(
        &self,
        simd: S,
        (code, stream, row): (RowCode, &[u8], usize),
        spare: &mut [f32],
        x: &mut [f32],
    ) -> bool {
        let scale = scale::decode(code.scale).unwrap_or(0.0);
        let usual = scale > 0.0 && self.skeleton.is_identity() && unit_of(scale) == 1.0;
        if !usual || !self.rotation.is_chunked() {
            return false;
        }
        let Some(values) = self.grid.nibbles(stream, row, x.len()) else { return false };
        self.rotation.inverse_of(simd, values, scale, spare, x);
        true
    }

    /// What a decoded row is off by, under the query metric if there is one and the distortion is the inner product.
    /// `deviation` is scratch for a row.
    #[inline(always)]
    pub fn measure<R: Distortion>(&self, x: &[f32], back: &[f32], deviation: &mut [f32]) -> RowError {
        let mut sums = [[0.0_f64; 8]; 2];
        for (x, back) in x.chunks(8).zip(back.chunks(8)) {
            for (lane, (&x, &back)) in x.iter().zip(back).enumerate() {
                let (x, off) = (f64::from(x), f64::from(x) - f64::from(back));
                sums[0][lane] += x * x;
                sums[1][lane] += off * off;
            }
        }
        let [mut energy, mut squared] = sums.map(|lanes| lanes.iter().sum());
        if R::NORM_MODE == NormMode::Unbiased && self.skeleton.has_metric() {
            let off = x.iter().zip(back).map(|(x, back)| f64::from(*x) - f64::from(*back));
            energy = self.in_metric(x.iter().map(|x| f64::from(*x)), deviation);
            squared = self.in_metric(off, deviation);
        }
        let absolute = if R::NORM_MODE == NormMode::Search { self.worst(x, back) } else { 0.0 };
        RowError { energy, squared, absolute }
    }

    /// Squared length under the skeleton's metric; `scratch` has room for a row.
    #[inline(always)]
    fn in_metric(&self, values: impl Iterator<Item = f64> + Clone, scratch: &mut [f32]) -> f64 {
        // In units of the largest value, so that squares stay in range.
        let unit = values.clone().fold(0.0, |peak: f64, x| peak.max(x.abs()));
        if unit == 0.0 {
            return 0.0;
        }
        scratch.iter_mut().zip(values).for_each(|(out, x)| *out = (x / unit) as f32);
        let along = |axis: &[f32]| f64::from(dot(axis, scratch)).powi(2);
        let axes = self.skeleton.transform().chunks_exact(self.skeleton.dim());
        axes.map(along).sum::<f64>() * unit * unit
    }

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

/// The first row that is not finite, of rows `[_, dim]`.
pub(crate) fn check_finite(rows: &[f32], dim: usize) -> Result<()> {
    match rows.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(Error::NotFinite { row: at / dim }),
        None => Ok(()),
    }
}

/// Refuses a weight that is not finite or below 0.
pub(crate) fn check_weights(weights: &[f32]) -> Result<()> {
    match weights.iter().position(|&weight| !(weight.is_finite() && weight >= 0.0)) {
        Some(row) => Err(Error::BadWeight { row, got: weights[row] }),
        None => Ok(()),
    }
}
