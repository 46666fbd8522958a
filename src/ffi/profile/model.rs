//! Profiles as bytes, and what they say about the model as a whole.

use super::quality::{kakeya_policy, kakeya_quality, policy_of, quality_of};
use crate::error::{Count, Error};
use crate::ffi::codes::kakeya_status;
use crate::ffi::handle;
use crate::ffi::sized::write_sized;
use crate::ffi::slice;
use crate::ffi::status::guard;
use crate::profile::Profile;
use libc::{c_char, c_void, size_t};

/// Streams, skeletons, qualities and policy of one model. Immutable; any number of threads may share it.
pub struct kakeya_profile {
    pub(super) profile: Profile,
}

/// Reads what `kakeya_profile_save` wrote: all `len` bytes and nothing else. Accepts any bytes; memory is in
/// proportion to `len`.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, OUT_OF_MEMORY.
///
/// # Safety
/// `src` has `len` readable bytes; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_load(
    src: *const c_void,
    len: size_t,
    out: *mut *mut kakeya_profile,
) -> kakeya_status {
    let load = || {
        // SAFETY: the caller vouches for `len` bytes.
        Ok(kakeya_profile { profile: Profile::load(unsafe { slice::bytes(src, len, "src") }?)? })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, load) }
}

/// Bytes that `kakeya_profile_save` writes.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_size(
    profile: *const kakeya_profile,
    out: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", out, "out", |handle| Ok(handle.profile.saved_bytes())) }
}

/// Writes a profile, skeletons included, with format version and checksum, to the start of `dst`; `written`
/// receives its size.
///
/// # Safety
/// `profile` is a live profile; `dst` has `cap` writable bytes; `written` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_save(
    profile: *const kakeya_profile,
    dst: *mut c_void,
    cap: size_t,
    written: *mut size_t,
) -> kakeya_status {
    let save = |handle: &kakeya_profile| {
        // SAFETY: the caller vouches for `cap` bytes.
        handle.profile.save(unsafe { slice::bytes_mut(dst, cap, "dst") }?)
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", written, "written", save) }
}

/// Frees a profile; NULL is a no-op. Codecs and skeletons that were made from it keep what they need.
///
/// # Safety
/// `profile` is NULL, or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_free(profile: *mut kakeya_profile) {
    // SAFETY: as above.
    unsafe { handle::free(profile) };
}

/// BLAKE3 of the saved form: equal profiles have equal fingerprints. Writes 32 bytes to `out`.
///
/// # Safety
/// `profile` is a live profile; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_fingerprint(
    profile: *const kakeya_profile,
    out: *mut u8,
) -> kakeya_status {
    let out: *mut [u8; 32] = out.cast();
    // SAFETY: the caller vouches for the pointers; bytes have no alignment.
    unsafe { handle::read_into(profile, "profile", out, "out", |handle| Ok(*handle.profile.fingerprint())) }
}

/// The 32 bytes that tie the profile to its model, as given to `kakeya_profile_builder_set_model`.
///
/// # Safety
/// `profile` is a live profile; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_model_fingerprint(
    profile: *const kakeya_profile,
    out: *mut u8,
) -> kakeya_status {
    let out: *mut [u8; 32] = out.cast();
    // SAFETY: the caller vouches for the pointers; bytes have no alignment.
    unsafe { handle::read_into(profile, "profile", out, "out", |handle| Ok(*handle.profile.model())) }
}

/// Copies the human-readable description to `buf`: as much as fits in `cap` bytes, with a NUL at the end.
/// `len` receives the full length without the NUL. `buf` may be NULL if `cap` is 0.
///
/// # Safety
/// `profile` is a live profile; `buf` has `cap` writable bytes; `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_description(
    profile: *const kakeya_profile,
    buf: *mut c_char,
    cap: size_t,
    len: *mut size_t,
) -> kakeya_status {
    let copy = |handle: &kakeya_profile| {
        let text = handle.profile.description().as_bytes();
        if cap > 0 {
            // SAFETY: the caller vouches for `cap` bytes at `buf`.
            let buf = unsafe { slice::bytes_mut(buf.cast(), cap, "buf") }?;
            let fits = text.len().min(cap - 1);
            buf[..fits].copy_from_slice(&text[..fits]);
            buf[fits] = 0;
        }
        Ok(text.len())
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", len, "len", copy) }
}

/// The default step of the model; 0 = every stream has the step of its own parameters.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_step(profile: *const kakeya_profile, out: *mut f32) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", out, "out", |handle| Ok(handle.profile.default_step())) }
}

/// The policy. Writes the first `policy_size` bytes of the struct, including its `struct_size`. `raw_layers`
/// points into the profile and lives as long as it does.
///
/// # Safety
/// `profile` is a live profile; `policy` has `policy_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_policy(
    profile: *const kakeya_profile,
    policy: *mut kakeya_policy,
    policy_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let value = policy_of(unsafe { slice::object(profile, "profile") }?.profile.policy());
        // SAFETY: the caller vouches for `policy_size` bytes.
        unsafe { write_sized(policy, policy_size, &value) }
    })
}

/// Number of entries in the table of qualities.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_qualities(
    profile: *const kakeya_profile,
    out: *mut size_t,
) -> kakeya_status {
    let count = |handle: &kakeya_profile| Ok(handle.profile.qualities().len());
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", out, "out", count) }
}

/// Entry `index` of the table of qualities. Writes the first `quality_size` bytes of the struct, including
/// its `struct_size`.
///
/// # Safety
/// `profile` is a live profile; `quality` has `quality_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_quality(
    profile: *const kakeya_profile,
    index: size_t,
    quality: *mut kakeya_quality,
    quality_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let table = unsafe { slice::object(profile, "profile") }?.profile.qualities();
        let outside =
            Error::BadShape { what: "index of a quality", got: index, expected: Count::Below(table.len()) };
        let value = quality_of(table.get(index).ok_or(outside)?);
        // SAFETY: the caller vouches for `quality_size` bytes.
        unsafe { write_sized(quality, quality_size, &value) }
    })
}
