//! Structs that grow from version to version.
//!
//! A struct from C starts with its size as the caller compiled it. A smaller one comes from an older header:
//! the fields that it lacks have their defaults. A larger one comes from a newer header: it is accepted if
//! the bytes that this version does not know are zero.
//!
//! Every such struct has a `kakeya_*_init` function beside it. They are all alike, and written out because
//! cbindgen does not see functions that macros make.

use super::codes::kakeya_status;
use super::status::guard;
use crate::error::{Error, Result};
use libc::size_t;
use std::ptr;

/// Largest struct size that is accepted.
const LARGEST: usize = 4096;

/// A struct that starts with `struct_size: size_t`.
///
/// # Safety
/// The type is `repr(C)`, starts with a `size_t` and consists of plain values.
pub(super) unsafe trait SizedStruct: Copy {
    /// Name in messages.
    const NAME: &'static str;
    /// The defaults, with `struct_size` set.
    fn defaults() -> Self;
}

fn check_size(size: usize) -> Result<()> {
    // Every version of a struct ends where its alignment, that of its first field, lets it end.
    if (size_of::<size_t>()..=LARGEST).contains(&size) && size.is_multiple_of(align_of::<size_t>()) {
        return Ok(());
    }
    Err(Error::BadParam { what: "struct_size", got: size as f64, expected: "the size of the struct" })
}

/// Reads a struct; fields that an older caller does not know have their defaults.
///
/// # Safety
/// A pointer that is not NULL points to a struct whose first `size_t` is the number of its readable bytes.
pub(super) unsafe fn read<T: SizedStruct>(from: *const T) -> Result<T> {
    if from.is_null() {
        return Err(Error::NullPointer { what: T::NAME });
    }
    // SAFETY: every struct starts with its size.
    let size = unsafe { from.cast::<size_t>().read_unaligned() };
    check_size(size)?;
    let known = size.min(size_of::<T>());
    let mut value = T::defaults();
    // SAFETY: `size` bytes are readable, `T` consists of plain values, and no more than both have is copied.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), ptr::from_mut(&mut value).cast::<u8>(), known) };
    for at in known..size {
        // SAFETY: within the struct's own size.
        if unsafe { from.cast::<u8>().add(at).read() } != 0 {
            let expected = "zero in the fields that this version does not know";
            return Err(Error::BadParam { what: T::NAME, got: at as f64, expected });
        }
    }
    Ok(value)
}

/// Element `index` of an array of structs, which step by the size of the first.
///
/// # Safety
/// `from` points to more than `index` structs, each as in [`read`].
pub(super) unsafe fn read_element<T: SizedStruct>(from: *const T, index: usize) -> Result<T> {
    if from.is_null() {
        return Err(Error::NullPointer { what: T::NAME });
    }
    // SAFETY: every struct starts with its size.
    let step = unsafe { from.cast::<size_t>().read_unaligned() };
    check_size(step)?;
    // SAFETY: the caller vouches for the element.
    unsafe { read(from.wrapping_byte_add(index.wrapping_mul(step))) }
}

/// The body of a `kakeya_*_init` function: fills in the defaults that fit in `size` bytes.
///
/// # Safety
/// A pointer that is not NULL points to `size` writable bytes.
pub(super) unsafe fn init<T: SizedStruct>(to: *mut T, size: usize) -> kakeya_status {
    // SAFETY: as above.
    guard(|| unsafe { write_sized(to, size, &T::defaults()) })
}

/// Writes an output struct: as much of it as the caller knows, and zeros beyond it.
///
/// # Safety
/// `to` points to `size` writable bytes.
pub(super) unsafe fn write_out<T: Copy>(to: *mut T, size: usize, value: &T) {
    // SAFETY: `size` bytes are writable.
    unsafe {
        ptr::write_bytes(to.cast::<u8>(), 0, size);
        ptr::copy_nonoverlapping(
            ptr::from_ref(value).cast::<u8>(),
            to.cast::<u8>(),
            size.min(size_of::<T>()),
        );
    }
}

/// Writes an output struct that may be passed in again: its `struct_size` becomes `size`.
///
/// # Safety
/// A pointer that is not NULL points to `size` writable bytes.
pub(super) unsafe fn write_sized<T: SizedStruct>(to: *mut T, size: usize, value: &T) -> Result<()> {
    if to.is_null() {
        return Err(Error::NullPointer { what: T::NAME });
    }
    check_size(size)?;
    // SAFETY: `size` bytes are writable, and every struct starts with its size.
    unsafe {
        write_out(to, size, value);
        to.cast::<size_t>().write_unaligned(size);
    }
    Ok(())
}

macro_rules! sized {
    ($type:ident { $($field:ident: $value:expr),* $(,)? }) => {
        // SAFETY: `repr(C)`, starts with `struct_size`, plain values only.
        unsafe impl SizedStruct for $type {
            const NAME: &'static str = stringify!($type);
            fn defaults() -> Self {
                Self { struct_size: size_of::<Self>(), $($field: $value),* }
            }
        }
    };
}

pub(super) use sized;
