//! The streams of a profile.

use super::model::kakeya_profile;
use super::pointer_to;
use crate::ffi::codes::kakeya_status;
use crate::ffi::handle;
use crate::ffi::layout::{KAKEYA_ROPE_NONE, kakeya_segment};
use crate::ffi::params::{kakeya_params, params_of};
use crate::ffi::sized::{SizedStruct, write_out, write_sized};
use crate::ffi::skeleton::kakeya_skeleton;
use crate::ffi::slice;
use crate::ffi::status::guard;
use crate::profile::{Part, Tensor};
use libc::size_t;

/// What a stream of a profile is. Pointers are into the profile and live as long as it does.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_stream_info {
    /// Number of layers.
    pub n_layers: size_t,
    /// The layers, ascending.
    pub layers: *const u32,
    /// Number of kv-heads.
    pub n_heads: size_t,
    /// The kv-heads, ascending.
    pub heads: *const u32,
    /// `KAKEYA_PART_*`.
    pub part: u32,
    /// `KAKEYA_PRESET_*`.
    pub preset: u32,
    /// `KAKEYA_DISTORTION_*`.
    pub distortion: u32,
    /// `KAKEYA_RATE_CONTROL_*` of its parameters; `kakeya_profile_codec_options` may override it.
    pub rate_control: u32,
    /// Segments of a row: layers times heads times parts.
    pub n_segments: size_t,
    /// Coordinates per row.
    pub dim: size_t,
    /// Bytes of a row that is stored raw.
    pub raw_row_bytes: size_t,
    /// Size of the skeleton when saved, in bytes; 0 without one. Streams with equal ids share it.
    pub skeleton_bytes: u64,
    /// `kakeya_skeleton_id`; zeros without a skeleton.
    pub skeleton_id: [u8; 32],
    /// Factor that turns the step of the model into the step of this stream.
    pub step_factor: f32,
    /// 1 if rows need positions, else 0.
    pub needs_positions: u32,
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
    let count = |handle: &kakeya_profile| Ok(handle.profile.streams().len());
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", out, "out", count) }
}

/// What stream `index` is. Writes the first `info_size` bytes of the struct.
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
        let value = kakeya_stream_info {
            n_layers: key.layers().len(),
            layers: pointer_to(key.layers()),
            n_heads: key.heads().len(),
            heads: pointer_to(key.heads()),
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
        unsafe { write_out(info, info_size, &value) };
        Ok(())
    })
}

/// Segment `segment` of stream `stream`. Writes the first `out_size` bytes of the struct, including its
/// `struct_size`. `inv_freq` points into the profile and lives as long as it does.
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
        let value = kakeya_segment {
            dim: piece.dim,
            gain: piece.gain,
            raw_dtype: piece.raw_dtype.code(),
            rope: piece.rope.map_or(KAKEYA_ROPE_NONE, |(pairing, _)| u32::from(pairing.code())),
            n_rot: 2 * table.len(),
            inv_freq: pointer_to(table),
            ..SizedStruct::defaults()
        };
        // SAFETY: the caller vouches for `out_size` bytes.
        unsafe { write_sized(out, out_size, &value) }
    })
}

/// The parameters of stream `stream` as the profile has them, before any `kakeya_profile_codec_options`.
/// Writes the first `params_size` bytes of the struct, including its `struct_size`.
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
        let value = params_of(stream.params().settings(), stream.objective());
        // SAFETY: the caller vouches for `params_size` bytes.
        unsafe { write_sized(params, params_size, &value) }
    })
}

/// A handle to the skeleton of stream `stream`, to be freed with `kakeya_skeleton_free`; NULL if the stream
/// has none.
///
/// # Safety
/// `profile` is a live profile; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_profile_skeleton(
    profile: *const kakeya_profile,
    stream: size_t,
    out: *mut *mut kakeya_skeleton,
) -> kakeya_status {
    let share = |handle: &kakeya_profile| match handle.profile.skeleton(stream)? {
        Some(shared) => handle::into_c(kakeya_skeleton { skeleton: shared.skeleton.clone() }),
        None => Ok(std::ptr::null_mut()),
    };
    // SAFETY: the caller vouches for the pointers.
    unsafe { handle::read_into(profile, "profile", out, "out", share) }
}

/// Finds the stream, and the segment of it, that hold one head of one tensor; `part` is `KAKEYA_PART_K` or
/// `KAKEYA_PART_V`.
///
/// Errors: BAD_PARAM if no stream has the tensor.
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
        let place = profile.find(Tensor { layer, part: Part::from_code(part)?, head })?;
        // SAFETY: not NULL, and the caller vouches for them.
        unsafe {
            stream.write(place.0);
            segment.write(place.1);
        }
        Ok(())
    })
}
