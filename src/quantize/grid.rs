//! The reconstruction points of a row at scale 1: of one width for all components, or of widths that differ.

use super::{Allocation, Nibbles, Quantizer};
use crate::error::Result;
use crate::pack::{BitPacker, unpack};
use crate::sums::{dot, dot_on};
use fearless_simd::Simd;

/// What the components of a row are quantised with at a fixed rate.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a codec has one, and the kernel boxes nothing")]
pub(crate) enum Grid {
    /// All components alike.
    Uniform(Quantizer),
    /// Each in units of its deviation, with bits of its own.
    Allocated(Allocation),
}

impl Grid {
    /// The grid of components that are all alike, with 1 to 8 bits each.
    pub fn uniform(bits: u8) -> Self {
        Self::Uniform(Quantizer::new(bits))
    }

    /// The grid that spends `bits` a component, on average, where the variances ask for them.
    pub fn allocated(variances: &[f32], bits: f32) -> Result<Self> {
        Allocation::new(variances, bits).map(Self::Allocated)
    }

    /// Bits of the symbols of a row where components have bits of their own, 0 where all have the same.
    pub fn row_bits(&self) -> usize {
        match self {
            Self::Uniform(_) => 0,
            Self::Allocated(allocation) => allocation.row_bits(),
        }
    }

    /// Whether components have bits of their own: the scale of a row is then that of least squares.
    pub fn is_allocated(&self) -> bool {
        matches!(self, Self::Allocated(_))
    }

    /// Mean square of `z` where the grid at scale 1 expects 1.
    #[inline(always)]
    pub fn mean_square(&self, z: &[f32]) -> f32 {
        match self {
            Self::Uniform(_) => dot(z, z) / z.len().max(1) as f32,
            Self::Allocated(allocation) => allocation.mean_square(z),
        }
    }

    /// `symbols[j]` = index of the point nearest to `z[j] * inverse_scale`; `white` is scratch for as many.
    #[inline(always)]
    pub fn quantize(&self, z: &[f32], inverse_scale: f32, white: &mut [f32], symbols: &mut [u8]) {
        match self {
            Self::Uniform(quantizer) => quantizer.quantize(z, inverse_scale, symbols),
            Self::Allocated(allocation) => allocation.quantize(z, inverse_scale, white, symbols),
        }
    }

    /// As [`Grid::quantize`], of components that are all alike; then the inner products of the points with `z` and with
    /// themselves. `q` is scratch for the points.
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

    /// Packs the symbols of a row behind those of the row before; returns the bytes that became complete.
    #[inline(always)]
    pub fn push(&self, packer: &mut BitPacker, symbols: &[u8], out: &mut [u8]) -> usize {
        match self {
            Self::Uniform(quantizer) => packer.push(symbols, quantizer.bits, out),
            Self::Allocated(allocation) => allocation.push(packer, symbols, out),
        }
    }

    /// Row `row` of `len` packed symbols of four bits, if that is what they are and vectors are whole.
    #[inline(always)]
    pub fn nibbles<'a>(&'a self, stream: &'a [u8], row: usize, len: usize) -> Option<Nibbles<'a>> {
        match self {
            Self::Uniform(quantizer) if quantizer.bits == 4 && len.is_multiple_of(128) => {
                Some(Nibbles { quantizer, packed: &stream[row * len / 2..][..len / 2] })
            }
            _ => None,
        }
    }

    /// Reads the symbols of row `row`.
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
