//! Defaults for the structs that callers fill in.

use super::boundary::guard;
use super::sized::init;
use super::types::*;
use libc::size_t;

/// Fills `params` with the defaults: turbo, MSE, 4 bits. `struct_size` is `sizeof(*params)`, here as in all
/// functions of this kind; it is what tells versions apart, so no other way of filling the struct is safe.
///
/// # Safety
/// `params` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_params_init(
    params: *mut kakeya_params,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(params, struct_size) })
}

/// Fills `segment` with the defaults: dim 0, which must be set, gain 1, no RoPE.
///
/// # Safety
/// `segment` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_segment_init(
    segment: *mut kakeya_segment,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(segment, struct_size) })
}

/// Fills `layout` with the defaults: no segments, which must be set.
///
/// # Safety
/// `layout` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_layout_init(
    layout: *mut kakeya_layout,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(layout, struct_size) })
}

/// Fills `view` with the defaults: f32, column stride 1; data and row stride must be set.
///
/// # Safety
/// `view` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_view_init(view: *mut kakeya_view, struct_size: size_t) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(view, struct_size) })
}

/// Fills `view` with the defaults: f32, column stride 1; data and row stride must be set.
///
/// # Safety
/// `view` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_view_mut_init(
    view: *mut kakeya_view_mut,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(view, struct_size) })
}

/// Fills `rows` with the defaults: no rows; `n_rows` and views must be set.
///
/// # Safety
/// `rows` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_rows_init(rows: *mut kakeya_rows, struct_size: size_t) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(rows, struct_size) })
}

/// Fills `rows` with the defaults: no rows; `n_rows` and views must be set.
///
/// # Safety
/// `rows` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_rows_mut_init(
    rows: *mut kakeya_rows_mut,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(rows, struct_size) })
}

/// Fills `item` with NULL pointers; all fields must be set.
///
/// # Safety
/// `item` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_encode_item_init(
    item: *mut kakeya_encode_item,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(item, struct_size) })
}

/// Fills `item` with NULL pointers; all fields must be set.
///
/// # Safety
/// `item` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_decode_item_init(
    item: *mut kakeya_decode_item,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(item, struct_size) })
}
