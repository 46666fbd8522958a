//! Checked pointers: the only place where C memory becomes Rust slices.

use crate::error::{Count, Error, Result};
use crate::tensor::dtype::{Dtype, Elements};
use crate::tensor::view::extent;
use libc::{c_char, c_void};
use std::cell::Cell;
use std::ops::Range;

/// An out-pointer, checked for NULL.
pub(super) fn out<T>(pointer: *mut T, what: &'static str) -> Result<*mut T> {
    if pointer.is_null() { Err(Error::NullPointer { what }) } else { Ok(pointer) }
}

/// An object, checked for NULL.
///
/// # Safety
/// A pointer that is not NULL points to a live `T` that is not changed during `'a`.
pub(super) unsafe fn object<'a, T>(pointer: *const T, what: &'static str) -> Result<&'a T> {
    // SAFETY: as above.
    unsafe { pointer.as_ref() }.ok_or(Error::NullPointer { what })
}

/// `len` bytes to read.
///
/// # Safety
/// `pointer` has `len` readable bytes that are not changed during `'a`.
pub(super) unsafe fn bytes<'a>(pointer: *const c_void, len: usize, what: &'static str) -> Result<&'a [u8]> {
    // SAFETY: as above; bytes have no alignment.
    unsafe { array(pointer.cast(), len, what) }
}

/// `len` elements to read.
///
/// # Safety
/// As [`bytes`], for `len` elements.
pub(super) unsafe fn array<'a, T>(pointer: *const T, len: usize, what: &'static str) -> Result<&'a [T]> {
    if pointer.is_null() {
        return Err(Error::NullPointer { what });
    }
    if !pointer.is_aligned() {
        return Err(Error::Misaligned { what, size: size_of::<T>() });
    }
    span(pointer.cast(), len, size_of::<T>(), what)?;
    // SAFETY: not NULL, aligned, and no longer than memory can be; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// `len` elements to read, or `None` for NULL.
///
/// # Safety
/// As [`array`].
pub(super) unsafe fn optional<'a, T>(
    pointer: *const T,
    len: usize,
    what: &'static str,
) -> Result<Option<&'a [T]>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: as above.
    unsafe { array(pointer, len, what) }.map(Some)
}

/// Text of at most `limit` bytes before its zero.
///
/// # Safety
/// A pointer that is not NULL is readable up to a zero, which is not changed during `'a`, nor what comes
/// before it.
pub(super) unsafe fn text<'a>(pointer: *const c_char, limit: usize, what: &'static str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(Error::NullPointer { what });
    }
    // SAFETY: no byte beyond the first zero is read.
    let len = (0..=limit).find(|&at| unsafe { pointer.add(at).read() } == 0);
    let len = len.ok_or(Error::BadShape { what, got: limit + 1, expected: Count::AtMost(limit) })?;
    // SAFETY: these bytes were read.
    let bytes = unsafe { bytes(pointer.cast(), len, what) }?;
    let expected = "UTF-8";
    std::str::from_utf8(bytes).map_err(|error| Error::BadParam {
        what,
        got: f64::from(bytes[error.valid_up_to()]),
        expected,
    })
}

/// `len` bytes to write.
///
/// # Safety
/// `pointer` has `len` writable bytes that nobody else uses during `'a`.
pub(super) unsafe fn bytes_mut<'a>(
    pointer: *mut c_void,
    len: usize,
    what: &'static str,
) -> Result<&'a mut [u8]> {
    if pointer.is_null() {
        return Err(Error::NullPointer { what });
    }
    span(pointer, len, 1, what)?;
    // SAFETY: not NULL and no longer than memory can be; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast(), len) })
}

/// Addresses of `len` elements of `size` bytes.
pub(super) fn span(
    pointer: *const c_void,
    len: usize,
    size: usize,
    what: &'static str,
) -> Result<Range<usize>> {
    let bytes = len.checked_mul(size).filter(|&bytes| bytes <= isize::MAX as usize);
    let start = pointer.addr();
    let end = bytes.and_then(|bytes| start.checked_add(bytes));
    end.map(|end| start..end).ok_or(Error::OutOfRange { what })
}

/// Whether two spans of addresses share a byte.
pub(super) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// All elements of a strided view, from its lowest to its highest address, and the index of the first element
/// of its first row among them.
pub(super) struct Strided {
    lowest: *const c_void,
    len: usize,
    dtype: Dtype,
    pub base: usize,
    pub strides: (isize, isize),
}

impl Strided {
    /// Checks alignment and that the addresses exist.
    pub fn new(
        data: *const c_void,
        dtype: Dtype,
        shape: (usize, usize),
        strides: (isize, isize),
    ) -> Result<Self> {
        const WHAT: &str = "a view";
        let outside = Error::OutOfRange { what: WHAT };
        if !data.addr().is_multiple_of(dtype.size()) {
            return Err(Error::Misaligned { what: "data of a view", size: dtype.size() });
        }
        let (low, high) = extent(shape, strides).ok_or(outside.clone())?;
        let offset = low.checked_mul(dtype.size() as isize).ok_or(outside.clone())?;
        data.addr().checked_add_signed(offset).ok_or(outside.clone())?;
        let len = high.checked_sub(low).and_then(|steps| steps.checked_add(1)).ok_or(outside)? as usize;
        let lowest = data.wrapping_byte_offset(offset);
        span(lowest, len, dtype.size(), WHAT)?;
        Ok(Self { lowest, len, dtype, base: low.unsigned_abs(), strides })
    }

    /// The addresses.
    pub fn span(&self) -> Range<usize> {
        self.lowest.addr()..self.lowest.addr() + self.len * self.dtype.size()
    }

    /// The elements.
    ///
    /// # Safety
    /// The addresses are those of live memory, readable, and writable where elements will be written.
    /// Elements of the view are not used by others during `'a`, those between them may be.
    pub unsafe fn elements<'a>(&self) -> Elements<'a> {
        // SAFETY: alignment and length were checked, the caller vouches for the memory, and `Cell` claims
        // nothing about elements that are not accessed.
        unsafe {
            match self.dtype {
                Dtype::F32 => Elements::F32(cells(self.lowest, self.len)),
                Dtype::F16 => Elements::F16(cells(self.lowest, self.len)),
                Dtype::Bf16 => Elements::Bf16(cells(self.lowest, self.len)),
            }
        }
    }
}

/// # Safety
/// As [`Strided::elements`].
unsafe fn cells<'a, T>(lowest: *const c_void, len: usize) -> &'a [Cell<T>] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(lowest.cast(), len) }
}
