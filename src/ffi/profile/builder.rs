//! Putting profiles together.

use super::model::kakeya_profile;
use super::quality::{kakeya_policy, kakeya_quality, read_policy, read_qualities};
use super::stream_key::{kakeya_stream_key, read_key};
use crate::ffi::codes::kakeya_status;
use crate::ffi::handle::{self, Exclusive};
use crate::ffi::layout::{kakeya_layout, read_layout};
use crate::ffi::params::{kakeya_params, read_params};
use crate::ffi::skeleton::kakeya_skeleton;
use crate::ffi::slice;
use crate::ffi::status::guard;
use crate::profile::{Builder, MAX_DESCRIPTION};
use libc::{c_char, size_t};

/// A profile under construction. One call at a time; a call that fails leaves it as it was.
pub struct kakeya_profile_builder {
    inner: Exclusive<Builder>,
}

impl kakeya_profile_builder {
    fn new(builder: Builder) -> Self {
        Self { inner: Exclusive::new(builder, "the builder") }
    }
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
    unsafe { handle::create(out, || Ok(kakeya_profile_builder::new(Builder::new()))) }
}

/// Starts a profile as a copy of `profile`, to change what needs no new fit: parameters, step factors,
/// qualities, policy. Skeletons are shared, not copied. `profile` may be freed.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_from(
    profile: *const kakeya_profile,
    out: *mut *mut kakeya_profile_builder,
) -> kakeya_status {
    let copy = || {
        // SAFETY: the caller vouches for the profile.
        let profile = &unsafe { slice::object(profile, "profile") }?.profile;
        Ok(kakeya_profile_builder::new(Builder::from_profile(profile)?))
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, copy) }
}

/// Adds a stream, with a step factor of 1. Streams are numbered 0, 1, ... in the order in which they are
/// added. `layout` has one segment for every tensor of `key`, in its order. `layout`, `skeleton` (NULL if the
/// codec takes none) and `params` are those of the stream's codec; the CPU tier in `params` is ignored. Equal
/// skeletons and equal frequency tables are stored once. The skeleton remains the caller's.
///
/// Errors: those of `kakeya_codec_create`, and BAD_PARAM or BAD_SHAPE for the key.
/// `kakeya_profile_builder_finish` checks that no two streams share a tensor.
///
/// # Safety
/// `builder` is live; `key` and its arrays are as `kakeya_stream_key` says; the others as for
/// `kakeya_codec_create`.
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
        let (_, params, objective) = read_params(params)?;
        builder.inner.with(|builder| builder.add(key, &layout, skeleton, params, objective).map(drop))
    })
}

/// Changes the parameters or the step factor of stream `stream`. With `params` NULL the parameters stay as
/// they are, with `step_factor` 0 the factor does. The factor, from 1/65536 to 65536, multiplies the step of
/// the model: it distributes bits among streams without a new fit.
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
        let params = if params.is_null() {
            None
        } else {
            let (_, params, objective) = read_params(params)?;
            Some((params, objective))
        };
        let step_factor = if step_factor == 0.0 { None } else { Some(step_factor) };
        builder.inner.with(|builder| builder.set_stream(stream, params, step_factor))
    })
}

/// Sets what concerns the model as a whole. Each of the three may be NULL and then stays as it is.
/// `fingerprint` is 32 bytes of the caller's choice that tie the profile to its model; zeros unless set.
/// `qualities` replaces the table of qualities: 0 to 256 entries with different names. `policy` replaces the
/// policy.
///
/// # Safety
/// `builder` is live; `fingerprint` is NULL or has 32 readable bytes; `qualities` is NULL or has
/// `n_qualities` elements; `policy` is NULL or as its type says.
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

/// Sets the human-readable description: NUL-terminated UTF-8, at most 4096 bytes. Empty unless set.
///
/// # Safety
/// `builder` is live; `text` is readable up to its NUL.
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

/// Sets the default step of the model. 0, the initial value: every stream has the step of its own parameters.
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

/// Makes a profile from everything set so far. The builder keeps it all, so another profile may be made
/// later.
///
/// Errors: BAD_SHAPE (no stream), BAD_PARAM (two streams with the same tensor, a stream with raw and other
/// layers, two qualities with one name).
///
/// # Safety
/// `builder` is live; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_finish(
    builder: *mut kakeya_profile_builder,
    out: *mut *mut kakeya_profile,
) -> kakeya_status {
    let finish = || {
        // SAFETY: the caller vouches for the pointer.
        let builder = unsafe { slice::object(builder, "builder") }?;
        Ok(kakeya_profile { profile: builder.inner.with(|builder| builder.finish())? })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, finish) }
}

/// Frees a builder; NULL is a no-op. No call may be using it.
///
/// # Safety
/// `builder` is NULL, or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_builder_free(builder: *mut kakeya_profile_builder) {
    // SAFETY: as above.
    unsafe { handle::free(builder) };
}
