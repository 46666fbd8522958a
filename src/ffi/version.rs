//! Versions at run time.

use libc::c_char;
use std::ffi::CStr;

/// Version of the binary interface. It changes where a program that was compiled against an older header would
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

/// Version of the library as text, such as "0.1.0". Static.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_version_string() -> *const c_char {
    VERSION.as_ptr()
}

/// Version of the library: major · 1,000,000 + minor · 1,000 + patch. Compare with `KAKEYA_VERSION_NUMBER`.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_version_number() -> u32 {
    const MAJOR: u32 = part!("CARGO_PKG_VERSION_MAJOR");
    const MINOR: u32 = part!("CARGO_PKG_VERSION_MINOR");
    const PATCH: u32 = part!("CARGO_PKG_VERSION_PATCH");
    MAJOR * 1_000_000 + MINOR * 1_000 + PATCH
}

/// `KAKEYA_ABI_VERSION` of the library that is loaded. Compare with the macro.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_abi_version() -> u32 {
    KAKEYA_ABI_VERSION
}
