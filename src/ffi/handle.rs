//! Handles: the objects that C owns, and which call may use one now.

use super::codes::kakeya_status;
use super::slice;
use super::status::guard;
use crate::error::{Error, Result, try_reserve};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, Ordering};

/// Moves a value to the heap and hands its ownership to C.
pub(super) fn into_c<T>(value: T) -> Result<*mut T> {
    // `Box::new` would abort when memory is short.
    let mut one = try_reserve(1, "a handle")?;
    one.push(value);
    Ok(Box::into_raw(one.into_boxed_slice()).cast())
}

/// The body of a function that creates an object: stores its handle in `out`.
///
/// # Safety
/// `out` is NULL or writable.
pub(super) unsafe fn create<T>(out: *mut *mut T, make: impl FnOnce() -> Result<T>) -> kakeya_status {
    guard(|| {
        let out = slice::out(out, "out")?;
        let handle = into_c(make()?)?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// The body of a function that frees an object; NULL is a no-op.
///
/// # Safety
/// `pointer` is NULL or came from [`into_c`] and was not freed yet.
pub(super) unsafe fn free<T>(pointer: *mut T) {
    guard(|| {
        if !pointer.is_null() {
            // SAFETY: as above; a slice of one element has the layout of the element.
            drop(unsafe { Box::from_raw(pointer) });
        }
        Ok(())
    });
}

/// The body of a getter: looks at an object and stores the result in `out`. Both names are for messages.
///
/// # Safety
/// `object` is NULL or live; `out` is NULL or writable.
pub(super) unsafe fn read_into<H, T>(
    object: *const H,
    object_name: &'static str,
    out: *mut T,
    out_name: &'static str,
    look: impl FnOnce(&H) -> Result<T>,
) -> kakeya_status {
    guard(|| {
        // SAFETY: as above.
        let (object, out) = (unsafe { slice::object(object, object_name) }?, slice::out(out, out_name)?);
        let value = look(object)?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(value) };
        Ok(())
    })
}

const FREE: u8 = 0;
const BUSY: u8 = 1;
const POISONED: u8 = 2;

/// A value that one call at a time may change. A second call finds it busy; after a panic it stays poisoned.
pub(super) struct Exclusive<T> {
    state: AtomicU8,
    value: UnsafeCell<T>,
    what: &'static str,
}

// SAFETY: `state` hands the value to one call at a time.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub fn new(value: T, what: &'static str) -> Self {
        Self { state: AtomicU8::new(FREE), value: UnsafeCell::new(value), what }
    }

    /// Runs `body` with the value, unless another call is using it or a panic has interrupted one.
    pub fn with<U>(&self, body: impl FnOnce(&mut T) -> Result<U>) -> Result<U> {
        match self.state.compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {}
            Err(POISONED) => return Err(Error::Poisoned { what: self.what }),
            Err(_) => return Err(Error::Busy { what: self.what }),
        }
        let release = Release(&self.state);
        // SAFETY: the state was FREE and is BUSY now, so no other call holds the value.
        let result = body(unsafe { &mut *self.value.get() });
        drop(release);
        result
    }
}

/// Releases the value when a call ends, or poisons it when a panic ends the call.
struct Release<'a>(&'a AtomicU8);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let state = if std::thread::panicking() { POISONED } else { FREE };
        self.0.store(state, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn one_call_at_a_time() {
        let exclusive = Exclusive::new(1, "it");
        let nested = exclusive.with(|value| {
            *value += 1;
            Ok(exclusive.with(|_| Ok(())))
        });
        assert_eq!(nested.unwrap(), Err(Error::Busy { what: "it" }));
        assert_eq!(exclusive.with(|value| Ok(*value)), Ok(2));
    }

    #[test]
    fn a_panic_poisons() {
        let exclusive = Exclusive::new(1, "it");
        std::panic::set_hook(Box::new(|_| {}));
        let caught = catch_unwind(AssertUnwindSafe(|| exclusive.with::<()>(|_| panic!("defect"))));
        let _ = std::panic::take_hook();
        assert!(caught.is_err());
        assert_eq!(exclusive.with(|_| Ok(())), Err(Error::Poisoned { what: "it" }));
    }
}
