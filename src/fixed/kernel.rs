//! One row through the kernel and back.
//!
//! ```text
//! x ──T(x−μ)──► y ──− t·c──► r ──H D──► z ──Lloyd–Max──► symbols, scale (, centre, reach)
//! ```
//!
//! `T` is the transform of the skeleton and `μ` its mean, `c` the nearest centre and `t` the row's reach
//! along it, `H D` the rotation. Without a skeleton the first two stages do nothing.
//!
//! With bits that differ by component there is no rotation, and the scale is that of least squares for every
//! distortion except LInf.
//!
//! Rows whose values come near the limits of binary32 are worked on in units of a power of two, which changes
//! no bit of the result but keeps squares and sums in range. In units of 1 the square of 1e20 would be
//! infinite, that of 1e-25 would be 0.

use super::grid::Grid;
use super::rotation::Rotation;
use super::scale;
use crate::distortion::{Distortion, MSE, NormMode, RowError};
use crate::error::{Result, try_vec};
use crate::format::RowCode;
use crate::skeleton::frame::{Frame, unit_of};
use crate::skeleton::nearest_centre;
use crate::vector::sums::{dot_on, peak, square_of_difference};
use crate::vector::tier::on_tier;
use fearless_simd::Simd;

/// The stages that all rows of a block share. It borrows everything, so it is made anew for each block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel<'a> {
    pub frame: Frame<'a>,
    pub rotation: &'a Rotation,
    pub grid: &'a Grid,
}

/// Buffers for one row, `[dim]` each, since a rank is at most that.
#[derive(Debug)]
pub(crate) struct RowScratch {
    /// The row less the mean, or other scratch for a row, `[dim]`.
    pub deviation: Vec<f32>,
    /// Coefficients, then the rotated residual, which is what is quantised, `[rank]`.
    pub z: Vec<f32>,
    /// Reconstruction points, `[rank]`.
    pub q: Vec<f32>,
    /// Symbols of the row, `[rank]`.
    pub symbols: Vec<u8>,
    /// Symbols of a scale that is being tried, while `symbols` has the best so far, `[rank]`.
    trial: Vec<u8>,
    /// Coefficients in units of their deviations, `[rank]`.
    white: Vec<f32>,
    /// A decoded row, `[dim]`.
    pub back: Vec<f32>,
}

/// A row among the packed symbols of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedRow<'a> {
    pub code: RowCode,
    /// The symbols of all rows of the block.
    pub stream: &'a [u8],
    /// Which row of the stream it is.
    pub index: usize,
}

impl RowScratch {
    /// Buffers for rows of up to `dim` coordinates.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
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

/// Scales that `NormMode::Search` tries besides that of least squares, in sixteenths of an octave above the
/// root mean square: from 0.71 to 2.8 times. Fewer bits want a larger one: with 1 bit, half the largest
/// value. Each costs a quantisation and a whole decoding of the row, and that is most of the time that LInf
/// takes.
const SCALE_TRIALS: std::ops::RangeInclusive<i32> = -8..=24;

impl Kernel<'_> {
    /// Turns the finite row `x` into what is to be quantised, `scratch.z[..rank]`. Returns the power of two
    /// in whose units it is, and a code with the centre that was subtracted.
    #[inline(never)]
    fn analyse<S: Simd>(&self, simd: S, x: &[f32], scratch: &mut RowScratch) -> (f32, RowCode) {
        on_tier!(simd, self.analyse_here(simd, x, scratch))
    }

    #[inline(always)]
    fn analyse_here<S: Simd>(&self, simd: S, x: &[f32], scratch: &mut RowScratch) -> (f32, RowCode) {
        let unit = unit_of(peak(x).max(self.frame.skeleton.peak()));
        let z = &mut scratch.z[..self.frame.skeleton.rank()];
        self.frame.skeleton.project(simd, x, 1.0 / unit, &mut scratch.deviation, z);
        let mut code = RowCode::default();
        if let Some((centre, t)) = nearest_centre(z, self.frame.skeleton.centres()) {
            code.centre = centre as u8;
            code.reach = self.frame.skeleton.reach().encode(t * unit);
            // The reach as the decoder will have it, so that its rounding is part of what is quantised.
            let t = self.frame.skeleton.reach().decode(code.reach) / unit;
            for (z, &c) in z.iter_mut().zip(self.frame.skeleton.centre(centre)) {
                *z -= t * c;
            }
        }
        self.rotation.forward(simd, z);
        (unit, code)
    }

    /// Encodes the finite row `x`; its symbols are left in `scratch.symbols[..rank]`, its code and what it is
    /// off by are returned.
    ///
    /// The row is quantised at its root mean square, for which the tables are optimal. Then the scale is
    /// replaced by the one that suits the distortion, for the same symbols; quantising again would gain next
    /// to nothing. The error is measured on the decoded row, with the stored scale.
    #[inline(always)]
    pub fn encode<S: Simd, R: Distortion>(
        &self,
        simd: S,
        x: &[f32],
        scratch: &mut RowScratch,
    ) -> (RowCode, RowError) {
        let rank = self.frame.skeleton.rank();
        let (unit, mut code) = self.analyse(simd, x, scratch);
        let z = &mut scratch.z[..rank];
        let zz = dot_on(simd, z, z);
        let rms = self.grid.mean_square(z).sqrt();
        let symbols = &mut scratch.symbols[..rank];
        let white = &mut scratch.white[..rank];
        code.scale = self.quantize(simd, z, rms, unit, white, symbols);
        let q = &mut scratch.q[..rank];
        if code.scale > 0 {
            self.grid.dequantize(simd, symbols, q);
            let (zq, qq) = (dot_on(simd, z, q), dot_on(simd, q, q));
            let scale = if self.grid.is_allocated() { MSE::scale(zz, zq, qq) } else { R::scale(zz, zq, qq) };
            code.scale = scale::encode(scale * unit);
        }
        if self.frame.skeleton.is_identity() && R::NORM_MODE != NormMode::Search && unit == 1.0 {
            // The rotation changes no length, so the error is the same on either side of it. (Not so near the
            // limits of binary32, where decoding clamps to the largest value or rounds to a subnormal one.)
            let off = square_of_difference(simd, z, scale::decode(code.scale).unwrap_or(0.0), q);
            let [energy, squared] = [zz, off].map(f64::from);
            return (code, RowError { energy, squared, absolute: 0.0 });
        }
        self.decode(simd, (code, symbols), [&mut scratch.deviation, &mut scratch.q], &mut scratch.back);
        let mut error = self.frame.measure(simd, R::NORM_MODE, x, &scratch.back, &mut scratch.deviation);
        if R::NORM_MODE == NormMode::Search && rms > 0.0 {
            for step in SCALE_TRIALS {
                let trial = &mut scratch.trial[..rank];
                let scale = self.quantize(simd, z, rms * (step as f32 / 16.0).exp2(), unit, white, trial);
                let other = RowCode { scale, ..code };
                self.decode(
                    simd,
                    (other, trial),
                    [&mut scratch.deviation, &mut scratch.q],
                    &mut scratch.back,
                );
                let off = self.frame.measure(simd, R::NORM_MODE, x, &scratch.back, &mut scratch.deviation);
                if off.absolute < error.absolute {
                    (code, error) = (other, off);
                    symbols.copy_from_slice(trial);
                }
            }
        }
        (code, error)
    }

    /// Quantises `z` on the grid that the stored form of `scale` spans and returns that form. (On the grid of
    /// the exact scale, the rounding of the scale would cost 3 % of the distortion at 8 bits.) If `z` is 0,
    /// or too small for a scale, the stored form is 0, which decodes to exact zeros.
    #[inline(never)]
    fn quantize<S: Simd>(
        &self,
        simd: S,
        z: &[f32],
        scale: f32,
        unit: f32,
        white: &mut [f32],
        symbols: &mut [u8],
    ) -> u16 {
        let code = scale::encode(scale * unit);
        let grid = scale::decode(code).unwrap_or(0.0) / unit;
        if grid > 0.0 {
            on_tier!(simd, self.grid.quantize(z, 1.0 / grid, white, symbols));
        } else {
            symbols.fill(0);
        }
        code
    }

    /// Decodes a row into `x`. Codes come from [`Kernel::encode`] or have been checked when a block was
    /// parsed; `spare` and `q` are scratch for a row.
    #[inline(never)]
    pub fn decode<S: Simd>(
        &self,
        simd: S,
        (code, symbols): (RowCode, &[u8]),
        [spare, q]: [&mut [f32]; 2],
        x: &mut [f32],
    ) {
        on_tier!(simd, {
            if code.scale > 0 {
                self.grid.dequantize(simd, symbols, &mut spare[..self.frame.skeleton.rank()]);
            }
            self.decode_points(simd, code, [spare, q], x);
        });
    }

    /// The stages of [`Kernel::decode`] after the look-up of the points, which are in `spare`; with a scale
    /// of 0 they are not read.
    #[inline(always)]
    fn decode_points<S: Simd>(&self, simd: S, code: RowCode, [spare, q]: [&mut [f32]; 2], x: &mut [f32]) {
        let rank = self.frame.skeleton.rank();
        let scale = scale::decode(code.scale).unwrap_or(0.0);
        let t = self.frame.skeleton.reach().decode(code.reach);
        let (spare, q) = (&mut spare[..rank], &mut q[..rank]);
        // The rotation is linear, so the scale may follow it: the points are of order 1, and so are all sums.
        let unit = unit_of(scale.max(t.abs()).max(self.frame.skeleton.peak()));
        if scale > 0.0 {
            let is_row = self.frame.skeleton.is_identity() && unit == 1.0;
            self.rotation.inverse(simd, spare, scale / unit, if is_row { &mut *x } else { &mut *q });
            if is_row {
                return;
            }
        } else {
            q.fill(0.0);
        }
        self.frame.synthesise(code, q, unit, x);
    }

    /// Decodes a row straight from the packed symbols of a block, if that can be done; returns whether it
    /// was. `spare` is scratch for a row.
    ///
    /// It can for turbo with 4 bits, the default, and rows of 128, 256, 512, … coordinates of usual size: the
    /// levels are looked up in registers and transformed there, which saves writing and reading symbols and
    /// points. The operations on each value are those of [`Kernel::decode`], so the bits are the same.
    #[inline(always)]
    pub fn decode_packed<S: Simd>(
        &self,
        simd: S,
        packed: PackedRow<'_>,
        spare: &mut [f32],
        x: &mut [f32],
    ) -> bool {
        let PackedRow { code, stream, index } = packed;
        let scale = scale::decode(code.scale).unwrap_or(0.0);
        let usual = scale > 0.0 && self.frame.skeleton.is_identity() && unit_of(scale) == 1.0;
        if !usual || !self.rotation.is_chunked() {
            return false;
        }
        let Some(values) = self.grid.nibbles(stream, index, x.len()) else { return false };
        self.rotation.inverse_of(simd, values, scale, spare, x);
        true
    }
}
