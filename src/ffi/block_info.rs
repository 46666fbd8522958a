//! Blocks: inspect and verify.

use super::codec::kakeya_codec;
use super::codes::kakeya_status;
use super::sized::write_out;
use super::slice;
use super::status::guard;
use crate::codec::verify;
use crate::format::FORMAT_VERSION;
use crate::format::header::Header;
use libc::{c_void, size_t};

/// `kakeya_block_info.flags`: a checksum covers the payload.
pub const KAKEYA_BLOCK_FLAG_CHECKSUM: u32 = 1;
/// `kakeya_block_info.flags`: the block carries its own skeleton.
pub const KAKEYA_BLOCK_FLAG_OWN_SKELETON: u32 = 2;
/// `kakeya_block_info.flags`: rows stored raw carry their positions.
pub const KAKEYA_BLOCK_FLAG_POSITIONS: u32 = 4;
/// `kakeya_block_info.flags`: symbols are entropy-coded, in runs of rows.
pub const KAKEYA_BLOCK_FLAG_RUNS: u32 = 8;
/// `kakeya_block_info.flags`: weights changed the steps of rows.
pub const KAKEYA_BLOCK_FLAG_WEIGHTS: u32 = 16;
/// `kakeya_block_info.flags`: all rows are stored raw because that is smaller.
pub const KAKEYA_BLOCK_FLAG_RAW: u32 = 32;
/// `kakeya_block_info.flags`: fixed rate, with bits chosen per component.
pub const KAKEYA_BLOCK_FLAG_ALLOCATED: u32 = 64;
/// `kakeya_block_info.flags`: a trellis chose the values.
pub const KAKEYA_BLOCK_FLAG_TRELLIS: u32 = 128;

/// The contents of a block's header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_block_info {
    /// Format version.
    pub version: u32,
    /// `KAKEYA_PRESET_*`.
    pub preset: u32,
    /// `KAKEYA_DISTORTION_*`.
    pub distortion: u32,
    /// `KAKEYA_BLOCK_FLAG_*`.
    pub flags: u32,
    /// Rows.
    pub n_rows: size_t,
    /// Coordinates per row.
    pub dim: size_t,
    /// Coded components per row: `dim`, or the rank of the skeleton.
    pub rank: size_t,
    /// K-means centres in use; 0 = none.
    pub n_centres: size_t,
    /// Bits per coded component, on average; 0 at a step and in a raw block.
    pub bits: f32,
    /// Step of the uniform quantiser; 0 at a fixed rate.
    pub step: f32,
    /// Rows that are entropy-coded together; 0 at a fixed rate.
    pub rows_per_run: u32,
    /// Rows stored raw; 0 with `KAKEYA_BLOCK_FLAG_RAW`, when all are.
    pub n_protected: u32,
    /// Size of the whole block in bytes.
    pub bytes: u64,
    /// Size of the same rows stored raw, in the `raw_dtype` of their segments.
    pub raw_bytes: u64,
    /// `kakeya_codec_fingerprint` of the codec that wrote the block.
    pub fingerprint: [u8; 32],
    /// The error that the encoder measured. MSE: relative squared error of the weighted rows, after gains.
    /// Inner product: the same, in the metric of the skeleton's queries if it has any. LInf: largest absolute
    /// error in units of the tensors, at any position (with RoPE an upper bound). Rows stored raw do not
    /// count, unless all are (`KAKEYA_BLOCK_FLAG_RAW`). Infinite if beyond binary32.
    pub certified_error: f64,
}

/// Reads and checks the header of a block, and that `len` bytes hold the size that it states. Looks at
/// nothing else, so it is cheap. Accepts any bytes; bytes after the block are ignored. Writes the first
/// `info_size` bytes of `info`.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION.
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
        let value = info_of(&Header::parse(src)?);
        // SAFETY: the caller vouches for `info_size` bytes.
        unsafe { write_out(info, info_size, &value) };
        Ok(())
    })
}

/// Checks a whole block without decoding it: header, sizes, checksums. If `codec` is not NULL, also that this
/// codec or an equal one wrote the block.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, WRONG_CODEC.
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

fn info_of(header: &Header) -> kakeya_block_info {
    kakeya_block_info {
        version: u32::from(FORMAT_VERSION),
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
