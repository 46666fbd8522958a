//! The boundary that every call from C passes: errors become codes and a message, panics do not pass.

use super::codes::*;
use super::slice;
use crate::error::{Error, PanicText, Result};
use libc::{c_char, size_t};
use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of a message, with its NUL.
pub(super) const MESSAGE_BYTES: usize = 240;

/// A message of bounded length, cut at a character.
pub(super) struct Message {
    bytes: [u8; MESSAGE_BYTES],
    len: usize,
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut fits = text.len().min(MESSAGE_BYTES - 1 - self.len);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        Ok(())
    }
}

impl Message {
    const EMPTY: Self = Self { bytes: [0; MESSAGE_BYTES], len: 0 };

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
    static LAST: RefCell<Message> = const { RefCell::new(Message::EMPTY) };
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

/// Gives access to this thread's message. A thread that is ending no longer has one.
pub(super) fn with_last(look: impl FnOnce(&mut Message)) {
    let _ = LAST.try_with(|last| look(&mut last.borrow_mut()));
}

/// Runs the body of an exported function. A failure is recorded as this thread's last error.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> kakeya_status {
    // Objects that a panic may leave half-changed are poisoned by their own guards.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => KAKEYA_OK,
        Ok(Err(error)) => record(&error),
        Err(payload) => {
            let error = Error::Panic(PanicText::new(panic_text(&*payload)));
            // A payload may panic when it is dropped.
            std::mem::forget(payload);
            record(&error)
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Copies the message of this thread's last failure, with the numbers behind it, to `buf`: as much as fits in
/// `cap` bytes, with a NUL at the end. `len` receives the full length without the NUL. `buf` may be NULL if
/// `cap` is 0. The message stays until the next failure on this thread; before the first one it is empty.
///
/// # Safety
/// `buf` has `cap` writable bytes; `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_last_error_message(
    buf: *mut c_char,
    cap: size_t,
    len: *mut size_t,
) -> kakeya_status {
    // Not `guard`: a failure of this function must not replace the message that the caller wants.
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
    fn the_last_error_is_the_message() {
        let error = Error::OutOfMemory { what: "x", bytes: 1 };
        assert_eq!(record(&error), KAKEYA_ERR_OUT_OF_MEMORY);
        with_last(|last| assert_eq!(last.bytes(), error.to_string().as_bytes()));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut message = Message::EMPTY;
        for _ in 0..300 {
            message.write_str("é").unwrap();
        }
        assert_eq!(message.len, 238);
        assert!(std::str::from_utf8(message.bytes()).is_ok());
    }

    #[test]
    fn panics_become_a_status() {
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(guard(|| panic!("plain")), KAKEYA_ERR_PANIC);
        assert_eq!(guard(|| panic!("with a {}", "value")), KAKEYA_ERR_PANIC);
        assert_eq!(guard(|| std::panic::panic_any(7)), KAKEYA_ERR_PANIC);
        let _ = std::panic::take_hook();
        assert_eq!(guard(|| Err(Error::NotRun)), KAKEYA_ERR_NOT_RUN);
        assert_eq!(guard(|| Ok(())), KAKEYA_OK);
    }
}
