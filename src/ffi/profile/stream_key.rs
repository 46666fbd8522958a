//! Keys: which tensors of a model a stream holds.

use crate::error::{Count, Error, Result};
use crate::ffi::codes::kakeya_status;
use crate::ffi::sized::{SizedStruct, init, read, sized};
use crate::ffi::slice;
use crate::profile::{Part, StreamKey};
use crate::tensor::layout::MAX_DIM;
use libc::size_t;
use std::ptr;

/// Keys.
pub const KAKEYA_PART_K: u32 = 1;
/// Values.
pub const KAKEYA_PART_V: u32 = 2;
/// Keys and values.
pub const KAKEYA_PART_KV: u32 = 3;

/// Which tensors of a model make up the rows of a stream. Each segment is one head of one tensor, in this
/// order: for each layer, ascending, K of each head, ascending, then V of each head, ascending. Start from
/// `KAKEYA_STREAM_KEY_INIT`, then set layers and heads.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_stream_key {
    /// `sizeof(kakeya_stream_key)`.
    pub struct_size: size_t,
    /// Number of layers, at least 1.
    pub n_layers: size_t,
    /// The layers, counted from 0, strictly ascending, up to 65535.
    pub layers: *const u32,
    /// Number of kv-heads, at least 1.
    pub n_heads: size_t,
    /// The kv-heads, counted from 0, strictly ascending, up to 65535.
    pub heads: *const u32,
    /// `KAKEYA_PART_*`. Default: `KAKEYA_PART_KV`.
    pub part: u32,
    /// Must be 0.
    pub reserved: u32,
}

sized!(kakeya_stream_key {
    n_layers: 0,
    layers: ptr::null(),
    n_heads: 0,
    heads: ptr::null(),
    part: KAKEYA_PART_KV,
    reserved: 0,
});

/// Fills `key` with the defaults, as `KAKEYA_STREAM_KEY_INIT` does.
///
/// # Safety
/// `key` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_stream_key_init(
    key: *mut kakeya_stream_key,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(key, struct_size) }
}

/// # Safety
/// `key` is NULL or as its type says.
pub(super) unsafe fn read_key(key: *const kakeya_stream_key) -> Result<StreamKey> {
    // SAFETY: as above.
    let key = unsafe { read(key) }?;
    if key.reserved != 0 {
        return Err(Error::BadParam { what: "reserved", got: f64::from(key.reserved), expected: "0" });
    }
    for (what, len) in [("n_layers", key.n_layers), ("n_heads", key.n_heads)] {
        if len == 0 || len > MAX_DIM {
            return Err(Error::BadShape { what, got: len, expected: Count::UpTo(MAX_DIM) });
        }
    }
    // SAFETY: the caller vouches for the arrays.
    let (layers, heads) = unsafe {
        (slice::array(key.layers, key.n_layers, "layers")?, slice::array(key.heads, key.n_heads, "heads")?)
    };
    StreamKey::new(layers, heads, Part::from_code(key.part)?)
}
