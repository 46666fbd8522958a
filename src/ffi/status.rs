//! Codes, their texts, and the message of this thread's last failure.

use super::boundary::guard;
use super::slice;
use super::types::*;
use crate::error::{Error, Result};
use libc::{c_char, size_t};
use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt::Write;

/// Bytes of a message, with its NUL.
pub(super) const MESSAGE_BYTES: usize = 240;

/// A message of bounded length, cut at a character.
pub(super) struct Message {
    bytes: [u8; MESSAGE_BYTES],
    len: usize,
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut take = text.len().min(MESSAGE_BYTES - 1 - self.len);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}

impl Message {
    /// Becomes `text` up to its first NUL.
    pub fn set(&mut self, text: &[u8]) {
        self.len = text.iter().position(|&byte| byte == 0).unwrap_or(text.len()).min(MESSAGE_BYTES - 1);
        self.bytes[..self.len].copy_from_slice(&text[..self.len]);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

thread_local! {
    static LAST: RefCell<Message> = const { RefCell::new(Message { bytes: [0; MESSAGE_BYTES], len: 0 }) };
}

/// Makes `error` this thread's last error and returns its code.
pub(super) fn record(error: &Error) -> kakeya_status {
    with_last(|last| {
        last.len = 0;
        // Writing to a `Message` cannot fail.
        let _ = write!(last, "{error}");
    });
    code_of(error)
}

/// Gives access to this thread's message. A thread that is ending has none left.
pub(super) fn with_last(look: impl FnOnce(&mut Message)) {
    let _ = LAST.try_with(|last| look(&mut last.borrow_mut()));
}

fn code_of(error: &Error) -> kakeya_status {
    match error {
        Error::NullPointer { .. } => KAKEYA_ERR_NULL_POINTER,
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

/// Every code with its name and its text.
const CODES: [(kakeya_status, &CStr, &CStr); 20] = [
    (KAKEYA_OK, c"KAKEYA_OK", c"success"),
    (KAKEYA_ERR_NULL_POINTER, c"KAKEYA_ERR_NULL_POINTER", c"a pointer that must not be NULL is NULL"),
    (
        KAKEYA_ERR_BAD_PARAM,
        c"KAKEYA_ERR_BAD_PARAM",
        c"a parameter is outside its range or contradicts another one",
    ),
    (
        KAKEYA_ERR_BAD_SHAPE,
        c"KAKEYA_ERR_BAD_SHAPE",
        c"a dimension, a row count, a range or a stride does not fit",
    ),
    (
        KAKEYA_ERR_BAD_DTYPE,
        c"KAKEYA_ERR_BAD_DTYPE",
        c"an element type is unknown, or its data is not aligned",
    ),
    (KAKEYA_ERR_UNSUPPORTED, c"KAKEYA_ERR_UNSUPPORTED", c"this combination is not offered"),
    (KAKEYA_ERR_NOT_FINITE, c"KAKEYA_ERR_NOT_FINITE", c"input contains NaN or an infinity"),
    (KAKEYA_ERR_CORRUPT, c"KAKEYA_ERR_CORRUPT", c"the bytes are not a valid block, skeleton or profile"),
    (KAKEYA_ERR_TRUNCATED, c"KAKEYA_ERR_TRUNCATED", c"the bytes end before what their header announces"),
    (KAKEYA_ERR_WRONG_CODEC, c"KAKEYA_ERR_WRONG_CODEC", c"the block was written by another codec"),
    (
        KAKEYA_ERR_WRONG_VERSION,
        c"KAKEYA_ERR_WRONG_VERSION",
        c"the bytes carry a format version that is not read here",
    ),
    (
        KAKEYA_ERR_BOUND_NOT_MET,
        c"KAKEYA_ERR_BOUND_NOT_MET",
        c"the asked maximum error cannot be kept at this rate",
    ),
    (
        KAKEYA_ERR_DST_TOO_SMALL,
        c"KAKEYA_ERR_DST_TOO_SMALL",
        c"the destination is smaller than what has to be written",
    ),
    (KAKEYA_ERR_OUT_OF_MEMORY, c"KAKEYA_ERR_OUT_OF_MEMORY", c"memory could not be reserved"),
    (KAKEYA_ERR_NOT_CONVERGED, c"KAKEYA_ERR_NOT_CONVERGED", c"the eigenvalue iteration did not converge"),
    (
        KAKEYA_ERR_POISONED,
        c"KAKEYA_ERR_POISONED",
        c"a defect was caught while this object was in use; free it",
    ),
    (KAKEYA_ERR_BUSY, c"KAKEYA_ERR_BUSY", c"the object is in use by another call"),
    (KAKEYA_ERR_NOT_RUN, c"KAKEYA_ERR_NOT_RUN", c"the runner of a batch left this item out"),
    (KAKEYA_ERR_PANIC, c"KAKEYA_ERR_PANIC", c"a defect inside the library was caught"),
    (i32::MIN, c"KAKEYA_ERR_UNKNOWN", c"not a status of this library"),
];

fn entry(status: kakeya_status) -> &'static (kakeya_status, &'static CStr, &'static CStr) {
    CODES.iter().find(|(code, ..)| *code == status).unwrap_or(&CODES[CODES.len() - 1])
}

/// Name of a status, such as "KAKEYA_ERR_CORRUPT". Static, never NULL, for any integer.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_status_name(status: i32) -> *const c_char {
    entry(status).1.as_ptr()
}

/// What a status means, in words. Static, never NULL, for any integer.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_status_text(status: i32) -> *const c_char {
    entry(status).2.as_ptr()
}

/// Copies the message of this thread's last failure, with the numbers behind it, to `buf`: as much as fits in
/// `cap` bytes with a NUL at the end. `len` gets the full length without the NUL. `buf` may be NULL if `cap`
/// is 0. The message stays until the next failure on this thread; it is empty before the first one.
///
/// # Safety
/// `buf` has `cap` writable bytes; `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_last_error_message(
    buf: *mut c_char,
    cap: size_t,
    len: *mut size_t,
) -> kakeya_status {
    // Not `guard`: a failure of this function must not replace the message it is asked for.
    let copy = || -> Result<()> {
        let out = slice::out(len, "len")?;
        if cap > 0 {
            // SAFETY: the caller vouches for `cap` bytes at `buf`.
            let buf = unsafe { slice::bytes_mut(buf.cast(), cap, "buf") }?;
            with_last(|last| {
                let fits = last.len.min(buf.len() - 1);
                buf[..fits].copy_from_slice(&last.bytes[..fits]);
                buf[fits] = 0;
            });
        }
        // SAFETY: `out` is not NULL and the caller vouches for it.
        with_last(|last| unsafe { out.write(last.len) });
        Ok(())
    };
    match copy() {
        Ok(()) => KAKEYA_OK,
        Err(error) => guard(|| Err(error)),
    }
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
            let code = record(&error);
            assert_ne!(entry(code).0, i32::MIN, "{error}");
            with_last(|last| assert_eq!(last.bytes(), error.to_string().as_bytes()));
        }
        assert_eq!(entry(123_456).1, c"KAKEYA_ERR_UNKNOWN");
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut message = Message { bytes: [0; MESSAGE_BYTES], len: 0 };
        for _ in 0..300 {
            message.write_str("é").unwrap();
        }
        assert_eq!(message.len, 238);
        assert!(std::str::from_utf8(message.bytes()).is_ok());
    }
}
