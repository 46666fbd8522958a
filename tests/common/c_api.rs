//! The C API as a caller fills it in.

use kakeyaturbo::ffi::*;
use libc::size_t;
use std::mem::MaybeUninit;
use std::ptr;

/// A struct as its `kakeya_*_init` function leaves it.
pub fn defaults<T>(init: unsafe extern "C" fn(*mut T, size_t) -> kakeya_status) -> T {
    let mut value = MaybeUninit::zeroed();
    // SAFETY: the memory is as large as the function is told, and zeros are values of these structs.
    unsafe {
        assert_eq!(init(value.as_mut_ptr(), size_of::<T>()), KAKEYA_OK);
        value.assume_init()
    }
}

pub fn segment(dim: usize) -> kakeya_segment {
    kakeya_segment { dim, ..defaults(kakeya_segment_init) }
}

pub fn layout(segments: &[kakeya_segment]) -> kakeya_layout {
    let (n_segments, segments) = (segments.len(), segments.as_ptr());
    kakeya_layout { n_segments, segments, ..defaults(kakeya_layout_init) }
}

/// Rows of f32 that lie behind each other.
pub fn view(rows: &[f32], dim: usize) -> kakeya_view {
    let (data, row_stride) = (rows.as_ptr().cast(), dim as isize);
    kakeya_view { data, row_stride, ..defaults(kakeya_view_init) }
}

/// What a call made; `free` gives it back.
pub struct Made<T> {
    pub pointer: *mut T,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Made<T> {
    /// Calls `make`, which writes the pointer. Where it fails it has to leave the pointer alone.
    pub fn new(
        free: unsafe extern "C" fn(*mut T),
        make: impl FnOnce(*mut *mut T) -> kakeya_status,
    ) -> Result<Self, kakeya_status> {
        let mut pointer = ptr::null_mut();
        let status = make(&raw mut pointer);
        assert_eq!(pointer.is_null(), status != KAKEYA_OK, "status {status}");
        if status == KAKEYA_OK { Ok(Self { pointer, free }) } else { Err(status) }
    }
}

impl<T> Drop for Made<T> {
    fn drop(&mut self) {
        // SAFETY: it came from the function that belongs to `free`, and is freed here alone.
        unsafe { (self.free)(self.pointer) };
    }
}
