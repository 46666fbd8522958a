/* kakeyaturbo profiles: all that was fitted to one model, and measured with it, in one file.
 *
 * A profile has streams. A stream is all rows of one kind: those of some layers, some kv-heads, and K, V or
 * both. It has a layout, parameters and usually a skeleton. To get the codecs of a model from its profile:
 *
 *     kakeya_profile *profile;
 *     check(kakeya_profile_load(bytes, length, &profile));
 *     kakeya_profile_codec_options options = KAKEYA_PROFILE_CODEC_OPTIONS_INIT;
 *     options.quality = "q4"; // an entry of the profile's table of qualities
 *     check(kakeya_profile_streams(profile, &n_streams));
 *     for (size_t i = 0; i < n_streams; i++) {
 *         check(kakeya_profile_codec(profile, i, &options, &codecs[i]));
 *     }
 *     kakeya_profile_free(profile);
 *
 * A "step of the model" is one number for all streams; each stream multiplies it by a step factor of its own.
 *
 * Generated from src/ffi/profile by `cargo xtask header`: edit there.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_PROFILE_H
#define KAKEYATURBO_PROFILE_H

#include <kakeyaturbo/kakeyaturbo.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Streams, skeletons, qualities and policy of one model. Immutable; any number of threads may share it.
typedef struct kakeya_profile kakeya_profile;
/// A profile under construction. One call at a time; a call that fails leaves it as it was.
typedef struct kakeya_profile_builder kakeya_profile_builder;

/* ---- Keys ---------------------------------------------------------------------------------------------- */

/// Keys.
#define KAKEYA_PART_K 1
/// Values.
#define KAKEYA_PART_V 2
/// Keys and values.
#define KAKEYA_PART_KV 3

/// Which tensors of a model make up the rows of a stream. Each segment is one head of one tensor, in this
/// order: for each layer, ascending, K of each head, ascending, then V of each head, ascending. Start from
/// `KAKEYA_STREAM_KEY_INIT`, then set layers and heads.
typedef struct kakeya_stream_key {
    size_t struct_size;
    /// Number of layers, at least 1.
    size_t n_layers;
    /// The layers, counted from 0, strictly ascending, up to 65535.
    const uint32_t *layers;
    /// Number of kv-heads, at least 1.
    size_t n_heads;
    /// The kv-heads, counted from 0, strictly ascending, up to 65535.
    const uint32_t *heads;
    /// `KAKEYA_PART_*`. Default: `KAKEYA_PART_KV`.
    uint32_t part;
    /// Must be 0.
    uint32_t reserved;
} kakeya_stream_key;
#define KAKEYA_STREAM_KEY_INIT {sizeof(kakeya_stream_key), 0, NULL, 0, NULL, KAKEYA_PART_KV, 0}

KAKEYA_API kakeya_status kakeya_stream_key_init(kakeya_stream_key *key, size_t struct_size);

/* ---- Qualities and policy ------------------------------------------------------------------------------ */

/// A named step and what was measured with it. Start from `KAKEYA_QUALITY_INIT`, then set name and step.
typedef struct kakeya_quality {
    size_t struct_size;
    /// 1 to 31 bytes of UTF-8, padded with zeros.
    char name[32];
    /// Step of the model, positive.
    float step;
    /// Must be 0.
    uint32_t reserved;
    /// Measured mean Kullback-Leibler divergence of the model's predictions, in nats; not negative.
    double mean_kld;
    /// Measured bits per value, counting all bytes except the profile's; not negative.
    double bpv;
} kakeya_quality;
#define KAKEYA_QUALITY_INIT {sizeof(kakeya_quality), {0}, 0.0f, 0, 0, 0}

/// What an engine does not code. The library only keeps it with the profile; whoever encodes sets
/// `kakeya_rows.protect` accordingly. Start from `KAKEYA_POLICY_INIT`: everything is coded.
typedef struct kakeya_policy {
    size_t struct_size;
    /// Protect rows at positions below this: attention sinks.
    uint32_t n_sinks;
    /// Protect this many of the most recent rows.
    uint32_t n_recent;
    /// Number of layers that are kept raw as a whole.
    size_t n_raw_layers;
    /// These layers, strictly ascending; may be NULL if there are none.
    const uint32_t *raw_layers;
} kakeya_policy;
#define KAKEYA_POLICY_INIT {sizeof(kakeya_policy), 0, 0, 0, NULL}

KAKEYA_API kakeya_status kakeya_quality_init(kakeya_quality *quality, size_t struct_size);
KAKEYA_API kakeya_status kakeya_policy_init(kakeya_policy *policy, size_t struct_size);

/* ---- Profile ------------------------------------------------------------------------------------------- */

/// Reads what `kakeya_profile_save` wrote: all `len` bytes and nothing else. Accepts any bytes; memory is in
/// proportion to `len`.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, OUT_OF_MEMORY.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_load(
    const void *src, size_t len, kakeya_profile **out);

/// Bytes that `kakeya_profile_save` writes.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_size(const kakeya_profile *profile, size_t *out);

/// Writes a profile, skeletons included, with format version and checksum, to the start of `dst`; `written`
/// receives its size.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_save(
    const kakeya_profile *profile, void *dst, size_t cap, size_t *written);

/// Frees a profile; NULL is a no-op. Codecs and skeletons that were made from it keep what they need.
KAKEYA_API void kakeya_profile_free(kakeya_profile *profile);

/// BLAKE3 of the saved form: equal profiles have equal fingerprints. Writes 32 bytes to `out`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_fingerprint(
    const kakeya_profile *profile, uint8_t *out);

/// The 32 bytes that tie the profile to its model, as given to `kakeya_profile_builder_set_model`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_model_fingerprint(
    const kakeya_profile *profile, uint8_t *out);

/// Copies the human-readable description to `buf`: as much as fits in `cap` bytes, with a NUL at the end.
/// `len` receives the full length without the NUL. `buf` may be NULL if `cap` is 0.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_description(
    const kakeya_profile *profile, char *buf, size_t cap, size_t *len);

/// The default step of the model; 0 = every stream has the step of its own parameters.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_step(const kakeya_profile *profile, float *out);

/// The policy. Writes the first `policy_size` bytes of the struct, including its `struct_size`. `raw_layers`
/// points into the profile and lives as long as it does.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_policy(
    const kakeya_profile *profile, kakeya_policy *policy, size_t policy_size);

/// Number of entries in the table of qualities.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_qualities(
    const kakeya_profile *profile, size_t *out);

/// Entry `index` of the table of qualities. Writes the first `quality_size` bytes of the struct, including
/// its `struct_size`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_quality(
    const kakeya_profile *profile, size_t index, kakeya_quality *quality, size_t quality_size);

/// What a stream of a profile is. Pointers are into the profile and live as long as it does.
typedef struct kakeya_stream_info {
    /// Number of layers.
    size_t n_layers;
    /// The layers, ascending.
    const uint32_t *layers;
    /// Number of kv-heads.
    size_t n_heads;
    /// The kv-heads, ascending.
    const uint32_t *heads;
    /// `KAKEYA_PART_*`.
    uint32_t part;
    /// `KAKEYA_PRESET_*`.
    uint32_t preset;
    /// `KAKEYA_DISTORTION_*`.
    uint32_t distortion;
    /// `KAKEYA_RATE_CONTROL_*` of its parameters; `kakeya_profile_codec_options` may override it.
    uint32_t rate_control;
    /// Segments of a row: layers times heads times parts.
    size_t n_segments;
    /// Coordinates per row.
    size_t dim;
    /// Bytes of a row that is stored raw.
    size_t raw_row_bytes;
    /// Size of the skeleton when saved, in bytes; 0 without one. Streams with equal ids share it.
    uint64_t skeleton_bytes;
    /// `kakeya_skeleton_id`; zeros without a skeleton.
    uint8_t skeleton_id[32];
    /// Factor that turns the step of the model into the step of this stream.
    float step_factor;
    /// 1 if rows need positions, else 0.
    uint32_t needs_positions;
} kakeya_stream_info;

/// Number of streams.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_streams(const kakeya_profile *profile, size_t *out);

/// What stream `index` is. Writes the first `info_size` bytes of the struct.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_stream(
    const kakeya_profile *profile, size_t index, kakeya_stream_info *info, size_t info_size);

/// Segment `segment` of stream `stream`. Writes the first `out_size` bytes of the struct, including its
/// `struct_size`. `inv_freq` points into the profile and lives as long as it does.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_segment(
    const kakeya_profile *profile, size_t stream, size_t segment, kakeya_segment *out, size_t out_size);

/// The parameters of stream `stream` as the profile has them, before any `kakeya_profile_codec_options`.
/// Writes the first `params_size` bytes of the struct, including its `struct_size`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_params(
    const kakeya_profile *profile, size_t stream, kakeya_params *params, size_t params_size);

/// A handle to the skeleton of stream `stream`, to be freed with `kakeya_skeleton_free`; NULL if the stream
/// has none.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_skeleton(
    const kakeya_profile *profile, size_t stream, kakeya_skeleton **out);

/// Finds the stream, and the segment of it, that hold one head of one tensor; `part` is `KAKEYA_PART_K` or
/// `KAKEYA_PART_V`.
///
/// Errors: BAD_PARAM if no stream has the tensor.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_find(
    const kakeya_profile *profile, uint32_t layer, uint32_t part, uint32_t head, size_t *stream,
    size_t *segment);

/* ---- Codecs from a profile ----------------------------------------------------------------------------- */

/// Options for the codec of a stream. At most one of `quality`, `step` and `bits` may be set; with none, the
/// stream keeps its own rate control, and if that is a step, the default step of the profile. Start from
/// `KAKEYA_PROFILE_CODEC_OPTIONS_INIT`.
typedef struct kakeya_profile_codec_options {
    size_t struct_size;
    /// Name of an entry of the table of qualities, whose step is used.
    const char *quality;
    /// Step of the model; the codec gets this times the step factor of the stream. Streams of preset turbo
    /// and kakeya have no step and stay as they are. 0 = not set.
    float step;
    /// Fixed rate in bits per component, on average. 0 = not set.
    float bits;
    /// Largest size of a block; rdo only, and not together with `bits`. A step is then the finest one to try;
    /// if neither the options nor the profile have one, the block gets as fine a step as fits. 0 = not set.
    ///
    size_t max_bytes;
    /// `KAKEYA_CPU_TIER_*`. Default: `KAKEYA_CPU_TIER_BEST`.
    uint32_t cpu_tier;
    /// Must be 0.
    uint32_t reserved;
} kakeya_profile_codec_options;
#define KAKEYA_PROFILE_CODEC_OPTIONS_INIT { \
    sizeof(kakeya_profile_codec_options), NULL, 0.0f, 0.0f, 0, KAKEYA_CPU_TIER_BEST, 0}

KAKEYA_API kakeya_status kakeya_profile_codec_options_init(
    kakeya_profile_codec_options *options, size_t struct_size);

/// Creates a codec for the rows of stream `stream`. It equals the one that `kakeya_codec_create` makes from
/// the same parameters, layout and skeleton: same fingerprint, same blocks. It keeps the skeleton; `profile`
/// may be freed. `options` may be NULL: all defaults.
///
/// Errors: BAD_PARAM (an unknown quality, or a value out of range), BAD_SHAPE (no such stream),
/// OUT_OF_MEMORY, UNSUPPORTED (options that contradict each other, or that the preset does not have).
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_codec(
    const kakeya_profile *profile, size_t stream, const kakeya_profile_codec_options *options,
    kakeya_codec **out);

/* ---- Builder ------------------------------------------------------------------------------------------- */

/// Starts a profile without streams.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_create(kakeya_profile_builder **out);

/// Starts a profile as a copy of `profile`, to change what needs no new fit: parameters, step factors,
/// qualities, policy. Skeletons are shared, not copied. `profile` may be freed.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_from(
    const kakeya_profile *profile, kakeya_profile_builder **out);

/// Adds a stream, with a step factor of 1. Streams are numbered 0, 1, ... in the order in which they are
/// added. `layout` has one segment for every tensor of `key`, in its order. `layout`, `skeleton` (NULL if the
/// codec takes none) and `params` are those of the stream's codec; the CPU tier in `params` is ignored. Equal
/// skeletons and equal frequency tables are stored once. The skeleton remains the caller's.
///
/// Errors: those of `kakeya_codec_create`, and BAD_PARAM or BAD_SHAPE for the key.
/// `kakeya_profile_builder_finish` checks that no two streams share a tensor.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_add(
    kakeya_profile_builder *builder, const kakeya_stream_key *key, const kakeya_layout *layout,
    const kakeya_skeleton *skeleton, const kakeya_params *params);

/// Changes the parameters or the step factor of stream `stream`. With `params` NULL the parameters stay as
/// they are, with `step_factor` 0 the factor does. The factor, from 1/65536 to 65536, multiplies the step of
/// the model: it distributes bits among streams without a new fit.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_set_stream(
    kakeya_profile_builder *builder, size_t stream, const kakeya_params *params, float step_factor);

/// Sets what concerns the model as a whole. Each of the three may be NULL and then stays as it is.
/// `fingerprint` is 32 bytes of the caller's choice that tie the profile to its model; zeros unless set.
/// `qualities` replaces the table of qualities: 0 to 256 entries with different names. `policy` replaces the
/// policy.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_set_model(
    kakeya_profile_builder *builder, const uint8_t *fingerprint, const kakeya_quality *qualities,
    size_t n_qualities, const kakeya_policy *policy);

/// Sets the human-readable description: NUL-terminated UTF-8, at most 4096 bytes. Empty unless set.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_set_description(
    kakeya_profile_builder *builder, const char *text);

/// Sets the default step of the model. 0, the initial value: every stream has the step of its own parameters.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_set_step(
    kakeya_profile_builder *builder, float step);

/// Makes a profile from everything set so far. The builder keeps it all, so another profile may be made
/// later.
///
/// Errors: BAD_SHAPE (no stream), BAD_PARAM (two streams with the same tensor, a stream with raw and other
/// layers, two qualities with one name).
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_profile_builder_finish(
    kakeya_profile_builder *builder, kakeya_profile **out);

/// Frees a builder; NULL is a no-op. No call may be using it.
KAKEYA_API void kakeya_profile_builder_free(kakeya_profile_builder *builder);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KAKEYATURBO_PROFILE_H */
