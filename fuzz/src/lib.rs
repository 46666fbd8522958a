//! Fuzz targets of kakeyaturbo: those of `targets/`, and that of the C++ adapter.

pub use kakeyaturbo_fuzz_targets as targets;

unsafe extern "C" {
    /// In `cpp/session.cpp`.
    fn kakeya_fuzz_session(data: *const u8, size: usize);
}

/// States and session files of llama.cpp are compressed and restored, or refused.
pub fn session(data: &[u8]) {
    // SAFETY: a slice.
    unsafe { kakeya_fuzz_session(data.as_ptr(), data.len()) }
}
