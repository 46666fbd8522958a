//! Element types of the engine's tensors, converted to and from binary32 at the edge.
//!
//! Elements are held in `Cell`s: views of one tensor may overlap (the heads of a paged cache interleave), and
//! other threads may be writing neighbouring elements of the same memory.

use crate::error::{Error, Result};
use half::slice::HalfFloatSliceExt;
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
                    *out = f16::from_f32(clamp_f16(value)).to_le_bytes();
                }
            }
            Self::Bf16 => {
                for (&value, out) in values.iter().zip(bytes.as_chunks_mut::<2>().0) {
                    *out = bf16::from_f32(clamp_bf16(value)).to_le_bytes();
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
                    *value = f16::from_le_bytes(raw).to_f32();
                }
            }
            Self::Bf16 => {
                for (value, &raw) in values.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *value = bf16::from_le_bytes(raw).to_f32();
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

/// Values converted at a time, on the stack.
const CHUNK: usize = 64;

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
            Self::F32(cells) => gather(cells, start, stride, values),
            Self::F16(cells) => {
                let mut halves = [f16::ZERO; CHUNK];
                read_halves(cells, start, stride, values, &mut halves, |from, to| {
                    from.convert_to_f32_slice(to)
                });
            }
            Self::Bf16(cells) => {
                let mut halves = [bf16::ZERO; CHUNK];
                read_halves(cells, start, stride, values, &mut halves, |from, to| {
                    from.convert_to_f32_slice(to)
                });
            }
        }
    }

    /// Element `start + i·stride` = `values[i]`. Finite values beyond the range of the type become its largest
    /// finite value, of the same sign; NaN and infinities stay what they are.
    #[inline(always)]
    pub fn write(&self, start: usize, stride: isize, values: &[f32]) {
        match self {
            Self::F32(cells) => scatter(cells, start, stride, values),
            Self::F16(cells) => {
                let mut halves = [f16::ZERO; CHUNK];
                write_halves(
                    cells,
                    start,
                    stride,
                    values,
                    &mut halves,
                    |from, to| {
                        to.convert_from_f32_slice(from);
                    },
                    clamp_f16,
                );
            }
            Self::Bf16(cells) => {
                let mut halves = [bf16::ZERO; CHUNK];
                write_halves(
                    cells,
                    start,
                    stride,
                    values,
                    &mut halves,
                    |from, to| {
                        to.convert_from_f32_slice(from);
                    },
                    clamp_bf16,
                );
            }
        }
    }
}

#[inline(always)]
fn clamp_f16(value: f32) -> f32 {
    clamp_finite(value, f16::MAX.to_f32())
}

#[inline(always)]
fn clamp_bf16(value: f32) -> f32 {
    clamp_finite(value, bf16::MAX.to_f32())
}

/// Infinities, which only rows stored raw contain, stay what they are.
#[inline(always)]
fn clamp_finite(value: f32, limit: f32) -> f32 {
    if value.is_infinite() { value } else { value.clamp(-limit, limit) }
}

#[inline(always)]
fn gather<T: Copy>(cells: &[Cell<T>], start: usize, stride: isize, values: &mut [T]) {
    if stride == 1 {
        let cells = &cells[start..start + values.len()];
        for (value, cell) in values.iter_mut().zip(cells) {
            *value = cell.get();
        }
    } else {
        let mut at = start;
        for value in values {
            *value = cells[at].get();
            at = at.wrapping_add_signed(stride);
        }
    }
}

#[inline(always)]
fn scatter<T: Copy>(cells: &[Cell<T>], start: usize, stride: isize, values: &[T]) {
    if stride == 1 {
        for (value, cell) in values.iter().zip(&cells[start..start + values.len()]) {
            cell.set(*value);
        }
    } else {
        let mut at = start;
        for value in values {
            cells[at].set(*value);
            at = at.wrapping_add_signed(stride);
        }
    }
}

#[inline(always)]
fn read_halves<T: Copy>(
    cells: &[Cell<T>],
    start: usize,
    stride: isize,
    values: &mut [f32],
    halves: &mut [T; CHUNK],
    convert: impl Fn(&[T], &mut [f32]),
) {
    let mut at = start;
    for chunk in values.chunks_mut(CHUNK) {
        let halves = &mut halves[..chunk.len()];
        gather(cells, at, stride, halves);
        convert(halves, chunk);
        at = at.wrapping_add_signed(stride.wrapping_mul(CHUNK as isize));
    }
}

#[inline(always)]
fn write_halves<T: Copy>(
    cells: &[Cell<T>],
    start: usize,
    stride: isize,
    values: &[f32],
    halves: &mut [T; CHUNK],
    convert: impl Fn(&[f32], &mut [T]),
    clamp: impl Fn(f32) -> f32,
) {
    let mut clamped = [0.0; CHUNK];
    let mut at = start;
    for chunk in values.chunks(CHUNK) {
        for (to, &from) in clamped.iter_mut().zip(chunk) {
            *to = clamp(from);
        }
        let halves = &mut halves[..chunk.len()];
        convert(&clamped[..chunk.len()], halves);
        scatter(cells, at, stride, halves);
        at = at.wrapping_add_signed(stride.wrapping_mul(CHUNK as isize));
    }
}
