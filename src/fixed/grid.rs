//! The reconstruction points of a row at scale 1: with the same bits for all components, or with bits of
//! their own.
//!
//! Rotated components are all alike, and so get the same. Those of a skeleton of full rank have variances
//! that differ by orders of magnitude. An enum, and not a type parameter: its branches are per row, and a
//! parameter would double the number of kernels that are compiled.

use super::allocation::Allocation;
use super::quantizer::{Nibbles, Quantizer};
use crate::error::Result;
use crate::vector::pack::{BitPacker, unpack};
use crate::vector::sums::{dot, dot_on};
use fearless_simd::Simd;

/// What the components of a row are quantised with at a fixed rate.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a codec has one, and the kernel boxes nothing")]
pub(crate) enum Grid {
    /// All components alike, with 1 to 8 bits.
    Uniform(Quantizer),
    /// Each in units of its deviation, with bits of its own.
    Allocated(Allocation),
}

impl Grid {
    /// The grid of components that are all alike, with 1 to 8 bits each.
    ///
    /// # Panics
    /// With another number of bits, which [`Params`](crate::Params) never have.
    pub fn uniform(bits: u8) -> Self {
        Self::Uniform(Quantizer::new(bits))
    }

    /// The grid that spends an average of `bits` per component, on the components with the largest variances.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn allocated(variances: &[f32], bits: f32) -> Result<Self> {
        Allocation::new(variances, bits).map(Self::Allocated)
    }

    /// Bits of the symbols of a row whose components have bits of their own; `None` if all have the same.
    pub fn row_bits(&self) -> Option<usize> {
        match self {
            Self::Uniform(_) => None,
            Self::Allocated(allocation) => Some(allocation.row_bits()),
        }
    }

    /// Whether components have bits of their own. The scale of a row is then that of least squares: the
    /// unbiased one would amplify the error, since components without bits shorten every reconstruction.
    pub fn is_allocated(&self) -> bool {
        matches!(self, Self::Allocated(_))
    }

    /// Mean square of `z` in the units of the grid, so that its root is the scale at which `z` fills the
    /// grid.
    #[inline(always)]
    pub fn mean_square(&self, z: &[f32]) -> f32 {
        match self {
            Self::Uniform(_) => dot(z, z) / z.len().max(1) as f32,
            Self::Allocated(allocation) => allocation.mean_square(z),
        }
    }

    /// `symbols[j]` = index of the point nearest to `z[j] * inverse_scale`; `white` is scratch of the same
    /// length, which only an allocated grid uses.
    #[inline(always)]
    pub fn quantize(&self, z: &[f32], inverse_scale: f32, white: &mut [f32], symbols: &mut [u8]) {
        match self {
            Self::Uniform(quantizer) => quantizer.quantize(z, inverse_scale, symbols),
            Self::Allocated(allocation) => allocation.quantize(z, inverse_scale, white, symbols),
        }
    }

    /// [`Grid::quantize`] for a uniform grid, and the inner products of the points with `z` and with
    /// themselves, from which the scale and the error follow. `q` is scratch for the points.
    ///
    /// With up to four bits and whole vectors the points are never written to memory. The other path takes
    /// three passes to the same bits.
    #[inline(always)]
    pub fn quantize_measured<S: Simd>(
        &self,
        simd: S,
        z: &[f32],
        inverse_scale: f32,
        symbols: &mut [u8],
        q: &mut [f32],
    ) -> (f32, f32) {
        match self {
            Self::Uniform(quantizer) if quantizer.bits <= 4 && z.len().is_multiple_of(64) => {
                return quantizer.quantize_measured(simd, z, inverse_scale, symbols);
            }
            _ => self.quantize(z, inverse_scale, &mut [], symbols),
        }
        self.dequantize(simd, symbols, q);
        (dot_on(simd, z, q), dot_on(simd, q, q))
    }

    /// `q[j]` = point of `symbols[j]`.
    #[inline(always)]
    pub fn dequantize<S: Simd>(&self, simd: S, symbols: &[u8], q: &mut [f32]) {
        match self {
            Self::Uniform(quantizer) => quantizer.dequantize(simd, symbols, q),
            Self::Allocated(allocation) => allocation.dequantize(simd, symbols, q),
        }
    }

    /// Packs the symbols of a row behind those of the row before into `out`; returns how many bytes became
    /// complete.
    #[inline(always)]
    pub fn push(&self, packer: &mut BitPacker, symbols: &[u8], out: &mut [u8]) -> usize {
        match self {
            Self::Uniform(quantizer) => packer.push(symbols, quantizer.bits, out),
            Self::Allocated(allocation) => allocation.push(packer, symbols, out),
        }
    }

    /// Row `row` of `len` packed symbols, if they have four bits and the row is made of whole chunks; `None`
    /// otherwise. Each row then begins at a byte, and is decoded straight from the stream.
    #[inline(always)]
    pub fn nibbles<'a>(&'a self, stream: &'a [u8], row: usize, len: usize) -> Option<Nibbles<'a>> {
        match self {
            Self::Uniform(quantizer) if quantizer.bits == 4 && len.is_multiple_of(128) => {
                Some(Nibbles { quantizer, packed: &stream[row * len / 2..][..len / 2] })
            }
            _ => None,
        }
    }

    /// Reads the symbols of row `row`, whose place in the stream follows from its number.
    #[inline(always)]
    pub fn unpack(&self, stream: &[u8], row: usize, symbols: &mut [u8]) {
        match self {
            Self::Uniform(quantizer) => {
                let width = quantizer.bits;
                unpack(stream, width, row * symbols.len() * usize::from(width), symbols);
            }
            Self::Allocated(allocation) => allocation.unpack(stream, row, symbols),
        }
    }
}
