//! Putting profiles together.

use super::boundary::guard;
use super::codec::{parse_params, read_layout};
use super::handle::{self, Exclusive};
use super::profile::kakeya_profile;
use super::profile_types::*;
use super::sized::{init, read, read_element};
use super::skeleton::kakeya_skeleton;
use super::slice;
use super::types::*;
use crate::codec::Objective;
use crate::error::{Count, Error, Result, try_reserve};
use crate::layout::MAX_DIM;
use crate::params::Params;
use crate::profile::{Builder, MAX_DESCRIPTION, MAX_NUMBER, MAX_QUALITIES, Part, Policy, Quality, StreamKey};
use libc::{c_char, size_t};

/// A profile under construction; one call at a time. A call that fails leaves it as it was.
pub struct kakeya_profile_builder {
    inner: Exclusive<Builder>,
}

/// Fills `key` with the defaults: keys and values; layers and heads must be set.
///
/// # Safety
/// `key` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_stream_key_init(
    key: *mut kakeya_stream_key,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(key, struct_size) })
}

/// Fills `quality` with zeros; name and step must be set.
///
/// # Safety
/// `quality` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_quality_init(
    quality: *mut kakeya_quality,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(quality, struct_size) })
}

/// Fills `policy` with the defaults: everything is coded.
///
/// # Safety
/// `policy` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_policy_init(
    policy: *mut kakeya_policy,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    guard(|| unsafe { init(policy, struct_size) })
}

/// Starts a profile without streams.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_create(
    out: *mut *mut kakeya_profile_builder,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointer.
    guard(|| unsafe { give(Builder::new(), out) })
}

/// Starts a profile with all that `profile` has, to change what needs no new fit: parameters, step factors, qualities,
/// policy. Skeletons are shared, not copied. `profile` may be freed.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_from(
    profile: *const kakeya_profile,
    out: *mut *mut kakeya_profile_builder,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe { give(Builder::from_profile(&slice::object(profile, "profile")?.profile)?, out) }
    })
}

/// Adds a stream, with a step factor of 1. Streams have the numbers 0, 1, … in the order in which they are added.
///
/// `layout` has one segment for every tensor of `key`, in its order. `layout`, `skeleton` (NULL where a codec takes
/// none) and `params` are those of the codec to be; the CPU tier in `params` does not matter. Equal skeletons and
/// equal tables of frequencies are kept once. The skeleton stays the caller's.
///
/// Errors: those of `kakeya_codec_create`, and `BAD_PARAM` or `BAD_SHAPE` for the key. Whether streams are apart is
/// seen in `kakeya_profile_builder_finish`.
///
/// # Safety
/// `builder` is live; `key` and its arrays are as `kakeya_stream_key` says; the others as for `kakeya_codec_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_add(
    builder: *mut kakeya_profile_builder,
    key: *const kakeya_stream_key,
    layout: *const kakeya_layout,
    skeleton: *const kakeya_skeleton,
    params: *const kakeya_params,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    guard(|| unsafe {
        let builder = slice::object(builder, "builder")?;
        let key = read_key(key)?;
        let layout = read_layout(layout)?;
        let skeleton = skeleton.as_ref().map(|handle| handle.skeleton.clone());
        let (params, objective) = read_params(params)?;
        builder.inner.with(|builder| builder.add(key, &layout, skeleton, params, objective).map(drop))
    })
}

/// Changes parameters or step factor of stream `stream`. `params` may be NULL and `step_factor` 0: then they stay as
/// they are. The factor, from 1/65536 to 65536, is what the step of the model is multiplied by: how bits are allocated
/// between streams without a new fit.
///
/// # Safety
/// `builder` is live; `params` is NULL or as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_set_stream(
    builder: *mut kakeya_profile_builder,
    stream: size_t,
    params: *const kakeya_params,
    step_factor: f32,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    guard(|| unsafe {
        let builder = slice::object(builder, "builder")?;
        let params = if params.is_null() { None } else { Some(read_params(params)?) };
        let step_factor = if step_factor == 0.0 { None } else { Some(step_factor) };
        builder.inner.with(|builder| builder.set_stream(stream, params, step_factor))
    })
}

/// Sets what concerns the model as a whole; each of the three may be NULL and then stays as it is.
///
/// `fingerprint` is 32 bytes of the caller's choice that tie the profile to its model (zeros unless set). `qualities`
/// replaces the table of qualities, of which there may be 0 to 256 with different names. `policy` replaces the policy.
///
/// # Safety
/// `builder` is live; `fingerprint` is NULL or has 32 readable bytes; `qualities` is NULL or has `n_qualities`
/// elements; `policy` is NULL or as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_set_model(
    builder: *mut kakeya_profile_builder,
    fingerprint: *const u8,
    qualities: *const kakeya_quality,
    n_qualities: size_t,
    policy: *const kakeya_policy,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    guard(|| unsafe {
        let builder = slice::object(builder, "builder")?;
        let fingerprint = slice::optional(fingerprint, 32, "fingerprint")?;
        let qualities =
            if qualities.is_null() { None } else { Some(read_qualities(qualities, n_qualities)?) };
        let policy = if policy.is_null() { None } else { Some(read_policy(policy)?) };
        builder.inner.with(|builder| {
            if let Some(qualities) = qualities {
                builder.set_qualities(&qualities)?;
            }
            if let Some(fingerprint) = fingerprint.and_then(|bytes| bytes.first_chunk()) {
                builder.set_model(*fingerprint);
            }
            if let Some(policy) = policy {
                builder.set_policy(policy);
            }
            Ok(())
        })
    })
}

/// Sets a text for people: UTF-8 of at most 4096 bytes with a zero at its end. Empty unless set.
///
/// # Safety
/// `builder` is live; `text` is readable up to its zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_set_description(
    builder: *mut kakeya_profile_builder,
    text: *const c_char,
) -> kakeya_status {
    // SAFETY: the caller vouches for the pointers.
    guard(|| unsafe {
        let builder = slice::object(builder, "builder")?;
        let text = slice::text(text, MAX_DESCRIPTION, "description")?;
        builder.inner.with(|builder| builder.set_description(text))
    })
}

/// Sets the step of the model that codecs have unless another one is asked for. 0, which it is unless set, stands for
/// the step in the parameters of each stream.
///
/// # Safety
/// `builder` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_set_step(
    builder: *mut kakeya_profile_builder,
    step: f32,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let builder = unsafe { slice::object(builder, "builder") }?;
        builder.inner.with(|builder| builder.set_step(step))
    })
}

/// Makes a profile of all that was set so far; the builder keeps it, and another profile may be made later.
///
/// Errors: `BAD_SHAPE` without a stream; `BAD_PARAM` where two streams have the same tensor, a stream has raw layers and
/// others, or two qualities have one name.
///
/// # Safety
/// `builder` is live; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_finish(
    builder: *mut kakeya_profile_builder,
    out: *mut *mut kakeya_profile,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (builder, out) = (unsafe { slice::object(builder, "builder") }?, slice::out(out, "out")?);
        let profile = builder.inner.with(|builder| builder.finish())?;
        let handle = handle::give(kakeya_profile { profile })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Frees a builder; NULL is nothing.
///
/// # Safety
/// `builder` is NULL or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_free(builder: *mut kakeya_profile_builder) {
    guard(|| {
        // SAFETY: as above.
        unsafe { handle::take_back(builder) };
        Ok(())
    });
}

/// # Safety
/// `out` is NULL or writable.
unsafe fn give(builder: Builder, out: *mut *mut kakeya_profile_builder) -> Result<()> {
    let out = slice::out(out, "out")?;
    let handle = handle::give(kakeya_profile_builder { inner: Exclusive::new(builder, "the builder") })?;
    // SAFETY: not NULL, and the caller vouches for it.
    unsafe { out.write(handle) };
    Ok(())
}

/// # Safety
/// `params` is NULL or as its type says.
unsafe fn read_params(params: *const kakeya_params) -> Result<(Params, Objective)> {
    // SAFETY: as above.
    let params = unsafe { read(params) }?;
    Ok((parse_params(&params)?, Objective::from_code(params.distortion)?))
}

/// # Safety
/// `key` is NULL or as its type says.
unsafe fn read_key(key: *const kakeya_stream_key) -> Result<StreamKey> {
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

/// # Safety
/// `qualities` has `n` elements.
unsafe fn read_qualities(qualities: *const kakeya_quality, n: usize) -> Result<Vec<Quality>> {
    if n > MAX_QUALITIES {
        return Err(Error::BadShape { what: "n_qualities", got: n, expected: Count::AtMost(MAX_QUALITIES) });
    }
    let mut table = try_reserve(n, "the table of qualities")?;
    for index in 0..n {
        // SAFETY: the array has `n` elements.
        let quality = unsafe { read_element(qualities, index) }?;
        if quality.reserved != 0 {
            return Err(Error::BadParam {
                what: "reserved",
                got: f64::from(quality.reserved),
                expected: "0",
            });
        }
        let name = quality.name.map(|byte| byte as u8);
        table.push(Quality::new(name, quality.step, quality.mean_kld, quality.bpv)?);
    }
    Ok(table)
}

/// # Safety
/// `policy` is as its type says.
unsafe fn read_policy(policy: *const kakeya_policy) -> Result<Policy> {
    // SAFETY: as above.
    let policy = unsafe { read(policy) }?;
    let limit = MAX_NUMBER as usize + 1;
    if policy.n_raw_layers > limit {
        return Err(Error::BadShape {
            what: "n_raw_layers",
            got: policy.n_raw_layers,
            expected: Count::AtMost(limit),
        });
    }
    let raw_layers = match policy.n_raw_layers {
        0 => &[],
        // SAFETY: the caller vouches for the array.
        n => unsafe { slice::array(policy.raw_layers, n, "raw_layers") }?,
    };
    Policy::new(policy.n_sinks, policy.n_recent, raw_layers)
}
