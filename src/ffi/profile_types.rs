//! The types of profiles in the C API.

use super::sized::{SizedStruct, sized};
use super::types::*;
use libc::{c_char, size_t};
use std::ptr;

/// Keys.
pub const KAKEYA_PART_K: u32 = 1;
/// Values.
pub const KAKEYA_PART_V: u32 = 2;
/// Keys and values.
pub const KAKEYA_PART_KV: u32 = 3;

/// Which tensors of a model make up the rows of a stream. Fill with `kakeya_stream_key_init`.
///
/// A segment of the stream is one head of one tensor. They lie in this order: for each layer, ascending, K of each
/// head, ascending, then V of each head, ascending.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_stream_key {
    /// `sizeof(kakeya_stream_key)` of the caller.
    pub struct_size: size_t,
    /// Number of layers, at least 1.
    pub n_layers: size_t,
    /// The layers, counted from 0, strictly ascending, up to 65535.
    pub layers: *const u32,
    /// Number of kv-heads, at least 1.
    pub n_heads: size_t,
    /// The kv-heads, counted from 0, strictly ascending, up to 65535.
    pub heads: *const u32,
    /// `KAKEYA_PART_*`. Default: keys and values.
    pub part: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// A step under a name, and what was measured with it. Fill with `kakeya_quality_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_quality {
    /// `sizeof(kakeya_quality)` of the caller.
    pub struct_size: size_t,
    /// 1 to 31 bytes of UTF-8, filled up with zeros.
    pub name: [c_char; 32],
    /// Step of the model, positive.
    pub step: f32,
    /// Must be 0.
    pub reserved: u32,
    /// Mean Kullback-Leibler divergence of the model's predictions, in nats, as measured; not below 0.
    pub mean_kld: f64,
    /// Bits per value as measured, all bytes but the profile's counted; not below 0.
    pub bpv: f64,
}

/// What an engine leaves out of coding. Fill with `kakeya_policy_init`.
///
/// The library keeps it with the profile; whoever encodes sets `kakeya_rows::protect` by it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_policy {
    /// `sizeof(kakeya_policy)` of the caller.
    pub struct_size: size_t,
    /// Rows at positions below this are to be protected: attention sinks. Default: 0.
    pub n_sinks: u32,
    /// As many of the most recent rows are to be protected. Default: 0.
    pub n_recent: u32,
    /// Number of layers that are kept raw as a whole. Default: 0.
    pub n_raw_layers: size_t,
    /// These layers, strictly ascending; may be NULL if there are none.
    pub raw_layers: *const u32,
}

/// A wish for the codec of a stream. Fill with `kakeya_profile_codec_options_init`. At most one of `quality`, `step`
/// and `bits` is set; with none the stream has its own rate control, at the default step of the profile where that
/// is a step.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_profile_codec_options {
    /// `sizeof(kakeya_profile_codec_options)` of the caller.
    pub struct_size: size_t,
    /// Name of an entry of the table of qualities, whose step is taken. Default: NULL.
    pub quality: *const c_char,
    /// Step of the model; that of the codec is this times the step factor of the stream. Streams of preset turbo
    /// and kakeya have none and stay as they are. 0 = not set. Default: 0.
    pub step: f32,
    /// Fixed rate in bits per component, on average. 0 = not set. Default: 0.
    pub bits: f32,
    /// Largest size of a block; for preset rdo, and not together with `bits`. The step is then the finest one that is
    /// tried; as fine as fits where neither the wish nor the profile has one. 0 = not set. Default: 0.
    pub max_bytes: size_t,
    /// `KAKEYA_CPU_TIER_*`. Default: best.
    pub cpu_tier: u32,
    /// Must be 0.
    pub reserved: u32,
}

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
    /// `KAKEYA_RATE_CONTROL_*`, before one is asked for.
    pub rate_control: u32,
    /// Segments of a row: layers times heads times parts.
    pub n_segments: size_t,
    /// Coordinates of a row.
    pub dim: size_t,
    /// Bytes of a row that is stored raw.
    pub raw_row_bytes: size_t,
    /// Size of the skeleton when saved, in bytes; 0 without one. Streams with equal ids share it.
    pub skeleton_bytes: u64,
    /// `kakeya_skeleton_id`; zeros without a skeleton.
    pub skeleton_id: [u8; 32],
    /// What the step of the model is multiplied by for this stream.
    pub step_factor: f32,
    /// 1 if rows need positions, else 0.
    pub needs_positions: u32,
}

sized!(kakeya_stream_key {
    n_layers: 0,
    layers: ptr::null(),
    n_heads: 0,
    heads: ptr::null(),
    part: KAKEYA_PART_KV,
    reserved: 0,
});
sized!(kakeya_quality { name: [0; 32], step: 0.0, reserved: 0, mean_kld: 0.0, bpv: 0.0 });
sized!(kakeya_policy { n_sinks: 0, n_recent: 0, n_raw_layers: 0, raw_layers: ptr::null() });
sized!(kakeya_profile_codec_options {
    quality: ptr::null(),
    step: 0.0,
    bits: 0.0,
    max_bytes: 0,
    cpu_tier: KAKEYA_CPU_TIER_BEST,
    reserved: 0,
});
