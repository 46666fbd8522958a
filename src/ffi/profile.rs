//! Profiles: saving, loading, looking, and codecs from them.

use super::boundary::guard;
use super::codec::kakeya_codec;
use super::handle;
use super::profile_types::*;
use super::sized::{SizedStruct, init, read, write_out, write_sized};
use super::skeleton::kakeya_skeleton;
use super::slice;
use super::types::*;
use crate::codec::Objective;
use crate::error::{Count, Error, Result};
use crate::params::{NanPolicy, Params};
use crate::profile::{Choice, NAME_BYTES, Part, Profile, Tensor};
use crate::rope::Pairing;
use crate::simd::Tier;
use libc::{c_char, c_void, size_t};

/// A profile: immutable, to be shared by any number of threads.
pub struct kakeya_profile {
    pub(super) profile: Profile,
}

/// Fills `options` with the defaults: what the profile says.
///
/// # Safety
/// `options` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_codec_options_init(
    options: *mut kakeya_profile_codec_options,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(options, struct_size) })
}

/// Bytes that `kakeya_profile_save` writes.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_size(
    profile: *const kakeya_profile,
    out: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, out, |profile| Ok(profile.saved_bytes())) }
}

/// Writes a profile, skeletons included, with format version and checksum, to the start of `dst`; `written` gets its
/// size.
///
/// # Safety
/// `profile` is a live profile; `dst` has `cap` writable bytes; `written` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_save(
    profile: *const kakeya_profile,
    dst: *mut c_void,
    cap: size_t,
    written: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers, and for `cap` bytes.
    unsafe { give(profile, written, |profile| profile.save(slice::bytes_mut(dst, cap, "dst")?)) }
}

/// Reads what `kakeya_profile_save` wrote: all `len` bytes and nothing else. Any bytes may be given; those that are not
/// a profile are `CORRUPT`, `TRUNCATED` or `WRONG_VERSION`. Memory is in proportion to `len`.
///
/// # Safety
/// `src` has `len` readable bytes; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_load(
    src: *const c_void,
    len: size_t,
    out: *mut *mut kakeya_profile,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (src, out) = (unsafe { slice::bytes(src, len, "src") }?, slice::out(out, "out")?);
        let handle = handle::give(kakeya_profile { profile: Profile::load(src)? })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Frees a profile; NULL is nothing. Codecs and skeletons that were made from it keep what they need.
///
/// # Safety
/// `profile` is NULL or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_free(profile: *mut kakeya_profile) {
    guard(|| {
        // SAFETY: as above.
        unsafe { handle::take_back(profile) };
        Ok(())
    });
}

/// BLAKE3 of the saved form: equal profiles have equal fingerprints.
///
/// # Safety
/// `profile` is a live profile; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_fingerprint(
    profile: *const kakeya_profile,
    out: *mut u8,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers; bytes have no alignment.
    unsafe { give(profile, out.cast::<[u8; 32]>(), |profile| Ok(*profile.fingerprint())) }
}

/// The 32 bytes that tie the profile to its model, as they were given to `kakeya_profile_builder_set_model`.
///
/// # Safety
/// `profile` is a live profile; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_model_fingerprint(
    profile: *const kakeya_profile,
    out: *mut u8,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers; bytes have no alignment.
    unsafe { give(profile, out.cast::<[u8; 32]>(), |profile| Ok(*profile.model())) }
}

/// Copies the text for people to `buf`: as much as fits in `cap` bytes with a zero at the end. `len` gets the full
/// length without the zero. `buf` may be NULL if `cap` is 0.
///
/// # Safety
/// `profile` is a live profile; `buf` has `cap` writable bytes; `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_description(
    profile: *const kakeya_profile,
    buf: *mut c_char,
    cap: size_t,
    len: *mut size_t,
) -> kakeya_status {
    let copy = |profile: &Profile| {
        let text = profile.description().as_bytes();
        if cap > 0 {
            // SAFETY: the caller vouches for `cap` bytes at `buf`.
            let buf = unsafe { slice::bytes_mut(buf.cast(), cap, "buf") }?;
            let fits = text.len().min(cap - 1);
            buf[..fits].copy_from_slice(&text[..fits]);
            buf[fits] = 0;
        }
        Ok(text.len())
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, len, copy) }
}

/// The step of the model that codecs have unless another one is asked for; 0 = that of each stream's parameters.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_step(profile: *const kakeya_profile, out: *mut f32) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, out, |profile| Ok(profile.default_step())) }
}

/// What is not to be coded. The first `policy_size` bytes of the struct are written, its `struct_size` included.
/// `raw_layers` points into the profile and lives as long as it does.
///
/// # Safety
/// `profile` is a live profile; `policy` has `policy_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_policy(
    profile: *const kakeya_profile,
    policy: *mut kakeya_policy,
    policy_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let found = unsafe { slice::object(profile, "profile") }?.profile.policy();
        let value = kakeya_policy {
            n_sinks: found.n_sinks,
            n_recent: found.n_recent,
            n_raw_layers: found.raw_layers().len(),
            raw_layers: pointer(found.raw_layers()),
            ..SizedStruct::defaults()
        };
        // SAFETY: the caller vouches for `policy_size` bytes.
        unsafe { write_sized(policy, policy_size, &value) }
    })
}

/// Number of entries of the table of qualities.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_qualities(
    profile: *const kakeya_profile,
    out: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, out, |profile| Ok(profile.qualities().len())) }
}

/// Entry `index` of the table of qualities. The first `quality_size` bytes of the struct are written, its `struct_size`
/// included.
///
/// # Safety
/// `profile` is a live profile; `quality` has `quality_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_quality(
    profile: *const kakeya_profile,
    index: size_t,
    quality: *mut kakeya_quality,
    quality_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let table = unsafe { slice::object(profile, "profile") }?.profile.qualities();
        let outside =
            Error::BadShape { what: "index of a quality", got: index, expected: Count::Below(table.len()) };
        let found = table.get(index).ok_or(outside)?;
        let value = kakeya_quality {
            name: found.name_bytes().map(|byte| byte as c_char),
            step: found.step,
            mean_kld: found.mean_kld,
            bpv: found.bpv,
            ..SizedStruct::defaults()
        };
        // SAFETY: the caller vouches for `quality_size` bytes.
        unsafe { write_sized(quality, quality_size, &value) }
    })
}

/// Number of streams.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_streams(
    profile: *const kakeya_profile,
    out: *mut size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, out, |profile| Ok(profile.streams().len())) }
}

/// What stream `index` is. The first `info_size` bytes of the struct are written; its pointers live as long as the
/// profile does.
///
/// # Safety
/// `profile` is a live profile; `info` has `info_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_stream(
    profile: *const kakeya_profile,
    index: size_t,
    info: *mut kakeya_stream_info,
    info_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let profile = unsafe { &slice::object(profile, "profile")?.profile };
        let info = slice::out(info, "info")?;
        let (stream, skeleton) = (profile.stream(index)?, profile.skeleton(index)?);
        let (key, settings) = (stream.key(), stream.params().settings());
        let found = kakeya_stream_info {
            n_layers: key.layers().len(),
            layers: pointer(key.layers()),
            n_heads: key.heads().len(),
            heads: pointer(key.heads()),
            part: u32::from(key.part().code()),
            preset: u32::from(settings.preset.code()),
            distortion: u32::from(stream.objective().code()),
            rate_control: u32::from(settings.rate_control.code()),
            n_segments: key.n_segments(),
            dim: stream.dim(),
            raw_row_bytes: stream.raw_row_bytes(),
            skeleton_bytes: skeleton.map_or(0, |shared| shared.skeleton.saved_bytes() as u64),
            skeleton_id: skeleton.map_or([0; 32], |shared| shared.id),
            step_factor: stream.step_factor(),
            needs_positions: u32::from(stream.needs_positions()),
        };
        // SAFETY: the caller vouches for `info_size` bytes.
        unsafe { write_out(info, info_size, &found) };
        Ok(())
    })
}

/// Segment `segment` of stream `stream`. The first `out_size` bytes of the struct are written, its `struct_size`
/// included. `inv_freq` points into the profile and lives as long as it does.
///
/// # Safety
/// `profile` is a live profile; `out` has `out_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_segment(
    profile: *const kakeya_profile,
    stream: size_t,
    segment: size_t,
    out: *mut kakeya_segment,
    out_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let profile = unsafe { &slice::object(profile, "profile")?.profile };
        let (piece, table) = profile.piece(stream, segment)?;
        let rope = match piece.rope {
            None => KAKEYA_ROPE_NONE,
            Some((Pairing::Neox, _)) => KAKEYA_ROPE_NEOX,
            Some((Pairing::Interleaved, _)) => KAKEYA_ROPE_INTERLEAVED,
        };
        let value = kakeya_segment {
            dim: piece.dim,
            gain: piece.gain,
            raw_dtype: piece.raw_dtype.code(),
            rope,
            n_rot: 2 * table.len(),
            inv_freq: pointer(table),
            ..SizedStruct::defaults()
        };
        // SAFETY: the caller vouches for `out_size` bytes.
        unsafe { write_sized(out, out_size, &value) }
    })
}

/// The parameters of stream `stream` as they are in the profile: before a quality, a step or a rate is asked for. The
/// first `params_size` bytes of the struct are written, its `struct_size` included.
///
/// # Safety
/// `profile` is a live profile; `params` has `params_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_params(
    profile: *const kakeya_profile,
    stream: size_t,
    params: *mut kakeya_params,
    params_size: size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let stream = unsafe { slice::object(profile, "profile") }?.profile.stream(stream)?;
        let value = params_of(stream.params(), stream.objective());
        // SAFETY: the caller vouches for `params_size` bytes.
        unsafe { write_sized(params, params_size, &value) }
    })
}

/// A handle on the skeleton of stream `stream`, to be freed with `kakeya_skeleton_free`; NULL where it has none.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_skeleton(
    profile: *const kakeya_profile,
    stream: size_t,
    out: *mut *mut kakeya_skeleton,
) -> kakeya_status {
    let share = |profile: &Profile| match profile.skeleton(stream)? {
        Some(shared) => handle::give(kakeya_skeleton { skeleton: shared.skeleton.clone() }),
        None => Ok(std::ptr::null_mut()),
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, out, share) }
}

/// The stream and the segment of it that hold one head of one tensor; `part` is `KAKEYA_PART_K` or `KAKEYA_PART_V`. A
/// tensor that no stream has is `BAD_PARAM`.
///
/// # Safety
/// `profile` is a live profile; `stream` and `segment` are writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_find(
    profile: *const kakeya_profile,
    layer: u32,
    part: u32,
    head: u32,
    stream: *mut size_t,
    segment: *mut size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let profile = unsafe { &slice::object(profile, "profile")?.profile };
        let (stream, segment) = (slice::out(stream, "stream")?, slice::out(segment, "segment")?);
        let found = profile.find(Tensor { layer, part: Part::from_code(part)?, head })?;
        // SAFETY: not NULL, and the caller vouches for them.
        unsafe {
            stream.write(found.0);
            segment.write(found.1);
        }
        Ok(())
    })
}

/// A codec for the rows of stream `stream`: equal, with equal fingerprints and blocks, to the one that
/// `kakeya_codec_create` makes of its parameters, layout and skeleton. It keeps the skeleton; `profile` may be freed.
///
/// `options` may be NULL: then the codec is what the profile says. An unknown quality is `BAD_PARAM`, and so is a step
/// or a rate beyond what `kakeya_params` takes.
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
    let make = |profile: &Profile| {
        // SAFETY: the caller vouches for the options.
        let options = if options.is_null() { SizedStruct::defaults() } else { unsafe { read(options) }? };
        let tier = Tier::select(options.cpu_tier)?;
        // SAFETY: the caller vouches for the options.
        let choice = unsafe { read_choice(profile, &options) }?;
        handle::give(kakeya_codec { codec: profile.codec(stream, choice, tier)? })
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { give(profile, out, make) }
}

/// # Safety
/// `quality` is NULL or readable up to its zero.
unsafe fn read_choice(profile: &Profile, options: &kakeya_profile_codec_options) -> Result<Choice> {
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
        (false, _) => return Err(unclear("of a quality and a step one may be set")),
    };
    match (step, options.bits, options.max_bytes) {
        (None, 0.0, 0) => Ok(Choice::Default),
        (Some(step), 0.0, 0) => Ok(Choice::Step(step)),
        (None, bits, 0) => Ok(Choice::Bits(bits)),
        (finest, 0.0, bytes) => Ok(Choice::MaxBytes { bytes, finest }),
        _ => Err(unclear("bits go with neither a step nor a largest size")),
    }
}

fn unclear(why: &'static str) -> Error {
    Error::Unsupported { what: "this wish", why }
}

/// Looks at a profile and writes what was found.
///
/// # Safety
/// `profile` is NULL or live; `out` is NULL or writable.
unsafe fn give<T>(
    profile: *const kakeya_profile,
    out: *mut T,
    look: impl FnOnce(&Profile) -> Result<T>,
) -> kakeya_status {
    guard(|| {
        // SAFETY: as above.
        let (profile, out) = (unsafe { slice::object(profile, "profile") }?, slice::out(out, "out")?);
        let found = look(&profile.profile)?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(found) };
        Ok(())
    })
}

/// The first element; NULL where there is none.
fn pointer<T>(values: &[T]) -> *const T {
    if values.is_empty() { std::ptr::null() } else { values.as_ptr() }
}

/// The struct that `parse_params` reads as these parameters.
fn params_of(params: &Params, objective: Objective) -> kakeya_params {
    let settings = params.settings();
    kakeya_params {
        preset: u32::from(settings.preset.code()),
        distortion: u32::from(objective.code()),
        rate_control: u32::from(settings.rate_control.code()),
        bits: settings.bits,
        step: settings.step,
        rows_per_run: settings.rows_per_run,
        max_abs_error: settings.max_abs_error,
        variance_ratio: settings.variance_ratio,
        max_rank: settings.max_rank,
        kmeans_k: settings.kmeans_k,
        kmeans_iters: settings.kmeans_iters,
        max_bytes: settings.max_bytes,
        effort: settings.effort,
        max_protected: settings.max_protected,
        seed: settings.seed,
        nan_policy: match settings.nan_policy {
            NanPolicy::Reject => KAKEYA_NAN_POLICY_REJECT,
            NanPolicy::Raw => KAKEYA_NAN_POLICY_RAW,
        },
        checksum: u32::from(settings.checksum),
        ..SizedStruct::defaults()
    }
}
