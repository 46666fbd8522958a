//! Element types of the engine's tensors, converted to and from binary32 at the edge.
//!
//! Elements are held in `Cell`s: views of one tensor may overlap (the heads of a paged cache interleave), and
//! other threads may be writing neighbouring elements of the same memory.

use crate::error::{Error, Result};
use half::{bf16, f16};
use std::cell::Cell;

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
}

impl Dtype {
    /// The type of a code of the C API; `what` names the field in the error.
    pub fn from_code(code: u32, what: &'static str) -> Result<Self> {
        match code {
            0 => Ok(Self::F32),
            1 => Ok(Self::F16),
            2 => Ok(Self::Bf16),
            got => Err(Error::BadDtype { what, got }),
        }
    }

    /// The code of the C API.
    pub fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 2,
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Writes `values` in this type, little-endian, to the start of `bytes`. Finite values beyond the range
    /// of the type become its largest finite value; NaN and infinities stay what they are.
    pub fn write_le(self, values: &[f32], bytes: &mut [u8]) {
        match self {
            Self::F32 => {
                for (value, out) in values.iter().zip(bytes.as_chunks_mut::<4>().0) {
                    *out = value.to_le_bytes();
                }
            }
            Self::F16 => {
                for (&value, out) in values.iter().zip(bytes.as_chunks_mut::<2>().0) {
                    *out = to_f16(value).to_le_bytes();
                }
            }
            Self::Bf16 => {
                for (&value, out) in values.iter().zip(bytes.as_chunks_mut::<2>().0) {
                    *out = to_bf16(value).to_le_bytes();
                }
            }
        }
    }

    /// Reads back what [`Dtype::write_le`] wrote.
    pub fn read_le(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            Self::F32 => {
                for (value, &raw) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(raw);
                }
            }
            Self::F16 => {
                for (value, &raw) in values.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *value = from_f16(f16::from_le_bytes(raw));
                }
            }
            Self::Bf16 => {
                for (value, &raw) in values.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *value = from_bf16(bf16::from_le_bytes(raw));
                }
            }
        }
    }
}

/// The memory of a view: all elements between its lowest and its highest one.
#[derive(Debug, Clone, Copy)]
pub enum Elements<'a> {
    /// binary32.
    F32(&'a [Cell<f32>]),
    /// binary16.
    F16(&'a [Cell<f16>]),
    /// bfloat16.
    Bf16(&'a [Cell<bf16>]),
}

impl Elements<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(cells) => cells.len(),
            Self::F16(cells) => cells.len(),
            Self::Bf16(cells) => cells.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `values[i]` = element `start + i·stride`.
    #[inline(always)]
    pub fn read(&self, start: usize, stride: isize, values: &mut [f32]) {
        match self {
            Self::F32(cells) => gather(cells, start, stride, values, |x| x),
            Self::F16(cells) => gather(cells, start, stride, values, from_f16),
            Self::Bf16(cells) => gather(cells, start, stride, values, from_bf16),
        }
    }

    /// Element `start + i·stride` = `values[i]`. Finite values beyond the range of the type become its largest
    /// finite value, of the same sign; NaN and infinities stay what they are.
    #[inline(always)]
    pub fn write(&self, start: usize, stride: isize, values: &[f32]) {
        match self {
            Self::F32(cells) => scatter(cells, start, stride, values, |x| x),
            Self::F16(cells) => scatter(cells, start, stride, values, to_f16),
            Self::Bf16(cells) => scatter(cells, start, stride, values, to_bf16),
        }
    }
}

#[inline(always)]
fn gather<T: Copy>(
    cells: &[Cell<T>],
    start: usize,
    stride: isize,
    values: &mut [f32],
    convert: impl Fn(T) -> f32,
) {
    if stride == 1 {
        let cells = &cells[start..start + values.len()];
        for (value, cell) in values.iter_mut().zip(cells) {
            *value = convert(cell.get());
        }
    } else {
        let mut at = start;
        for value in values {
            *value = convert(cells[at].get());
            at = at.wrapping_add_signed(stride);
        }
    }
}

#[inline(always)]
fn scatter<T: Copy>(
    cells: &[Cell<T>],
    start: usize,
    stride: isize,
    values: &[f32],
    convert: impl Fn(f32) -> T,
) {
    if stride == 1 {
        for (value, cell) in values.iter().zip(&cells[start..start + values.len()]) {
            cell.set(convert(*value));
        }
    } else {
        let mut at = start;
        for value in values {
            cells[at].set(convert(*value));
            at = at.wrapping_add_signed(stride);
        }
    }
}

// The conversions are those of `half`, in integers and without branches: so they vectorise in the loops of a kernel, on
// every tier, where a call for a few values at a time took longer than the transform.

const INFINITY: u32 = 0x7F80_0000;

/// Sign and magnitude, a finite one cut down to `limit`.
#[inline(always)]
fn cut(value: f32, limit: u32) -> (u32, u32) {
    let sign = value.to_bits() & 0x8000_0000;
    let magnitude = value.to_bits() ^ sign;
    (sign, if magnitude < INFINITY { magnitude.min(limit) } else { magnitude })
}

/// `magnitude / 2^shift`, to the nearest, ties to even.
#[inline(always)]
fn round_off(magnitude: u32, shift: u32) -> u32 {
    (magnitude + ((1 << (shift - 1)) - 1) + ((magnitude >> shift) & 1)) >> shift
}

#[inline(always)]
fn to_f16(value: f32) -> f16 {
    /// 65,504; 2^−14; and what the exponents' offsets differ by.
    const LARGEST: u32 = 0x477F_E000;
    const SMALLEST_NORMAL: u32 = 0x3880_0000;
    const OFFSET: u32 = 112 << 23;
    let (sign, magnitude) = cut(value, LARGEST);
    let normal = round_off(magnitude.wrapping_sub(OFFSET) & 0x0FFF_FFFF, 13);
    // The sum has its last place where a subnormal has.
    let subnormal = (f32::from_bits(magnitude.min(SMALLEST_NORMAL)) + 0.5).to_bits() - 0.5_f32.to_bits();
    let nan = if magnitude > INFINITY { 0x0200 | ((magnitude >> 13) & 0x03FF) } else { 0 };
    let finite = if magnitude < SMALLEST_NORMAL { subnormal } else { normal };
    let half = if magnitude >= INFINITY { 0x7C00 | nan } else { finite };
    f16::from_bits((sign >> 16 | half) as u16)
}

#[inline(always)]
fn from_f16(value: f16) -> f32 {
    let bits = u32::from(value.to_bits());
    let (sign, magnitude) = ((bits & 0x8000) << 16, bits & 0x7FFF);
    let normal = (magnitude << 13) + (112 << 23);
    let subnormal = (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits();
    let quiet = if magnitude > 0x7C00 { 0x0040_0000 } else { 0 };
    let finite = if magnitude < 0x0400 { subnormal } else { normal };
    f32::from_bits(sign | if magnitude >= 0x7C00 { INFINITY | (magnitude << 13) | quiet } else { finite })
}

#[inline(always)]
fn to_bf16(value: f32) -> bf16 {
    const LARGEST: u32 = 0x7F7F_0000;
    let (sign, magnitude) = cut(value, LARGEST);
    let half = if magnitude > INFINITY { magnitude >> 16 | 0x0040 } else { round_off(magnitude, 16) };
    bf16::from_bits((sign >> 16 | half) as u16)
}

#[inline(always)]
fn from_bf16(value: bf16) -> f32 {
    let bits = u32::from(value.to_bits());
    let quiet = if bits & 0x7FFF > 0x7F80 { 0x0040 } else { 0 };
    f32::from_bits((bits | quiet) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All halves, as the library has them.
    #[test]
    fn halves_are_widened_as_by_their_library() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert_eq!(from_f16(half).to_bits(), half.to_f32().to_bits(), "{bits:x}");
            assert_eq!(from_bf16(brain).to_bits(), brain.to_f32().to_bits(), "{bits:x}");
        }
    }

    /// Every exponent, with mantissas around all ties of both types.
    #[test]
    fn values_are_rounded_as_by_their_library() {
        for upper in 0..=u16::MAX {
            for lower in
                [0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xF000, 0xFFFF]
            {
                let value = f32::from_bits(u32::from(upper) << 16 | lower);
                let clamp = |limit: f32| if value.is_infinite() { value } else { value.clamp(-limit, limit) };
                let (half, brain) =
                    (f16::from_f32(clamp(65504.0)), bf16::from_f32(clamp(bf16::MAX.to_f32())));
                assert_eq!(to_f16(value).to_bits(), half.to_bits(), "{value:e}");
                assert_eq!(to_bf16(value).to_bits(), brain.to_bits(), "{value:e}");
            }
        }
    }
}
