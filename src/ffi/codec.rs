//! Codecs: parameters, layout and skeleton, checked once.

use super::boundary::guard;
use super::handle;
use super::sized::{read, read_element};
use super::skeleton::kakeya_skeleton;
use super::slice;
use super::types::*;
use crate::codec::{Codec, Objective};
use crate::dtype::Dtype;
use crate::error::{Count, Error, Result, try_reserve};
use crate::layout::{Layout, MAX_DIM, Segment};
use crate::params::{NanPolicy, Params, Preset, RateControl, Settings};
use crate::rope::{Pairing, Rope};
use crate::simd::Tier;
use libc::c_char;

/// A codec: immutable, to be shared by any number of threads.
pub struct kakeya_codec {
    pub(super) codec: Codec,
}

/// Checks parameters, layout and skeleton together and prepares everything that blocks have in common.
///
/// `skeleton` is NULL for turbo, and needed for rdo. For kakeya, NULL means that every block is fitted a skeleton of its own, which
/// it carries; a skeleton from `kakeya_fitter_finish` or `kakeya_skeleton_load` is shared by all blocks and
/// stays alive as long as the codec does. `layout` and what it points to is copied.
///
/// Errors: `BAD_PARAM`, `BAD_SHAPE`, `BAD_DTYPE`, `UNSUPPORTED` (a tier that the machine lacks, a skeleton for
/// turbo), `OUT_OF_MEMORY`.
///
/// # Safety
/// All pointers are NULL or point to what their types say; `layout->segments` has `n_segments` elements,
/// `inv_freq` of a segment with RoPE `n_rot / 2`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_codec_create(
    params: *const kakeya_params,
    layout: *const kakeya_layout,
    skeleton: *const kakeya_skeleton,
    out: *mut *mut kakeya_codec,
) -> kakeya_status {
    guard(|| {
        let out = slice::out(out, "out")?;
        // SAFETY: the caller vouches for the pointers.
        let (params, layout) = unsafe { (read(params)?, read_layout(layout)?) };
        // SAFETY: NULL or a live skeleton.
        let skeleton = unsafe { skeleton.as_ref() }.map(|handle| handle.skeleton.clone());
        let tier = Tier::select(params.cpu_tier)?;
        let objective = Objective::from_code(params.distortion)?;
        let codec = Codec::new(parse_params(&params)?, objective, layout, skeleton, tier)?;
        let handle = handle::give(kakeya_codec { codec })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Frees a codec; NULL is nothing. No call may be using it.
///
/// # Safety
/// `codec` is NULL or came from `kakeya_codec_create` and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_codec_free(codec: *mut kakeya_codec) {
    guard(|| {
        // SAFETY: as above.
        unsafe { handle::take_back(codec) };
        Ok(())
    });
}

/// BLAKE3 of the format version and of all parameters, layout and skeleton: equal codecs have equal
/// fingerprints, also between processes and machines, so it fits in a cache key. Every block carries it, and no
/// codec with another decodes it, even where only a parameter that its preset does not use differs. The
/// CPU tier is not part of it.
///
/// # Safety
/// `codec` is a live codec; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_codec_fingerprint(codec: *const kakeya_codec, out: *mut u8) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (codec, out) =
            unsafe { (slice::object(codec, "codec")?, slice::bytes_mut(out.cast(), 32, "out")?) };
        out.copy_from_slice(codec.codec.fingerprint());
        Ok(())
    })
}

/// The CPU tier that a codec uses, `KAKEYA_CPU_TIER_*` other than `BEST`; with NULL, the best one of this
/// machine.
///
/// # Safety
/// `codec` is NULL or a live codec.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_cpu_tier(codec: *const kakeya_codec) -> u32 {
    // SAFETY: as above.
    match unsafe { codec.as_ref() } {
        Some(handle) => handle.codec.tier().code(),
        None => Tier::select(KAKEYA_CPU_TIER_BEST).map_or(KAKEYA_CPU_TIER_SCALAR, Tier::code),
    }
}

/// Name of a CPU tier: "best", "scalar", "avx2", "avx512", "neon", or "unknown". Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn kakeya_cpu_tier_name(tier: u32) -> *const c_char {
    Tier::name(tier).as_ptr()
}

/// The parameters of the kernel; the distortion and the tier are the caller's to parse.
pub(super) fn parse_params(params: &kakeya_params) -> Result<Params> {
    let bad = |what, got: u32, expected| Error::BadParam { what, got: f64::from(got), expected };
    let nan_policy = match params.nan_policy {
        KAKEYA_NAN_POLICY_REJECT => NanPolicy::Reject,
        KAKEYA_NAN_POLICY_RAW => NanPolicy::Raw,
        got => return Err(bad("nan_policy", got, "0 (reject) or 1 (raw)")),
    };
    if params.reserved != 0 {
        return Err(bad("reserved", params.reserved, "0"));
    }
    if params.checksum > 1 {
        return Err(bad("checksum", params.checksum, "0 or 1"));
    }
    Params::new(Settings {
        preset: Preset::from_code(params.preset)?,
        rate_control: RateControl::from_code(params.rate_control)?,
        bits: params.bits,
        step: params.step,
        max_bytes: params.max_bytes,
        effort: params.effort,
        rows_per_run: params.rows_per_run,
        max_abs_error: params.max_abs_error,
        variance_ratio: params.variance_ratio,
        max_rank: params.max_rank,
        kmeans_k: params.kmeans_k,
        kmeans_iters: params.kmeans_iters,
        max_protected: params.max_protected,
        seed: params.seed,
        nan_policy,
        checksum: params.checksum == 1,
    })
}

/// # Safety
/// As `kakeya_codec_create`.
pub(super) unsafe fn read_layout(layout: *const kakeya_layout) -> Result<Layout> {
    // SAFETY: the caller vouches for it.
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
/// `inv_freq` has `n_rot / 2` elements where there is RoPE.
unsafe fn parse_segment(segment: &kakeya_segment) -> Result<Segment> {
    let pairing = match segment.rope {
        KAKEYA_ROPE_NONE => None,
        KAKEYA_ROPE_NEOX => Some(Pairing::Neox),
        KAKEYA_ROPE_INTERLEAVED => Some(Pairing::Interleaved),
        got => {
            let expected = "0 (none), 1 (neox) or 2 (interleaved)";
            return Err(Error::BadParam { what: "rope", got: f64::from(got), expected });
        }
    };
    let rope = match pairing {
        None => None,
        Some(pairing) => {
            let n_rot = segment.n_rot;
            if !n_rot.is_multiple_of(2) || n_rot == 0 || n_rot > segment.dim {
                return Err(Error::BadShape {
                    what: "n_rot",
                    got: n_rot,
                    expected: Count::AtMost(segment.dim),
                });
            }
            // SAFETY: the caller vouches for the table.
            let table = unsafe { slice::array(segment.inv_freq, n_rot / 2, "inv_freq") }?;
            let mut inv_freq = try_reserve(table.len(), "the layout")?;
            inv_freq.extend_from_slice(table);
            Some(Rope { pairing, inv_freq })
        }
    };
    let raw_dtype = Dtype::from_code(segment.raw_dtype, "raw_dtype")?;
    Ok(Segment { dim: segment.dim, gain: segment.gain, raw_dtype, rope })
}
