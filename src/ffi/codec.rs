//! Codecs: parameters, layout and skeleton, checked once.

use super::codes::kakeya_status;
use super::handle;
use super::layout::{kakeya_layout, read_layout};
use super::params::{KAKEYA_CPU_TIER_BEST, KAKEYA_CPU_TIER_SCALAR, kakeya_params, read_params};
use super::skeleton::kakeya_skeleton;
use crate::codec::Codec;
use crate::vector::tier::Tier;
use libc::c_char;

/// Parameters, layout and skeleton, checked and prepared. Immutable; any number of threads may share it.
pub struct kakeya_codec {
    pub(super) codec: Codec,
}

/// Checks parameters, layout and skeleton together and prepares everything that blocks have in common.
///
/// `skeleton` must be NULL for turbo, and must not be for rdo. For kakeya, NULL means that a skeleton is
/// fitted to every block and stored in it. A skeleton from `kakeya_fitter_finish` or `kakeya_skeleton_load`
/// is shared by all blocks; the codec keeps it, so it may be freed. `params` and `layout`, with all they
/// point to, are copied.
///
/// Errors: BAD_PARAM, BAD_SHAPE, BAD_DTYPE, OUT_OF_MEMORY, UNSUPPORTED (a tier that the machine lacks, or a
/// skeleton for turbo).
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
    let make = || {
        // SAFETY: the caller vouches for the pointers.
        let ((raw, params, objective), layout) = unsafe { (read_params(params)?, read_layout(layout)?) };
        // SAFETY: NULL or a live skeleton.
        let skeleton = unsafe { skeleton.as_ref() }.map(|handle| handle.skeleton.clone());
        let tier = Tier::select(raw.cpu_tier)?;
        Ok(kakeya_codec { codec: Codec::new(params, objective, layout, skeleton, tier)? })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, make) }
}

/// Frees a codec; NULL is a no-op. No call may be using it.
///
/// # Safety
/// `codec` is NULL, or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_codec_free(codec: *mut kakeya_codec) {
    // SAFETY: as above.
    unsafe { handle::free(codec) };
}

/// BLAKE3 of the format version and of all parameters, layout and skeleton; writes 32 bytes to `out`. Equal
/// codecs have equal fingerprints, also across processes and machines, so it fits in a cache key. Every block
/// carries it, and only a codec with the same fingerprint decodes the block. It covers every parameter but the
/// CPU tier, also those that the preset ignores: keep the parameters with the skeleton, or use a profile.
///
/// # Safety
/// `codec` is a live codec; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_codec_fingerprint(codec: *const kakeya_codec, out: *mut u8) -> kakeya_status {
    let out: *mut [u8; 32] = out.cast();
    // SAFETY: the caller vouches for the pointers; bytes have no alignment.
    unsafe { handle::read_into(codec, "codec", out, "out", |handle| Ok(*handle.codec.fingerprint())) }
}

/// The CPU tier that a codec uses, `KAKEYA_CPU_TIER_*` other than BEST. If `codec` is NULL: the best tier of
/// this machine.
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
