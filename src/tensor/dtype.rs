//! Element types of the engine's tensors, converted to and from binary32 at the edge: everything between
//! works in binary32 or in integers.
//!
//! Elements are held in `Cell`s: views of one tensor may overlap (the heads of a paged cache interleave), and
//! other threads may be writing neighbouring elements of the same memory. A slice would promise the compiler
//! that nobody else writes anywhere between its ends; a cell promises that only for the element that is
//! accessed.

use super::halves::{from_bf16, from_f16, narrow, narrow_inside, to_bf16, to_f16, widen};
use crate::error::{Error, Result};
use fearless_simd::prelude::*;
use fearless_simd::u16x16;
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
    ///
    /// # Errors
    /// [`Error::BadDtype`] for a code that no type has.
    pub fn from_code(code: u32, what: &'static str) -> Result<Self> {
        match code {
            0 => Ok(Self::F32),
            1 => Ok(Self::F16),
            2 => Ok(Self::Bf16),
            got => Err(Error::BadDtype { what, got }),
        }
    }

    /// The code of the C API and of saved profiles: never renumbered.
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
    ///
    /// Blocks and profiles are little-endian on every machine, so that they can move between machines. Only
    /// raw rows take this way, so it is not written for speed. What does not fit in `bytes` is left out.
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

    /// Reads back what [`Dtype::write_le`] wrote: exactly what it rounded to.
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

/// The memory of a view: all elements between its lowest and its highest one, those in gaps included, whose
/// contents are never looked at.
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

    /// `values[i]` = element `start + i·stride`. binary16 without gaps, which is how most caches are, has a
    /// path that converts sixteen at a time.
    ///
    /// # Panics
    /// If an element is outside. A `View` is checked once, when it is made, so that this cannot happen.
    #[inline(always)]
    pub fn read<S: Simd>(&self, simd: S, start: usize, stride: isize, values: &mut [f32]) {
        match self {
            Self::F16(cells) if stride == 1 => widen_all(simd, &cells[start..start + values.len()], values),
            Self::F32(cells) => gather(cells, start, stride, values, |x| x),
            Self::F16(cells) => gather(cells, start, stride, values, from_f16),
            Self::Bf16(cells) => gather(cells, start, stride, values, from_bf16),
        }
    }

    /// Element `start + i·stride` = `values[i]`. Finite values beyond the range of the type become its
    /// largest finite value, of the same sign; NaN and infinities stay what they are. A decoded row is
    /// finite, so an engine never sees an infinity that it did not store itself.
    ///
    /// # Panics
    /// As [`Elements::read`].
    #[inline(always)]
    pub fn write<S: Simd>(&self, simd: S, start: usize, stride: isize, values: &[f32]) {
        match self {
            Self::F16(cells) if stride == 1 => narrow_all(simd, values, &cells[start..start + values.len()]),
            Self::F32(cells) => scatter(cells, start, stride, values, |x| x),
            Self::F16(cells) => scatter(cells, start, stride, values, to_f16),
            Self::Bf16(cells) => scatter(cells, start, stride, values, to_bf16),
        }
    }
}

/// Reads elements at a distance of `stride`; without gaps in a loop that vectorises.
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
        // The index wraps behind the last element, where a stride may lead out of the address space.
        let mut at = start;
        for value in values {
            *value = convert(cells[at].get());
            at = at.wrapping_add_signed(stride);
        }
    }
}

/// Writes elements at a distance of `stride`.
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

/// Reads binary16 without gaps.
#[inline(always)]
fn widen_all<S: Simd>(simd: S, cells: &[Cell<f16>], values: &mut [f32]) {
    let ((cells, last_cells), (values, last)) = (cells.as_chunks::<16>(), values.as_chunks_mut::<16>());
    for (cells, values) in cells.iter().zip(values) {
        // Through an array: cells cannot be lent as a slice of numbers without unsafe code.
        let mut halves = [0; 16];
        for i in 0..16 {
            halves[i] = cells[i].get().to_bits();
        }
        *values = widen(simd, &halves);
    }
    for (cell, value) in last_cells.iter().zip(last) {
        *value = from_f16(cell.get());
    }
}

/// Writes binary16 without gaps.
///
/// Values out of range are rare, so vectors are first converted without a check, while the largest result is
/// tracked; only if that is infinite or NaN are all converted again, clamped.
#[inline(always)]
fn narrow_all<S: Simd>(simd: S, values: &[f32], cells: &[Cell<f16>]) {
    let ((cells, last_cells), (values, last)) = (cells.as_chunks::<16>(), values.as_chunks::<16>());
    let mut peak = u16x16::splat(simd, 0);
    for (cells, values) in cells.iter().zip(values) {
        let halves = narrow_inside(simd, values);
        peak = peak.max(halves & 0x7FFF);
        store_halves(halves, cells);
    }
    // An infinity may be a finite value out of range, which is to saturate, or one that was infinite before.
    if peak.simd_ge(f16::INFINITY.to_bits()).any_true() {
        for (cells, values) in cells.iter().zip(values) {
            store_halves(narrow(simd, values), cells);
        }
    }
    for (cell, value) in last_cells.iter().zip(last) {
        cell.set(to_f16(*value));
    }
}

/// Writes sixteen cells.
#[inline(always)]
fn store_halves<S: Simd>(halves: u16x16<S>, cells: &[Cell<f16>; 16]) {
    let halves: [u16; 16] = halves.into();
    for i in 0..16 {
        cells[i].set(f16::from_bits(halves[i]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::tier::dispatch;
    use fearless_simd::Level;

    /// Vectors and what is left of them, with and without a value that is out of range.
    #[test]
    fn what_is_written_is_cut_to_the_range_of_its_type() {
        let extremes = [65504.0, 65519.0, 65520.0, -1e30, f32::MAX, f32::INFINITY, -f32::INFINITY, f32::NAN];
        for extreme in extremes {
            for at in [0, 5, 31, 33] {
                let mut values: Vec<f32> = (0..35).map(|i| i as f32 / 7.0 - 2.0).collect();
                values[at] = extreme;
                let plain: Vec<u16> = values.iter().map(|&value| to_f16(value).to_bits()).collect();
                for level in [Level::baseline(), Level::new()] {
                    let mut memory = [f16::ZERO; 35];
                    let elements = Elements::F16(Cell::from_mut(&mut memory[..]).as_slice_of_cells());
                    dispatch!(level, simd => elements.write(simd, 0, 1, &values));
                    let written: Vec<u16> = memory.iter().map(|half| half.to_bits()).collect();
                    assert_eq!(written, plain, "{extreme} at {at}");
                }
            }
        }
    }
}
