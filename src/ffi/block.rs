//! Blocks: encode, look at, decode.

use super::boundary::guard;
use super::codec::kakeya_codec;
use super::rows::{rows_in, rows_out};
use super::sized::write_out;
use super::slice;
use super::types::*;
use super::workspace::{Room, kakeya_workspace};
use crate::codec::verify;
use crate::error::{Count, Error, Result};
use crate::format::block::Header;
use libc::{c_void, size_t};

/// Largest size in bytes of a block of `n_rows` rows, known before it is encoded: its exact size, unless blocks
/// carry their own skeleton or are coded at a step (raw size and 64 bytes, or `max_bytes`). Grows with `n_rows`.
///
/// # Safety
/// `codec` is a live codec; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_encode_bound(
    codec: *const kakeya_codec,
    n_rows: size_t,
    out: *mut size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (codec, out) = (unsafe { slice::object(codec, "codec") }?, slice::out(out, "out")?);
        let bound = codec.codec.encode_bound(n_rows)?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(bound) };
        Ok(())
    })
}

/// Encodes one block to the start of `dst`; `written` gets its size, at most `kakeya_encode_bound`.
///
/// `dst` is written once and never read, so it may be write-combined memory; it must not overlap what `rows`
/// points to, and its contents are undefined after an error. Allocates nothing, unless the codec fits a
/// skeleton to every block.
///
/// Errors: `NOT_FINITE`, `BOUND_NOT_MET`, `DST_TOO_SMALL` (also at a step where the block came out larger than `cap`), `BAD_SHAPE` (more rows than
/// the workspace is for), `BAD_PARAM` (a weight, more raw rows than slots, overlapping buffers), `BUSY`.
///
/// # Safety
/// `codec` and `workspace` are live; `rows` is as `kakeya_rows` says; `dst` has `cap` writable bytes; `written`
/// is writable.
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
        let size = unsafe { encode(codec, workspace, rows, dst, cap) }?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { written.write(size) };
        Ok(())
    })
}

/// # Safety
/// As `kakeya_encode`.
pub(super) unsafe fn encode(
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
    workspace.inner.with(|Room { workspace, views }| {
        // SAFETY: the caller vouches for the rows; they do not overlap the destination.
        let (rows, dst) =
            unsafe { (rows_in(rows, codec.layout(), &target, views)?, slice::bytes_mut(dst, cap, "dst")?) };
        codec.encode(workspace, &rows, dst)
    })
}

/// Reads the header of a block: its checksum, its fields, and that `len` bytes hold what it announces. Looks at
/// nothing else, so it is cheap and total: any bytes may be given. Bytes after the block are allowed. The first
/// `info_size` bytes of `info` are written.
///
/// Errors: `CORRUPT`, `TRUNCATED`, `WRONG_VERSION`.
///
/// # Safety
/// `src` has `len` readable bytes; `info` has `info_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_block_read_info(
    src: *const c_void,
    len: size_t,
    info: *mut kakeya_block_info,
    info_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (src, info) = (unsafe { slice::bytes(src, len, "src") }?, slice::out(info, "info")?);
        let found = info_of(&Header::parse(src)?);
        // SAFETY: the caller vouches for `info_size` bytes.
        unsafe { write_out(info, info_size, &found) };
        Ok(())
    })
}

/// Checks a whole block without decoding it: header, sizes, checksums; with a codec also that this codec, or an
/// equal one, wrote it. `codec` may be NULL.
///
/// Errors: `CORRUPT`, `TRUNCATED`, `WRONG_VERSION`, `WRONG_CODEC`.
///
/// # Safety
/// `codec` is NULL or live; `src` has `len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_block_verify(
    codec: *const kakeya_codec,
    src: *const c_void,
    len: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (codec, src) = unsafe { (codec.as_ref(), slice::bytes(src, len, "src")?) };
        match codec {
            Some(codec) => codec.codec.verify(src)?,
            None => verify(src)?,
        };
        Ok(())
    })
}

/// Decodes all rows of a block. Any bytes may be given: what is not a block of this codec is refused before
/// anything is decoded. Allocates nothing. The views must not overlap the block; they may overlap each other,
/// and then the last segment written to an element stays. What they hold after an error is undefined.
///
/// Errors: `CORRUPT`, `TRUNCATED`, `WRONG_VERSION`, `WRONG_CODEC`, `BAD_SHAPE` (`rows->n_rows` differs from the
/// block's, or exceeds the workspace's), `BUSY`.
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
    guard(|| unsafe { decode(codec, workspace, src, len, None, rows) }.map(drop))
}

/// Decodes rows `first .. first + count` of a block, as `kakeya_decode` does; `rows->n_rows` is `count`. The
/// whole block is checked, only these rows are decoded.
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
    guard(|| unsafe { decode(codec, workspace, src, len, Some((first, count)), rows) }.map(drop))
}

/// Decodes all rows or `(first, count)` of them; returns the size of the block.
///
/// # Safety
/// As `kakeya_decode`.
pub(super) unsafe fn decode(
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
    workspace.inner.with(|Room { workspace, views }| {
        // SAFETY: the caller vouches for the rows.
        let rows = unsafe { rows_out(rows, codec.layout(), src, views) }?;
        match range {
            None => codec.decode(workspace, src, &rows),
            Some((_, count)) if count != rows.n => {
                Err(Error::BadShape { what: "n_rows", got: rows.n, expected: Count::Is(count) })
            }
            Some((first, _)) => codec.decode_rows(workspace, src, first, &rows),
        }
    })?;
    Ok(Header::parse(src)?.bytes as usize)
}

fn info_of(header: &Header) -> kakeya_block_info {
    kakeya_block_info {
        version: u32::from(crate::format::FORMAT_VERSION),
        preset: u32::from(header.preset),
        distortion: u32::from(header.distortion),
        flags: u32::from(header.flags),
        n_rows: header.n_rows as usize,
        dim: header.dim as usize,
        rank: usize::from(header.rank),
        n_centres: usize::from(header.n_centres),
        bits: header.mean_bits(),
        step: header.step,
        rows_per_run: u32::from(header.rows_per_run),
        n_protected: header.n_protected,
        bytes: header.bytes,
        raw_bytes: u64::from(header.n_rows) * u64::from(header.raw_row_bytes),
        fingerprint: header.fingerprint,
        certified_error: f64::from(header.certified_error),
    }
}
