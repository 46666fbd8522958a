//! Blocks: encode and decode.

use super::codec::kakeya_codec;
use super::codes::kakeya_status;
use super::handle;
use super::rows::{kakeya_rows, kakeya_rows_mut};
use super::slice;
use super::status::guard;
use super::views::{rows_in, rows_out};
use super::workspace::{CallScratch, kakeya_workspace};
use crate::error::{Count, Error, Result};
use libc::{c_void, size_t};

/// Largest size in bytes of a block of `n_rows` rows; grows with `n_rows`. It is the exact size, unless
/// blocks carry their own skeleton or are coded at a step (then: the rows stored raw, 64 bytes, and 4 bytes
/// per row if a segment has RoPE; at most `max_bytes`).
///
/// # Safety
/// `codec` is a live codec; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_encode_bound(
    codec: *const kakeya_codec,
    n_rows: size_t,
    out: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(codec, "codec", out, "out", |handle| handle.codec.encode_bound(n_rows)) }
}

/// Encodes one block to the start of `dst`; `written` receives its size, at most `kakeya_encode_bound`.
/// Allocates nothing, unless the codec fits a skeleton to every block (also OUT_OF_MEMORY, NOT_CONVERGED).
///
/// Errors: NOT_FINITE, BOUND_NOT_MET, BUSY, DST_TOO_SMALL (at a step known only once the block is encoded),
/// BAD_SHAPE (more rows than the workspace is for), BAD_PARAM (a weight, more raw rows than `max_protected`,
/// overlapping buffers).
///
/// Pointers: `dst` is written once and never read, so it may be write-combined memory. It must not overlap
/// anything that `rows` points to. Its contents are undefined after an error.
///
/// # Safety
/// `codec` and `workspace` are live; `rows` is as `kakeya_rows` says; `dst` has `cap` writable bytes;
/// `written` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_encode(
    codec: *const kakeya_codec,
    workspace: *mut kakeya_workspace,
    rows: *const kakeya_rows,
    dst: *mut c_void,
    cap: size_t,
    written: *mut size_t,
) -> kakeya_status {
    guard(|| {
        let written = slice::out(written, "written")?;
        // SAFETY: the caller vouches for the pointers.
        let size = unsafe { encode_block(codec, workspace, rows, dst, cap) }?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { written.write(size) };
        Ok(())
    })
}

/// Encodes rows and returns the size of the block.
///
/// # Safety
/// As `kakeya_encode`.
pub(super) unsafe fn encode_block(
    codec: *const kakeya_codec,
    workspace: *const kakeya_workspace,
    rows: *const kakeya_rows,
    dst: *mut c_void,
    cap: size_t,
) -> Result<usize> {
    // SAFETY: the caller vouches for the pointers.
    let (codec, workspace) =
        unsafe { (slice::object(codec, "codec")?, slice::object(workspace, "workspace")?) };
    let codec = &codec.codec;
    let target = slice::span(dst, cap, 1, "dst")?;
    workspace.inner.with(|CallScratch { workspace, views }| {
        // SAFETY: the caller vouches for the rows; they do not overlap the destination.
        let (rows, dst) =
            unsafe { (rows_in(rows, codec.layout(), &target, views)?, slice::bytes_mut(dst, cap, "dst")?) };
        codec.encode(workspace, &rows, dst)
    })
}

/// Decodes all rows of a block. Accepts any bytes: whatever is not a block of this codec is refused before
/// anything is decoded. Allocates nothing. Bytes after the block are ignored.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, WRONG_CODEC, BUSY, BAD_SHAPE (`rows->n_rows` differs from the
/// block's, or exceeds the workspace's).
///
/// Pointers: views must not overlap the block. They may overlap each other; then the last segment written to
/// an element stays. Their contents are undefined after an error.
///
/// # Safety
/// `codec` and `workspace` are live; `src` has `len` readable bytes; `rows` is as `kakeya_rows_mut` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_decode(
    codec: *const kakeya_codec,
    workspace: *mut kakeya_workspace,
    src: *const c_void,
    len: size_t,
    rows: *const kakeya_rows_mut,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    guard(|| unsafe { decode_block(codec, workspace, src, len, None, rows) }.map(drop))
}

/// Decodes rows `first .. first + count` of a block, as `kakeya_decode` does; `rows->n_rows` must be `count`.
/// The whole block is checked, but only these rows are decoded.
///
/// # Safety
/// As `kakeya_decode`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_decode_rows(
    codec: *const kakeya_codec,
    workspace: *mut kakeya_workspace,
    src: *const c_void,
    len: size_t,
    first: size_t,
    count: size_t,
    rows: *const kakeya_rows_mut,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    guard(|| unsafe { decode_block(codec, workspace, src, len, Some((first, count)), rows) }.map(drop))
}

/// Decodes all rows or `(first, count)` of them; returns the size of the block.
///
/// # Safety
/// As `kakeya_decode`.
pub(super) unsafe fn decode_block(
    codec: *const kakeya_codec,
    workspace: *const kakeya_workspace,
    src: *const c_void,
    len: size_t,
    range: Option<(usize, usize)>,
    rows: *const kakeya_rows_mut,
) -> Result<usize> {
    // SAFETY: the caller vouches for the pointers.
    let (codec, workspace, src) = unsafe {
        (
            slice::object(codec, "codec")?,
            slice::object(workspace, "workspace")?,
            slice::bytes(src, len, "src")?,
        )
    };
    let codec = &codec.codec;
    workspace.inner.with(|CallScratch { workspace, views }| {
        // SAFETY: the caller vouches for the rows.
        let rows = unsafe { rows_out(rows, codec.layout(), src, views) }?;
        match range {
            None => codec.decode(workspace, src, &rows),
            Some((_, count)) if count != rows.n => {
                Err(Error::BadShape { what: "n_rows", got: rows.n, expected: Count::Is(count) })
            }
            Some((first, _)) => codec.decode_rows(workspace, src, first, &rows),
        }
    })
}
