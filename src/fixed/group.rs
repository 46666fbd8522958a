//! Rows that need no skeleton, several at a time: stage by stage, so that the reductions of eight rows
//! overlap in the pipeline. An inner product ends in a chain of dependent additions, and the next stage of
//! its row waits for it; meanwhile the processor works on the other rows.
//!
//! The codes are those that [`Kernel::encode`] gives row by row. The error is computed differently, from
//! inner products that are there anyway, unless that would be inaccurate.

use super::kernel::Kernel;
use super::scale;
use crate::distortion::{Distortion, NormMode, RowError};
use crate::error::{Result, try_vec};
use crate::format::RowCode;
use crate::vector::sums::{dot_on, square_of_difference};
use crate::vector::tier::on_tier;
use fearless_simd::Simd;

/// Rows of a group: enough to hide the latency of a sum, and few enough that the buffers stay in the nearest
/// cache (20 KiB for rows of 256). Eight rows of symbols also fill whole bytes at any width, so groups pack
/// fast.
pub(crate) const GROUP_ROWS: usize = 8;

/// Buffers for the rows of a group.
#[derive(Debug)]
pub(crate) struct RowGroup {
    /// Rows as they were read, then what is to be quantised, `[GROUP_ROWS, dim]`.
    values: Vec<f32>,
    /// Reconstruction points, `[GROUP_ROWS, dim]`.
    points: Vec<f32>,
    /// Symbols, `[GROUP_ROWS, dim]`.
    symbols: Vec<u8>,
    /// Room for the symbols, packed: at most a byte for each, and the rest of an unfinished one.
    packed: Vec<u8>,
}

impl RowGroup {
    /// Buffers for rows of `dim` values.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(dim: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        Ok(Self {
            values: try_vec(GROUP_ROWS * dim, 0.0, WHAT)?,
            points: try_vec(GROUP_ROWS * dim, 0.0, WHAT)?,
            symbols: try_vec(GROUP_ROWS * dim, 0, WHAT)?,
            packed: try_vec(GROUP_ROWS * dim + 8, 0, WHAT)?,
        })
    }

    /// Bytes of the buffers.
    pub fn bytes(dim: usize) -> usize {
        GROUP_ROWS * dim * (2 * size_of::<f32>() + 2) + 8
    }

    /// Row `r`, of `dim` values.
    #[inline(always)]
    pub fn row(&mut self, r: usize, dim: usize) -> &mut [f32] {
        &mut self.values[r * dim..][..dim]
    }

    /// The symbols of the first `count` rows, and room to pack them.
    #[inline(always)]
    pub fn symbols_and_room(&mut self, count: usize, dim: usize) -> (&[u8], &mut [u8]) {
        (&self.symbols[..count * dim], &mut self.packed)
    }

    /// The symbols of row `r`.
    #[inline(always)]
    pub fn symbols(&mut self, r: usize, dim: usize) -> &mut [u8] {
        &mut self.symbols[r * dim..][..dim]
    }
}

/// Whether rows of a distortion may be encoded in groups: no scale is searched for, and there is no skeleton.
/// Then the rotation is all that is between a row and its symbols, and the error can be measured on either
/// side of it.
#[inline(always)]
pub(crate) fn applies<R: Distortion>(kernel: &Kernel<'_>) -> bool {
    kernel.frame.skeleton.is_identity() && !kernel.grid.is_allocated() && R::NORM_MODE != NormMode::Search
}

/// Inner products of the rows of a group: of what is quantised, `z`, and its reconstruction points at scale 1, `q`.
#[derive(Debug, Default)]
struct GroupSums {
    zz: [f32; GROUP_ROWS],
    zq: [f32; GROUP_ROWS],
    qq: [f32; GROUP_ROWS],
}

/// Encodes the `chosen` rows of `group`. Rows that are not finite or cannot be worked on in units of 1 are
/// left out and no longer chosen; the caller encodes them one by one. Their energy tells them apart, so rows
/// need no check before they come here.
#[inline(always)]
pub(crate) fn encode<S: Simd, R: Distortion>(
    kernel: &Kernel<'_>,
    simd: S,
    group: &mut RowGroup,
    chosen: &mut [bool; GROUP_ROWS],
    codes: &mut [(RowCode, RowError); GROUP_ROWS],
) {
    let GroupSums { zz, zq, qq } = quantize(kernel, simd, group, chosen, codes);
    for r in (0..GROUP_ROWS).filter(|&r| chosen[r]) {
        let (code, error) = &mut codes[r];
        if code.scale > 0 {
            code.scale = scale::encode(R::scale(zz[r], zq[r], qq[r]));
        }
        let scale = scale::decode(code.scale).unwrap_or(0.0);
        // The rotation changes no length, so the error is the same on either side of it:
        // ‖z − s·q‖² = ⟨z,z⟩ − s·(2⟨z,q⟩ − s·⟨q,q⟩).
        let [energy, product, points_energy, factor] = [zz[r], zq[r], qq[r], scale].map(f64::from);
        let mut squared = energy - factor * (2.0 * product - factor * points_energy);
        if squared < CANCELS * energy {
            squared = exact_error(kernel, simd, group, r, scale);
        }
        *error = RowError { energy, squared, absolute: 0.0 };
    }
}

/// Rotates the chosen rows and quantises them, each at the scale of its root mean square, which becomes its code.
#[inline(never)]
fn quantize<S: Simd>(
    kernel: &Kernel<'_>,
    simd: S,
    group: &mut RowGroup,
    chosen: &mut [bool; GROUP_ROWS],
    codes: &mut [(RowCode, RowError); GROUP_ROWS],
) -> GroupSums {
    on_tier!(simd, {
        let dim = kernel.frame.skeleton.dim();
        let RowGroup { values, points, symbols, .. } = group;
        let mut sums = GroupSums::default();
        for r in (0..GROUP_ROWS).filter(|&r| chosen[r]) {
            kernel.rotation.forward(simd, &mut values[r * dim..][..dim]);
        }
        for (r, chosen) in chosen.iter_mut().enumerate().filter(|(_, chosen)| **chosen) {
            let z = &values[r * dim..][..dim];
            sums.zz[r] = dot_on(simd, z, z);
            *chosen = UNIT_ENERGIES.contains(&sums.zz[r]);
        }
        // On the grid of the stored scale, as in `Kernel::quantize`.
        for r in (0..GROUP_ROWS).filter(|&r| chosen[r]) {
            let (z, q) = (&values[r * dim..][..dim], &mut points[r * dim..][..dim]);
            let symbols = &mut symbols[r * dim..][..dim];
            let code = scale::encode((sums.zz[r] / dim as f32).sqrt());
            codes[r].0.scale = code;
            match scale::decode(code) {
                Some(scale) if scale > 0.0 => {
                    (sums.zq[r], sums.qq[r]) =
                        kernel.grid.quantize_measured(simd, z, 1.0 / scale, symbols, q);
                }
                _ => symbols.fill(0),
            }
        }
        sums
    })
}

/// The squared error of row `r` at a scale, from its points.
#[inline(never)]
fn exact_error<S: Simd>(kernel: &Kernel<'_>, simd: S, group: &mut RowGroup, r: usize, scale: f32) -> f64 {
    on_tier!(simd, {
        let dim = kernel.frame.skeleton.dim();
        let (z, q) = (&group.values[r * dim..][..dim], &mut group.points[r * dim..][..dim]);
        kernel.grid.dequantize(simd, &group.symbols[r * dim..][..dim], q);
        f64::from(square_of_difference(simd, z, scale, q))
    })
}

/// Below this share of a row's energy, the error is not computed as the difference of sums that nearly
/// cancel: the sums are good to about 1e-6, so the difference would be wrong by a part in a thousand or more.
/// That happens from 6 bits on, whose distortion is 6e-4; the points are then looked up and the difference is
/// summed.
const CANCELS: f64 = 1e-3;

/// Energies of rows that are finite and worked on in units of 1: no value is above 1e15, since its square
/// alone would be 1e30, and one is above 1e-15, even if the energy is spread over 4,096 values. The range is
/// narrower than that of `unit_of`; rows between the two take the slower way to the same code.
const UNIT_ENERGIES: std::ops::Range<f32> = 1e-25..1e29;
