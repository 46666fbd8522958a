//! Where rows lie in the tensors of an engine.

use super::codes::kakeya_status;
use super::layout::KAKEYA_DTYPE_F32;
use super::sized::{SizedStruct, init, sized};
use libc::{c_void, size_t};
use std::ptr;

/// Where the rows of one segment are read. Element `c` of row `r` is `data[r * row_stride + c * col_stride]`;
/// strides are in elements and may be negative or zero. Start from `KAKEYA_VIEW_INIT`, then set `data` and
/// `row_stride`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_view {
    /// `sizeof(kakeya_view)`.
    pub struct_size: size_t,
    /// First element of the first row, aligned to the element size.
    pub data: *const c_void,
    /// `KAKEYA_DTYPE_*`. Default: `KAKEYA_DTYPE_F32`.
    pub dtype: u32,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one coordinate to the next. Default: `1`.
    pub col_stride: isize,
}

/// Where the rows of one segment are written; like `kakeya_view`. Start from `KAKEYA_VIEW_MUT_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_view_mut {
    /// `sizeof(kakeya_view_mut)`.
    pub struct_size: size_t,
    /// First element of the first row, aligned to the element size. NULL = this segment is not wanted.
    pub data: *mut c_void,
    /// `KAKEYA_DTYPE_*`. Larger values become its largest finite value. Default: `KAKEYA_DTYPE_F32`.
    pub dtype: u32,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one coordinate to the next. Default: `1`.
    pub col_stride: isize,
}

/// The rows to encode. Start from `KAKEYA_ROWS_INIT`, then set `n_rows` and `views`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_rows {
    /// `sizeof(kakeya_rows)`.
    pub struct_size: size_t,
    /// Number of rows, at least 1.
    pub n_rows: size_t,
    /// One view per segment of the layout; the `struct_size` of the first is their distance in bytes.
    pub views: *const kakeya_view,
    /// `n_rows` positions. Required if any segment has RoPE.
    pub positions: *const i32,
    /// `n_rows` weights of the rows' errors, finite and not negative; NULL = all 1.
    pub weights: *const f32,
    /// `n_rows` flags, nonzero = store this row raw; NULL = none.
    pub protect: *const u8,
}

/// Where decoded rows go. Start from `KAKEYA_ROWS_MUT_INIT`, then set `n_rows` and `views`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_rows_mut {
    /// `sizeof(kakeya_rows_mut)`.
    pub struct_size: size_t,
    /// Number of rows; must equal the number of rows to decode.
    pub n_rows: size_t,
    /// One view per segment of the layout; the `struct_size` of the first is their distance in bytes.
    pub views: *const kakeya_view_mut,
    /// `n_rows` positions at which RoPE is applied. Required if any segment has RoPE, wanted or not. They may
    /// differ from those that were encoded (context shift); rows stored raw are turned by the difference.
    pub positions: *const i32,
}

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

/// Fills `view` with the defaults, as `KAKEYA_VIEW_INIT` does.
///
/// # Safety
/// `view` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_view_init(view: *mut kakeya_view, struct_size: size_t) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(view, struct_size) }
}

/// Fills `view` with the defaults, as `KAKEYA_VIEW_MUT_INIT` does.
///
/// # Safety
/// `view` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_view_mut_init(
    view: *mut kakeya_view_mut,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(view, struct_size) }
}

/// Fills `rows` with the defaults, as `KAKEYA_ROWS_INIT` does.
///
/// # Safety
/// `rows` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_rows_init(rows: *mut kakeya_rows, struct_size: size_t) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(rows, struct_size) }
}

/// Fills `rows` with the defaults, as `KAKEYA_ROWS_MUT_INIT` does.
///
/// # Safety
/// `rows` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_rows_mut_init(
    rows: *mut kakeya_rows_mut,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(rows, struct_size) }
}
