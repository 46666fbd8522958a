//! The layout of rows: which tensors they are made of.

use super::codes::kakeya_status;
use super::sized::{SizedStruct, init, read, read_element, sized};
use super::slice;
use crate::error::{Count, Error, Result, try_reserve};
use crate::tensor::dtype::Dtype;
use crate::tensor::layout::{Layout, MAX_DIM, Segment};
use crate::tensor::rope::{Pairing, Rope};
use libc::size_t;
use std::ptr;

/// IEEE 754 binary32.
pub const KAKEYA_DTYPE_F32: u32 = 0;
/// IEEE 754 binary16.
pub const KAKEYA_DTYPE_F16: u32 = 1;
/// bfloat16: the upper half of a binary32.
pub const KAKEYA_DTYPE_BF16: u32 = 2;

/// No rotary embedding.
pub const KAKEYA_ROPE_NONE: u32 = 0;
/// Rotary embedding on pairs `(i, i + n_rot/2)`.
pub const KAKEYA_ROPE_NEOX: u32 = 1;
/// Rotary embedding on pairs `(2i, 2i + 1)`.
pub const KAKEYA_ROPE_INTERLEAVED: u32 = 2;

/// The part of a row that comes from one tensor. Start from `KAKEYA_SEGMENT_INIT` and set `dim`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_segment {
    /// `sizeof(kakeya_segment)`.
    pub struct_size: size_t,
    /// Coordinates, 1 to 4096.
    pub dim: size_t,
    /// Factor applied before coding and undone after decoding; finite and positive. A usual choice, so that all
    /// segments count alike: 1 / root mean square of the tensor. Default: `1`.
    pub gain: f32,
    /// `KAKEYA_DTYPE_*` of rows that are stored raw: protected ones, and those that coding would make larger.
    /// Choose one that holds the values: f16 ends at 65504. Default: `KAKEYA_DTYPE_F32`.
    pub raw_dtype: u32,
    /// `KAKEYA_ROPE_*`: the rotary embedding to undo before coding. Default: `KAKEYA_ROPE_NONE`.
    pub rope: u32,
    /// Leading coordinates that are rotated: even, 2 to `dim`; ignored without RoPE.
    pub n_rot: size_t,
    /// `n_rot / 2` inverse frequencies in radians per position, copied at creation; ignored without RoPE.
    pub inv_freq: *const f32,
}

/// The segments that make up a row, in order. Start from `KAKEYA_LAYOUT_INIT` and set both fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_layout {
    /// `sizeof(kakeya_layout)`.
    pub struct_size: size_t,
    /// Number of segments. Their dimensions add up to 1 to 4096.
    pub n_segments: size_t,
    /// The segments; the `struct_size` of the first is their distance in bytes.
    pub segments: *const kakeya_segment,
}

sized!(kakeya_segment {
    dim: 0,
    gain: 1.0,
    raw_dtype: KAKEYA_DTYPE_F32,
    rope: KAKEYA_ROPE_NONE,
    n_rot: 0,
    inv_freq: ptr::null(),
});
sized!(kakeya_layout { n_segments: 0, segments: ptr::null() });

/// Fills `segment` with the defaults, as `KAKEYA_SEGMENT_INIT` does.
///
/// # Safety
/// `segment` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_segment_init(
    segment: *mut kakeya_segment,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(segment, struct_size) }
}

/// Fills `layout` with the defaults, as `KAKEYA_LAYOUT_INIT` does.
///
/// # Safety
/// `layout` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_layout_init(
    layout: *mut kakeya_layout,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(layout, struct_size) }
}

/// The layout of a struct from C.
///
/// # Safety
/// `layout` is NULL or points to what its type says: `n_segments` segments, and for those with RoPE `n_rot /
/// 2` frequencies.
pub(super) unsafe fn read_layout(layout: *const kakeya_layout) -> Result<Layout> {
    // SAFETY: as above.
    let layout = unsafe { read(layout) }?;
    if layout.n_segments == 0 || layout.n_segments > MAX_DIM {
        return Err(Error::BadShape {
            what: "n_segments",
            got: layout.n_segments,
            expected: Count::UpTo(MAX_DIM),
        });
    }
    let mut segments = try_reserve(layout.n_segments, "the layout")?;
    for index in 0..layout.n_segments {
        // SAFETY: the array has `n_segments` elements.
        segments.push(unsafe { parse_segment(&read_element(layout.segments, index)?) }?);
    }
    Layout::new(segments)
}

/// # Safety
/// With RoPE, `inv_freq` has `n_rot / 2` elements.
unsafe fn parse_segment(segment: &kakeya_segment) -> Result<Segment> {
    let rope = match segment.rope {
        KAKEYA_ROPE_NONE => None,
        // SAFETY: as above.
        code => Some(unsafe { parse_rope(Pairing::from_code(code)?, segment) }?),
    };
    let raw_dtype = Dtype::from_code(segment.raw_dtype, "raw_dtype")?;
    Ok(Segment { dim: segment.dim, gain: segment.gain, raw_dtype, rope })
}

/// # Safety
/// `inv_freq` has `n_rot / 2` elements.
unsafe fn parse_rope(pairing: Pairing, segment: &kakeya_segment) -> Result<Rope> {
    let n_rot = segment.n_rot;
    if !n_rot.is_multiple_of(2) || n_rot == 0 || n_rot > segment.dim {
        return Err(Error::BadShape { what: "n_rot", got: n_rot, expected: Count::AtMost(segment.dim) });
    }
    // SAFETY: as above.
    let table = unsafe { slice::array(segment.inv_freq, n_rot / 2, "inv_freq") }?;
    let mut inv_freq = try_reserve(table.len(), "the layout")?;
    inv_freq.extend_from_slice(table);
    Ok(Rope { pairing, inv_freq })
}
