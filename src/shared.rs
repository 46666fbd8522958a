//! Shared ownership whose allocation can fail: [`std::sync::Arc`], except that it returns an error when
//! memory is short, where `Arc` aborts the process. There are no weak references, so one count is enough.
//!
//! This is the only unsafe code outside the C API. It is as small as it can be: a pointer, a count, and the
//! few places that use them.

use crate::error::{Result, try_reserve};
use std::fmt;
use std::ops::Deref;
use std::process::abort;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// A value with any number of owners, on any threads. The last one drops it.
pub struct Shared<T> {
    counted: NonNull<Counted<T>>,
}

/// What an owner points to.
struct Counted<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: owners on several threads read the value, and any of them may be the one that drops it.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above; a reference to an owner makes another owner.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Moves a value to the heap.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(value: T) -> Result<Self> {
        // A vector of one, since `Box::new` aborts. Its room is exact, so nothing is moved when it becomes a
        // box.
        let mut one = try_reserve(1, "a shared object")?;
        one.push(Counted { owners: AtomicUsize::new(1), value });
        let counted = Box::leak(one.into_boxed_slice());
        Ok(Self { counted: NonNull::from(counted).cast() })
    }

    /// Whether both own the same value, not only equal ones.
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        a.counted == b.counted
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: it lives as long as it has an owner, which `self` is.
        unsafe { self.counted.as_ref() }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // So many owners only exist if a program forgets them, and a count that wraps would free what is in
        // use. Half the range is left for threads that come here before one of them aborts. Nothing is
        // published by a new owner, so the order is relaxed.
        if self.counted().owners.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            abort();
        }
        Self { counted: self.counted }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if self.counted().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // What other owners did with the value, up to their release of it, comes before the drop.
        fence(Ordering::Acquire);
        // SAFETY: it came from a boxed slice of one element, which has the layout of the element, and this
        // was its last owner.
        drop(unsafe { Box::from_raw(self.counted.as_ptr()) });
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::thread;

    struct Told<'a>(&'a Cell<u32>);

    impl Drop for Told<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn the_last_owner_drops_it_once() {
        let drops = Cell::new(0);
        let one = Shared::new(Told(&drops)).unwrap();
        let two = one.clone();
        assert!(Shared::ptr_eq(&one, &two));
        drop(one);
        assert_eq!(drops.get(), 0);
        drop(two);
        assert_eq!(drops.get(), 1);
    }

    #[test]
    fn equal_is_not_the_same() {
        let (one, other) = (Shared::new(7).unwrap(), Shared::new(7).unwrap());
        assert_eq!(one, other);
        assert!(!Shared::ptr_eq(&one, &other));
        assert_eq!(format!("{one:?}"), "7");
    }

    #[test]
    fn threads_share_it() {
        let text = Shared::new("text".to_owned()).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let text = text.clone();
                thread::spawn(move || (0..1000).map(|_| text.clone().len()).sum::<usize>())
            })
            .collect();
        drop(text);
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 4000));
    }
}
