//! Structs that grow from version to version.
//!
//! A struct from C starts with the size that its caller compiled. A smaller one comes from an older header: what
//! it lacks has its default. A larger one comes from a newer header: it is accepted if what this version does
//! not know is zero.

use super::types::*;
use crate::error::{Error, Result};
use libc::size_t;
use std::ptr;

/// Largest struct size that is believed.
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

/// Reads a struct; what an older caller does not know has its default.
///
/// # Safety
/// A pointer that is not NULL points to as many readable bytes as its first `size_t` says.
pub(super) unsafe fn read<T: SizedStruct>(from: *const T) -> Result<T> {
    if from.is_null() {
        return Err(Error::NullPointer { what: T::NAME });
    }
    // SAFETY: every struct starts with its size.
    let size = unsafe { from.cast::<size_t>().read_unaligned() };
    check_size(size)?;
    let known = size.min(size_of::<T>());
    let mut value = T::defaults();
    // SAFETY: `size` bytes are readable, `T` consists of plain values, and only what is there is copied.
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

/// Fills in the defaults that fit in `size` bytes.
///
/// # Safety
/// A pointer that is not NULL points to `size` writable bytes.
pub(super) unsafe fn init<T: SizedStruct>(to: *mut T, size: usize) -> Result<()> {
    if to.is_null() {
        return Err(Error::NullPointer { what: T::NAME });
    }
    check_size(size)?;
    let value = T::defaults();
    // SAFETY: `size` bytes are writable; the struct starts with its size.
    unsafe {
        ptr::write_bytes(to.cast::<u8>(), 0, size);
        ptr::copy_nonoverlapping(
            ptr::from_ref(&value).cast::<u8>(),
            to.cast::<u8>(),
            size.min(size_of::<T>()),
        );
        to.cast::<size_t>().write_unaligned(size);
    }
    Ok(())
}

/// Writes a struct that goes out, as much of it as the caller knows, and zeros beyond it.
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

sized!(kakeya_params {
    preset: KAKEYA_PRESET_TURBO,
    distortion: KAKEYA_DISTORTION_MSE,
    rate_control: KAKEYA_RATE_CONTROL_BITS,
    max_bytes: 0,
    effort: 0,
    bits: 4.0,
    step: 0.0,
    rows_per_run: 128,
    max_abs_error: 0.0,
    variance_ratio: 0.99,
    max_rank: 0,
    kmeans_k: 16,
    kmeans_iters: 10,
    max_protected: 0,
    seed: 0,
    nan_policy: KAKEYA_NAN_POLICY_REJECT,
    checksum: 1,
    cpu_tier: KAKEYA_CPU_TIER_BEST,
    reserved: 0,
});
sized!(kakeya_segment {
    dim: 0,
    gain: 1.0,
    raw_dtype: KAKEYA_DTYPE_F32,
    rope: KAKEYA_ROPE_NONE,
    n_rot: 0,
    inv_freq: ptr::null(),
});
sized!(kakeya_layout { n_segments: 0, segments: ptr::null() });
sized!(kakeya_view { data: ptr::null(), dtype: KAKEYA_DTYPE_F32, row_stride: 0, col_stride: 1 });
sized!(kakeya_view_mut { data: ptr::null_mut(), dtype: KAKEYA_DTYPE_F32, row_stride: 0, col_stride: 1 });
sized!(kakeya_rows {
    n_rows: 0,
    views: ptr::null(),
    positions: ptr::null(),
    weights: ptr::null(),
    protect: ptr::null(),
});
sized!(kakeya_rows_mut { n_rows: 0, views: ptr::null(), positions: ptr::null() });
sized!(kakeya_encode_item { rows: ptr::null(), dst: ptr::null_mut(), dst_cap: 0 });
sized!(kakeya_decode_item { src: ptr::null(), src_len: 0, rows: ptr::null() });
