//! Handles: who owns what, and who may use it now.

use crate::error::{Error, Result, try_reserve};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, Ordering};

/// Moves a value to the heap and gives its ownership to C.
pub(super) fn give<T>(value: T) -> Result<*mut T> {
    // A `Box` of its own would abort where memory is short.
    let mut one = try_reserve(1, "a handle")?;
    one.push(value);
    Ok(Box::into_raw(one.into_boxed_slice()).cast())
}

/// Takes a value back from C and drops it; NULL is nothing.
///
/// # Safety
/// `pointer` is NULL or came from [`give`] and was not taken back yet.
pub(super) unsafe fn take_back<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: as above; a slice of one element has the layout of the element.
        drop(unsafe { Box::from_raw(pointer) });
    }
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

    /// Runs `body` with the value, unless another call does or a panic interrupted one.
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

/// Gives the value free when a call ends, or poisons it when a panic ends it.
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
