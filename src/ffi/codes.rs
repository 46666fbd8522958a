//! Status codes, their names, and what they mean.

use crate::error::Error;
use libc::c_char;
use std::ffi::CStr;

/// Result of every fallible function: `KAKEYA_OK` or one of `KAKEYA_ERR_*`.
pub type kakeya_status = i32;

/// Success.
pub const KAKEYA_OK: kakeya_status = 0;
/// A pointer that must not be NULL is NULL.
pub const KAKEYA_ERR_NULL_POINTER: kakeya_status = 100;
/// A parameter is out of range or contradicts another one.
pub const KAKEYA_ERR_BAD_PARAM: kakeya_status = 101;
/// A dimension, a row count, a range or a stride does not fit the codec, the workspace or memory.
pub const KAKEYA_ERR_BAD_SHAPE: kakeya_status = 102;
/// An element type is unknown, or data is not aligned to its element size.
pub const KAKEYA_ERR_BAD_DTYPE: kakeya_status = 103;
/// The combination is valid, but this version or this machine does not support it.
pub const KAKEYA_ERR_UNSUPPORTED: kakeya_status = 104;
/// The input contains NaN or infinity, and the codec does not accept them.
pub const KAKEYA_ERR_NOT_FINITE: kakeya_status = 200;
/// The bytes are not a valid block, skeleton or profile.
pub const KAKEYA_ERR_CORRUPT: kakeya_status = 201;
/// The bytes end before the size that their header states.
pub const KAKEYA_ERR_TRUNCATED: kakeya_status = 202;
/// The block was written by a codec with other parameters, another layout or another skeleton.
pub const KAKEYA_ERR_WRONG_CODEC: kakeya_status = 203;
/// The bytes have a format version that this library does not read.
pub const KAKEYA_ERR_WRONG_VERSION: kakeya_status = 204;
/// The requested error bound cannot be met at this rate, or the requested size at any step.
pub const KAKEYA_ERR_BOUND_NOT_MET: kakeya_status = 205;
/// The destination is too small for what has to be written.
pub const KAKEYA_ERR_DST_TOO_SMALL: kakeya_status = 300;
/// Memory could not be allocated.
pub const KAKEYA_ERR_OUT_OF_MEMORY: kakeya_status = 301;
/// The eigenvalue iteration did not converge.
pub const KAKEYA_ERR_NOT_CONVERGED: kakeya_status = 302;
/// A panic was caught while this object was in use; it can only be freed.
pub const KAKEYA_ERR_POISONED: kakeya_status = 400;
/// Another call is using the object.
pub const KAKEYA_ERR_BUSY: kakeya_status = 401;
/// The runner of a batch returned without having run this item.
pub const KAKEYA_ERR_NOT_RUN: kakeya_status = 402;
/// A defect inside the library, caught before it reached the caller.
pub const KAKEYA_ERR_PANIC: kakeya_status = 900;

pub(super) fn code_of(error: &Error) -> kakeya_status {
    match error {
        Error::NullPointer { .. } | Error::Missing { .. } => KAKEYA_ERR_NULL_POINTER,
        Error::BadParam { .. }
        | Error::BadWeight { .. }
        | Error::Overlap { .. }
        | Error::NoRawSlot { .. }
        | Error::NotInProfile { .. } => KAKEYA_ERR_BAD_PARAM,
        Error::BadShape { .. } | Error::OutOfRange { .. } | Error::OtherWorkspace { .. } => {
            KAKEYA_ERR_BAD_SHAPE
        }
        Error::BadDtype { .. } | Error::Misaligned { .. } => KAKEYA_ERR_BAD_DTYPE,
        Error::Unsupported { .. } => KAKEYA_ERR_UNSUPPORTED,
        Error::NotFinite { .. } => KAKEYA_ERR_NOT_FINITE,
        Error::Corrupt { .. } => KAKEYA_ERR_CORRUPT,
        Error::Truncated { .. } => KAKEYA_ERR_TRUNCATED,
        Error::WrongCodec { .. } => KAKEYA_ERR_WRONG_CODEC,
        Error::WrongVersion { .. } => KAKEYA_ERR_WRONG_VERSION,
        Error::BoundNotMet { .. } | Error::RawNotExact { .. } | Error::MaxBytesNotMet { .. } => {
            KAKEYA_ERR_BOUND_NOT_MET
        }
        Error::DstTooSmall { .. } => KAKEYA_ERR_DST_TOO_SMALL,
        Error::OutOfMemory { .. } => KAKEYA_ERR_OUT_OF_MEMORY,
        Error::NotConverged { .. } => KAKEYA_ERR_NOT_CONVERGED,
        Error::Poisoned { .. } => KAKEYA_ERR_POISONED,
        Error::Busy { .. } => KAKEYA_ERR_BUSY,
        Error::NotRun => KAKEYA_ERR_NOT_RUN,
        Error::Panic(_) => KAKEYA_ERR_PANIC,
    }
}

/// A code, its name and its meaning.
type Entry = (kakeya_status, &'static CStr, &'static CStr);

macro_rules! entries {
    ($($code:ident $text:literal)*) => {
        [$(entry($code, concat!(stringify!($code), "\0"), concat!($text, "\0"))),*]
    };
}

const fn entry(code: kakeya_status, name: &'static str, text: &'static str) -> Entry {
    match (CStr::from_bytes_with_nul(name.as_bytes()), CStr::from_bytes_with_nul(text.as_bytes())) {
        (Ok(name), Ok(text)) => (code, name, text),
        _ => panic!("names and texts have no NUL inside"),
    }
}

const CODES: [Entry; 19] = entries! {
    KAKEYA_OK "success"
    KAKEYA_ERR_NULL_POINTER "a pointer that must not be NULL is NULL"
    KAKEYA_ERR_BAD_PARAM "a parameter is out of range or contradicts another one"
    KAKEYA_ERR_BAD_SHAPE "a dimension, a row count, a range or a stride does not fit"
    KAKEYA_ERR_BAD_DTYPE "an element type is unknown, or its data is not aligned"
    KAKEYA_ERR_UNSUPPORTED "this combination is not supported"
    KAKEYA_ERR_NOT_FINITE "the input contains NaN or infinity"
    KAKEYA_ERR_CORRUPT "the bytes are not a valid block, skeleton or profile"
    KAKEYA_ERR_TRUNCATED "the bytes end before the size that their header states"
    KAKEYA_ERR_WRONG_CODEC "the block was written by another codec"
    KAKEYA_ERR_WRONG_VERSION "the bytes have a format version that this library does not read"
    KAKEYA_ERR_BOUND_NOT_MET "the requested error bound or size cannot be met"
    KAKEYA_ERR_DST_TOO_SMALL "the destination is too small"
    KAKEYA_ERR_OUT_OF_MEMORY "memory could not be allocated"
    KAKEYA_ERR_NOT_CONVERGED "the eigenvalue iteration did not converge"
    KAKEYA_ERR_POISONED "a defect was caught while this object was in use; free it"
    KAKEYA_ERR_BUSY "another call is using the object"
    KAKEYA_ERR_NOT_RUN "the runner of a batch left this item out"
    KAKEYA_ERR_PANIC "a defect inside the library was caught"
};

const UNKNOWN: Entry = (i32::MIN, c"KAKEYA_ERR_UNKNOWN", c"not a status of this library");

fn find_entry(status: kakeya_status) -> &'static Entry {
    CODES.iter().find(|(code, ..)| *code == status).unwrap_or(&UNKNOWN)
}

/// Name of a status, such as "KAKEYA_ERR_CORRUPT". Accepts any integer. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_status_name(status: i32) -> *const c_char {
    find_entry(status).1.as_ptr()
}

/// What a status means, in words. Accepts any integer. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_status_text(status: i32) -> *const c_char {
    find_entry(status).2.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_code_with_a_name() {
        let errors = [
            Error::Busy { what: "x" },
            Error::Poisoned { what: "x" },
            Error::NotRun,
            Error::NotConverged { dim: 3 },
            Error::OutOfMemory { what: "x", bytes: 1 },
            Error::BoundNotMet { row: 0, got: 1.0, bound: 0.5 },
            Error::MaxBytesNotMet { max_bytes: 9 },
            Error::Overlap { what: "x" },
            Error::Misaligned { what: "x", size: 4 },
        ];
        for error in errors {
            assert_ne!(find_entry(code_of(&error)).0, i32::MIN, "{error}");
        }
        assert_eq!(find_entry(123_456).1, c"KAKEYA_ERR_UNKNOWN");
    }
}
