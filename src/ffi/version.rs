//! Versions at run time, and the hash that fingerprints are made with.

use super::codes::kakeya_status;
use super::slice;
use super::status::guard;
use libc::{c_char, c_void, size_t};
use std::ffi::CStr;

/// Version of the binary interface. It changes when programs that were compiled against an older header would
/// no longer work; the soname changes with it.
pub const KAKEYA_ABI_VERSION: u32 = 1;

/// A part of the version, which cargo checked.
macro_rules! part {
    ($name:literal) => {
        match u32::from_str_radix(env!($name), 10) {
            Ok(part) => part,
            Err(_) => panic!("cargo checked the version"),
        }
    };
}

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("the version has no NUL"),
};

/// Version of the library as a string, such as "0.1.0". Static.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_version_string() -> *const c_char {
    VERSION.as_ptr()
}

/// Version of the library: major * 1000000 + minor * 1000 + patch. Compare with `KAKEYA_VERSION_NUMBER`.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_version_number() -> u32 {
    const MAJOR: u32 = part!("CARGO_PKG_VERSION_MAJOR");
    const MINOR: u32 = part!("CARGO_PKG_VERSION_MINOR");
    const PATCH: u32 = part!("CARGO_PKG_VERSION_PATCH");
    MAJOR * 1_000_000 + MINOR * 1_000 + PATCH
}

/// `KAKEYA_ABI_VERSION` of the loaded library. Compare with the macro.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_abi_version() -> u32 {
    KAKEYA_ABI_VERSION
}

/// BLAKE3 of `len` bytes, the hash behind all fingerprints and ids. Use it for the fingerprint that ties a
/// profile to its model, and for checksums of data that is stored beside blocks. Writes 32 bytes to `out`.
///
/// # Safety
/// `src` has `len` readable bytes; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_hash(src: *const c_void, len: size_t, out: *mut u8) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (bytes, out) =
            unsafe { (slice::bytes(src, len, "src")?, slice::bytes_mut(out.cast(), 32, "out")?) };
        out.copy_from_slice(blake3::hash(bytes).as_bytes());
        Ok(())
    })
}
