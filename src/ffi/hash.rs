//! The hash that names profiles and skeletons, for what a caller keeps beside them.

use super::boundary::guard;
use super::slice;
use super::types::kakeya_status;

/// BLAKE3 of `len` bytes: what `kakeya_profile_fingerprint` and `kakeya_skeleton_id` are made with. For the fingerprint
/// that ties a profile to its model, and for checksums of what is stored beside blocks.
///
/// # Safety
/// `src` has `len` readable bytes; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_hash(src: *const libc::c_void, len: usize, out: *mut u8) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (bytes, out) =
            unsafe { (slice::bytes(src, len, "src")?, slice::bytes_mut(out.cast(), 32, "out")?) };
        out.copy_from_slice(blake3::hash(bytes).as_bytes());
        Ok(())
    })
}
