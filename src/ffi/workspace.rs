//! Workspaces: all scratch memory of one thread.

use super::boundary::guard;
use super::codec::kakeya_codec;
use super::handle::{self, Exclusive};
use super::rows::ViewRoom;
use super::slice;
use super::types::*;
use crate::codec::Workspace;
use crate::error::Error;
use libc::size_t;

/// Scratch for one call at a time. A call that finds it in use by another one fails with `BUSY`; after a
/// caught panic it is `POISONED` and can only be freed.
pub struct kakeya_workspace {
    pub(super) inner: Exclusive<Room>,
}

/// What a call works in.
pub(super) struct Room {
    pub workspace: Workspace,
    pub views: ViewRoom,
}

/// Bytes that a workspace for blocks of at most `max_rows` rows of `codec` reserves. Codecs at a step need room for a
/// run of rows and a byte a row, codecs that fit a skeleton to every block room for all rows; others need no more
/// for more rows.
///
/// # Safety
/// `codec` is a live codec; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_workspace_size(
    codec: *const kakeya_codec,
    max_rows: size_t,
    out: *mut size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (codec, out) = (unsafe { slice::object(codec, "codec") }?, slice::out(out, "out")?);
        let views = ViewRoom::bytes(codec.codec.layout());
        let size = Workspace::size(&codec.codec, max_rows)?.checked_add(views);
        let size = size.ok_or(Error::OutOfRange { what: "the workspace" })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(size) };
        Ok(())
    })
}

/// Reserves the scratch for encoding blocks, or decoding ranges, of at most `max_rows` rows. It serves any
/// codec that needs no more than this one, with rows of as many segments, or of eight.
///
/// # Safety
/// `codec` is a live codec; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_workspace_create(
    codec: *const kakeya_codec,
    max_rows: size_t,
    out: *mut *mut kakeya_workspace,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (codec, out) = (unsafe { slice::object(codec, "codec") }?, slice::out(out, "out")?);
        let workspace = Workspace::new(&codec.codec, max_rows)?;
        let room = Room { workspace, views: ViewRoom::new(codec.codec.layout())? };
        let handle = handle::give(kakeya_workspace { inner: Exclusive::new(room, "the workspace") })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Frees a workspace; NULL is nothing. No call may be using it.
///
/// # Safety
/// `workspace` is NULL or came from `kakeya_workspace_create` and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_workspace_free(workspace: *mut kakeya_workspace) {
    guard(|| {
        // SAFETY: as above.
        unsafe { handle::take_back(workspace) };
        Ok(())
    });
}
