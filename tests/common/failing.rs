//! An allocator that refuses one request of the current thread, and counts what the thread holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator. A test makes it its `#[global_allocator]`.
pub struct Failing;

thread_local! {
    /// Requests until one is refused; 0 = none will be.
    static LEFT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Whether this request is the one to refuse.
fn refused() -> bool {
    // At the end of a thread the counters may be gone already.
    LEFT.try_with(|left| {
        let before = left.get();
        left.set(before.saturating_sub(1));
        before == 1
    })
    .unwrap_or(false)
}

fn hold(bytes: isize) {
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to `System` with the arguments it came with, or fails as an allocator may; counting
// touches thread-local cells that need no allocation.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refused() {
            return std::ptr::null_mut();
        }
        hold(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refused() {
            return std::ptr::null_mut();
        }
        hold(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Result of `work`, whose request number `nth` was refused, and whether it made so many.
pub fn refusing<T>(nth: usize, work: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(nth);
    let result = work();
    let reached = LEFT.replace(0) == 0;
    (result, reached)
}

/// Bytes that this thread allocated and did not free.
pub fn held() -> isize {
    LIVE.get()
}
