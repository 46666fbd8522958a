//! Rows that need no skeleton, several at a time: stage by stage, so that while one row's sum makes its way through the
//! processor, those of the others do too. What comes out is what [`Kernel::encode`] gives, row by row.

use super::row::{Kernel, RowCode, RowError};
use crate::distortion::{Distortion, NormMode};
use crate::error::{Result, try_vec};
use crate::scale;
use crate::sums::{dot_on, square_of_difference};
use fearless_simd::Simd;

/// Rows of a group.
pub(super) const GROUP: usize = 8;

/// Buffers for the rows of a group.
#[derive(Debug)]
pub(super) struct Group {
    /// Rows as they were read, then what is to be quantised, `[GROUP, dim]`.
    values: Vec<f32>,
    /// Reconstruction points, `[GROUP, dim]`.
    points: Vec<f32>,
    /// `[GROUP, dim]`
    symbols: Vec<u8>,
    /// Room for the symbols, packed.
    packed: Vec<u8>,
}

impl Group {
    pub fn new(dim: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        Ok(Self {
            values: try_vec(GROUP * dim, 0.0, WHAT)?,
            points: try_vec(GROUP * dim, 0.0, WHAT)?,
            symbols: try_vec(GROUP * dim, 0, WHAT)?,
            packed: try_vec(GROUP * dim + 8, 0, WHAT)?,
        })
    }

    /// Bytes of the buffers.
    pub fn bytes(dim: usize) -> usize {
        GROUP * dim * (2 * size_of::<f32>() + 2) + 8
    }

    /// Row `r`, of `dim` values.
    #[inline(always)]
    pub fn row(&mut self, r: usize, dim: usize) -> &mut [f32] {
        &mut self.values[r * dim..][..dim]
    }

    /// The symbols of the first `count` rows, and room for them, packed.
    #[inline(always)]
    pub fn finished(&mut self, count: usize, dim: usize) -> (&[u8], &mut [u8]) {
        (&self.symbols[..count * dim], &mut self.packed)
    }

    /// Symbols of row `r`.
    #[inline(always)]
    pub fn symbols(&mut self, r: usize, dim: usize) -> &mut [u8] {
        &mut self.symbols[r * dim..][..dim]
    }
}

/// Whether rows of a distortion may be encoded in groups: nothing is searched for, and there is no skeleton.
#[inline(always)]
pub(super) fn applies<R: Distortion>(kernel: &Kernel<'_>) -> bool {
    kernel.skeleton.is_identity() && !kernel.grid.is_allocated() && R::NORM_MODE != NormMode::Search
}

/// Encodes the `chosen` rows of `group`. Those that need a closer look, since they are not finite or may not be worked on in units
/// of 1, are left out and no longer chosen.
#[inline(always)]
pub(super) fn encode<S: Simd, R: Distortion>(
    kernel: &Kernel<'_>,
    simd: S,
    group: &mut Group,
    chosen: &mut [bool; GROUP],
    codes: &mut [(RowCode, RowError); GROUP],
) {
    let dim = kernel.skeleton.dim();
    let Group { values, points, symbols, .. } = group;
    let (mut zz, mut zq, mut qq) = ([0.0_f32; GROUP], [0.0_f32; GROUP], [0.0_f32; GROUP]);
    for r in (0..GROUP).filter(|&r| chosen[r]) {
        kernel.rotation.forward(simd, &mut values[r * dim..][..dim]);
    }
    for (r, chosen) in chosen.iter_mut().enumerate().filter(|(_, chosen)| **chosen) {
        let z = &values[r * dim..][..dim];
        zz[r] = dot_on(simd, z, z);
        *chosen = USUAL.contains(&zz[r]);
    }
    let chosen = || (0..GROUP).filter(|&r| chosen[r]);
    for r in chosen() {
        let (z, q) = (&values[r * dim..][..dim], &mut points[r * dim..][..dim]);
        let symbols = &mut symbols[r * dim..][..dim];
        let code = scale::encode((zz[r] / dim as f32).sqrt());
        codes[r].0.scale = code;
        match scale::decode(code) {
            Some(scale) if scale > 0.0 => {
                (zq[r], qq[r]) = kernel.grid.quantize_measured(simd, z, 1.0 / scale, symbols, q);
            }
            _ => symbols.fill(0),
        }
    }
    for r in chosen() {
        let (code, error) = &mut codes[r];
        if code.scale > 0 {
            code.scale = scale::encode(R::scale(zz[r], zq[r], qq[r]));
        }
        let scale = scale::decode(code.scale).unwrap_or(0.0);
        // The rotation changes no length, so the error is the same on either side of it.
        let [energy, product, points_energy, factor] = [zz[r], zq[r], qq[r], scale].map(f64::from);
        let mut squared = energy - factor * (2.0 * product - factor * points_energy);
        if squared < CANCELS * energy {
            let (z, q) = (&values[r * dim..][..dim], &mut points[r * dim..][..dim]);
            kernel.grid.dequantize(simd, &symbols[r * dim..][..dim], q);
            squared = f64::from(square_of_difference(simd, z, scale, q));
        }
        *error = RowError { energy, squared, absolute: 0.0 };
    }
}

/// Below this share of a row's energy, its error is not what is left of sums that nearly cancel.
const CANCELS: f64 = 1e-3;

/// Energies of rows that are finite and worked on in units of 1: no value is above 1e15, and one is above 1e-15, however many
/// there are.
const USUAL: std::ops::Range<f32> = 1e-25..1e29;
