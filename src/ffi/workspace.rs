//! Workspaces: all scratch memory of one thread.

use super::codec::kakeya_codec;
use super::codes::kakeya_status;
use super::handle::{self, Exclusive};
use super::slice;
use super::views::ViewRoom;
use crate::codec::Workspace;
use crate::error::Error;
use libc::size_t;

/// Scratch memory of one thread. One call at a time.
pub struct kakeya_workspace {
    pub(super) inner: Exclusive<CallScratch>,
}

/// The memory that a call works in.
pub(super) struct CallScratch {
    pub workspace: Workspace,
    pub views: ViewRoom,
}

/// Allocates the scratch memory for encoding blocks, or decoding ranges, of at most `max_rows` rows. It
/// also serves another codec of the same kind (fixed rate, at a step, own skeletons) with no larger dimension
/// and `rows_per_run` and at most eight segments, or as many as `codec` has; others get BAD_SHAPE.
///
/// # Safety
/// `codec` is a live codec; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_workspace_create(
    codec: *const kakeya_codec,
    max_rows: size_t,
    out: *mut *mut kakeya_workspace,
) -> kakeya_status {
    let make = || {
        // SAFETY: the caller vouches for the pointer.
        let codec = &unsafe { slice::object(codec, "codec") }?.codec;
        let workspace = Workspace::new(codec, max_rows)?;
        let scratch = CallScratch { workspace, views: ViewRoom::new(codec.layout())? };
        Ok(kakeya_workspace { inner: Exclusive::new(scratch, "the workspace") })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, make) }
}

/// Bytes that `kakeya_workspace_create` would allocate. Codecs at a step need memory for a run of rows and a
/// byte per row; codecs that fit a skeleton to every block need memory for all rows; for the others
/// `max_rows` makes no difference.
///
/// # Safety
/// `codec` is a live codec; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_workspace_size(
    codec: *const kakeya_codec,
    max_rows: size_t,
    out: *mut size_t,
) -> kakeya_status {
    let size = |handle: &kakeya_codec| {
        let views = ViewRoom::bytes(handle.codec.layout());
        let size = Workspace::size(&handle.codec, max_rows)?.checked_add(views);
        size.ok_or(Error::OutOfRange { what: "the workspace" })
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(codec, "codec", out, "out", size) }
}

/// Frees a workspace; NULL is a no-op. No call may be using it.
///
/// # Safety
/// `workspace` is NULL, or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_workspace_free(workspace: *mut kakeya_workspace) {
    // SAFETY: as above.
    unsafe { handle::free(workspace) };
}
