//! Skeletons as bytes.

use super::codes::kakeya_status;
use super::handle;
use super::slice;
use crate::shared::Shared;
use crate::skeleton::Skeleton;
use libc::{c_void, size_t};

/// What was fitted to rows: mean, basis, centres. Immutable; any number of threads and codecs may share it.
pub struct kakeya_skeleton {
    pub(super) skeleton: Shared<Skeleton>,
}

/// Bytes that `kakeya_skeleton_save` writes.
///
/// # Safety
/// `skeleton` is a live skeleton; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_size(
    skeleton: *const kakeya_skeleton,
    out: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(skeleton, "skeleton", out, "out", |handle| Ok(handle.skeleton.saved_bytes())) }
}

/// Writes a skeleton, with format version and checksum, to the start of `dst`; `written` receives its size.
///
/// # Safety
/// `skeleton` is a live skeleton; `dst` has `cap` writable bytes; `written` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_save(
    skeleton: *const kakeya_skeleton,
    dst: *mut c_void,
    cap: size_t,
    written: *mut size_t,
) -> kakeya_status {
    let save = |handle: &kakeya_skeleton| {
        // SAFETY: the caller vouches for `cap` bytes.
        handle.skeleton.save(unsafe { slice::bytes_mut(dst, cap, "dst") }?)
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(skeleton, "skeleton", written, "written", save) }
}

/// Reads what `kakeya_skeleton_save` wrote: all `len` bytes and nothing else. Accepts any bytes; memory is in
/// proportion to `len`.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, OUT_OF_MEMORY.
///
/// # Safety
/// `src` has `len` readable bytes; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_load(
    src: *const c_void,
    len: size_t,
    out: *mut *mut kakeya_skeleton,
) -> kakeya_status {
    let load = || {
        // SAFETY: the caller vouches for `len` bytes.
        let skeleton = Skeleton::load(unsafe { slice::bytes(src, len, "src") }?)?;
        Ok(kakeya_skeleton { skeleton: Shared::new(skeleton)? })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, load) }
}

/// BLAKE3 of the saved form: equal skeletons have equal ids. Writes 32 bytes to `out`.
///
/// # Safety
/// `skeleton` is a live skeleton; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_id(skeleton: *const kakeya_skeleton, out: *mut u8) -> kakeya_status {
    let out: *mut [u8; 32] = out.cast();
    // SAFETY: the caller vouches for the pointers; bytes have no alignment.
    unsafe { handle::read_into(skeleton, "skeleton", out, "out", |handle| handle.skeleton.id()) }
}

/// Frees a skeleton; NULL is a no-op. Codecs that were made from it keep what they need.
///
/// # Safety
/// `skeleton` is NULL, or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_free(skeleton: *mut kakeya_skeleton) {
    // SAFETY: as above.
    unsafe { handle::free(skeleton) };
}
