//! Codecs from profiles.

use super::model::kakeya_profile;
use crate::error::{Error, Result};
use crate::ffi::codec::kakeya_codec;
use crate::ffi::codes::kakeya_status;
use crate::ffi::handle;
use crate::ffi::params::KAKEYA_CPU_TIER_BEST;
use crate::ffi::sized::{SizedStruct, init, read, sized};
use crate::ffi::slice;
use crate::profile::{CodecOptions, NAME_BYTES, Profile};
use crate::vector::tier::Tier;
use libc::{c_char, size_t};
use std::ptr;

/// Options for the codec of a stream. At most one of `quality`, `step` and `bits` may be set; with none, the
/// stream keeps its own rate control, and if that is a step, the default step of the profile. Start from
/// `KAKEYA_PROFILE_CODEC_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_profile_codec_options {
    /// `sizeof(kakeya_profile_codec_options)`.
    pub struct_size: size_t,
    /// Name of an entry of the table of qualities, whose step is used.
    pub quality: *const c_char,
    /// Step of the model; the codec gets this times the step factor of the stream. Streams of preset turbo
    /// and kakeya have no step and stay as they are. 0 = not set.
    pub step: f32,
    /// Fixed rate in bits per component, on average. 0 = not set.
    pub bits: f32,
    /// Largest size of a block; rdo only, and not together with `bits`. A step is then the finest one to try;
    /// if neither the options nor the profile have one, the block gets as fine a step as fits. 0 = not set.
    ///
    pub max_bytes: size_t,
    /// `KAKEYA_CPU_TIER_*`. Default: `KAKEYA_CPU_TIER_BEST`.
    pub cpu_tier: u32,
    /// Must be 0.
    pub reserved: u32,
}

sized!(kakeya_profile_codec_options {
    quality: ptr::null(),
    step: 0.0,
    bits: 0.0,
    max_bytes: 0,
    cpu_tier: KAKEYA_CPU_TIER_BEST,
    reserved: 0,
});

/// Fills `options` with the defaults, as `KAKEYA_PROFILE_CODEC_OPTIONS_INIT` does.
///
/// # Safety
/// `options` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_codec_options_init(
    options: *mut kakeya_profile_codec_options,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(options, struct_size) }
}

/// Creates a codec for the rows of stream `stream`. It equals the one that `kakeya_codec_create` makes from
/// the same parameters, layout and skeleton: same fingerprint, same blocks. It keeps the skeleton; `profile`
/// may be freed. `options` may be NULL: all defaults.
///
/// Errors: BAD_PARAM (an unknown quality, or a value out of range), BAD_SHAPE (no such stream),
/// OUT_OF_MEMORY, UNSUPPORTED (options that contradict each other, or that the preset does not have).
///
/// # Safety
/// `profile` is a live profile; `options` is NULL or as its type says; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_codec(
    profile: *const kakeya_profile,
    stream: size_t,
    options: *const kakeya_profile_codec_options,
    out: *mut *mut kakeya_codec,
) -> kakeya_status {
    let make = || {
        // SAFETY: the caller vouches for the profile.
        let profile = &unsafe { slice::object(profile, "profile") }?.profile;
        // SAFETY: the caller vouches for the options.
        let options = if options.is_null() { SizedStruct::defaults() } else { unsafe { read(options) }? };
        let tier = Tier::select(options.cpu_tier)?;
        // SAFETY: the caller vouches for the options.
        let choice = unsafe { parse_options(profile, &options) }?;
        Ok(kakeya_codec { codec: profile.codec(stream, choice, tier)? })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, make) }
}

/// # Safety
/// `quality` is NULL or readable up to its NUL.
unsafe fn parse_options(profile: &Profile, options: &kakeya_profile_codec_options) -> Result<CodecOptions> {
    if options.reserved != 0 {
        return Err(Error::BadParam { what: "reserved", got: f64::from(options.reserved), expected: "0" });
    }
    let step = match (options.quality.is_null(), options.step) {
        (true, 0.0) => None,
        (true, step) => Some(step),
        (false, 0.0) => {
            // SAFETY: as above.
            let name = unsafe { slice::text(options.quality, NAME_BYTES - 1, "quality") }?;
            Some(profile.quality(name)?.step)
        }
        (false, _) => return Err(unsupported("set either a quality or a step")),
    };
    match (step, options.bits, options.max_bytes) {
        (None, 0.0, 0) => Ok(CodecOptions::Default),
        (Some(step), 0.0, 0) => Ok(CodecOptions::Step(step)),
        (None, bits, 0) => Ok(CodecOptions::Bits(bits)),
        (finest, 0.0, bytes) => Ok(CodecOptions::MaxBytes { bytes, finest }),
        _ => Err(unsupported("bits exclude a quality, a step and max_bytes")),
    }
}

fn unsupported(why: &'static str) -> Error {
    Error::Unsupported { what: "this set of options", why }
}
