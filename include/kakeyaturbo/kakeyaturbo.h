/* kakeyaturbo: compresses the KV cache of LLM inference engines block by block.
 *
 * Generated from src/ffi by cbindgen; edit there, then run `cargo xtask header`.
 * The conventions that every function keeps are in docs/C_API.md.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_H
#define KAKEYATURBO_H

#include <stddef.h>
#include <stdint.h>

/** Version of the headers, to compare with kakeya_version_number(). */
#define KAKEYA_VERSION_MAJOR 0
#define KAKEYA_VERSION_MINOR 1
#define KAKEYA_VERSION_PATCH 0
#define KAKEYA_VERSION_NUMBER (KAKEYA_VERSION_MAJOR * 1000000 + KAKEYA_VERSION_MINOR * 1000 + KAKEYA_VERSION_PATCH)
#define KAKEYA_VERSION_STRING "0.1.0"

#if defined(_WIN32) && defined(KAKEYA_SHARED)
#define KAKEYA_API __declspec(dllimport)
#else
#define KAKEYA_API
#endif


/**
 * Version of the binary interface. It changes where a program that was compiled against an older header would
 * no longer work; the soname changes with it.
 */
#define KAKEYA_ABI_VERSION 1

/**
 * No skeleton: every row is rotated and quantised on its own.
 */
#define KAKEYA_PRESET_TURBO 0

/**
 * PCA, K-means, rotation, Lloyd-Max; the skeleton is fitted on the block and stored in it, or shared.
 */
#define KAKEYA_PRESET_KAKEYA 1

/**
 * A shared skeleton of full rank; bits go where the variance is. At a step (`KAKEYA_RATE_CONTROL_STEP`,
 * `MAX_BYTES`) rows are entropy-coded; with rate control bits, the default, a block has a fixed size.
 */
#define KAKEYA_PRESET_RDO 2

/**
 * Squared error: the scale of a row is that of least squares.
 */
#define KAKEYA_DISTORTION_MSE 0

/**
 * Inner products. turbo and kakeya: those with decoded rows are unbiased. rdo: least squares as with MSE, but the
 * certified error is the one that queries see, where the skeleton knows queries (`kakeya_fitter_add_queries`).
 */
#define KAKEYA_DISTORTION_INNER_PRODUCT 1

/**
 * Least maximum absolute error. With `kakeya_params::max_abs_error` the bound is kept: rows that miss it are
 * stored raw with rdo at a step, else the block is refused (as it is where the `raw_dtype` cannot keep it).
 */
#define KAKEYA_DISTORTION_LINF 2

/**
 * `kakeya_params::bits` fixes the rate.
 */
#define KAKEYA_RATE_CONTROL_BITS 0

/**
 * `kakeya_params::step` fixes the error; the size of a block follows from its data. For rdo.
 */
#define KAKEYA_RATE_CONTROL_STEP 1

/**
 * `kakeya_params::max_bytes` caps the size of a block; the finest step at which it fits is searched for: of a
 * grid of steps 1.1 % apart, by halving, so that a finer one that happens to fit too may be missed. For rdo; encoding takes some ten times as long as at a fixed step.
 */
#define KAKEYA_RATE_CONTROL_MAX_BYTES 2

/**
 * IEEE 754 binary32.
 */
#define KAKEYA_DTYPE_F32 0

/**
 * IEEE 754 binary16.
 */
#define KAKEYA_DTYPE_F16 1

/**
 * bfloat16: the upper half of a binary32.
 */
#define KAKEYA_DTYPE_BF16 2

/**
 * The segment is coded as it is.
 */
#define KAKEYA_ROPE_NONE 0

/**
 * Rotary embedding on pairs `(i, i + n_rot/2)`.
 */
#define KAKEYA_ROPE_NEOX 1

/**
 * Rotary embedding on pairs `(2i, 2i + 1)`.
 */
#define KAKEYA_ROPE_INTERLEAVED 2

/**
 * A row with NaN or infinity is an error, `KAKEYA_ERR_NOT_FINITE`.
 */
#define KAKEYA_NAN_POLICY_REJECT 0

/**
 * A row with NaN or infinity is stored raw, as if it were protected; it takes one of `max_protected`.
 */
#define KAKEYA_NAN_POLICY_RAW 1

/**
 * The best tier of this machine.
 */
#define KAKEYA_CPU_TIER_BEST 0

/**
 * The baseline instructions of the target.
 */
#define KAKEYA_CPU_TIER_SCALAR 1

/**
 * x86-64-v3: AVX2, FMA, F16C.
 */
#define KAKEYA_CPU_TIER_AVX2 2

/**
 * AVX-512 as of Ice Lake.
 */
#define KAKEYA_CPU_TIER_AVX512 3

/**
 * Advanced SIMD of 64-bit ARM.
 */
#define KAKEYA_CPU_TIER_NEON 4

/**
 * `kakeya_block_info::flags`: the payload is covered by a checksum.
 */
#define KAKEYA_BLOCK_FLAG_CHECKSUM 1

/**
 * `kakeya_block_info::flags`: the block carries its own skeleton.
 */
#define KAKEYA_BLOCK_FLAG_OWN_SKELETON 2

/**
 * `kakeya_block_info::flags`: rows stored raw carry their positions.
 */
#define KAKEYA_BLOCK_FLAG_POSITIONS 4

/**
 * `kakeya_block_info::flags`: symbols are entropy-coded, in runs of rows.
 */
#define KAKEYA_BLOCK_FLAG_RUNS 8

/**
 * `kakeya_block_info::flags`: weights changed the steps of rows.
 */
#define KAKEYA_BLOCK_FLAG_WEIGHTS 16

/**
 * `kakeya_block_info::flags`: all rows are stored raw, since that is smaller.
 */
#define KAKEYA_BLOCK_FLAG_RAW 32

/**
 * `kakeya_block_info::flags`: components have bits of their own, at a fixed rate.
 */
#define KAKEYA_BLOCK_FLAG_ALLOCATED 64

/**
 * `kakeya_block_info::flags`: values are those of a trellis.
 */
#define KAKEYA_BLOCK_FLAG_TRELLIS 128

/**
 * Keys.
 */
#define KAKEYA_PART_K 1

/**
 * Values.
 */
#define KAKEYA_PART_V 2

/**
 * Keys and values.
 */
#define KAKEYA_PART_KV 3

/**
 * A codec: immutable, to be shared by any number of threads.
 */
typedef struct kakeya_codec kakeya_codec;

/**
 * Collects rows for a skeleton; one call at a time.
 */
typedef struct kakeya_fitter kakeya_fitter;

/**
 * A profile: immutable, to be shared by any number of threads.
 */
typedef struct kakeya_profile kakeya_profile;

/**
 * A profile under construction; one call at a time. A call that fails leaves it as it was.
 */
typedef struct kakeya_profile_builder kakeya_profile_builder;

/**
 * A skeleton: immutable, to be shared by any number of threads and codecs.
 */
typedef struct kakeya_skeleton kakeya_skeleton;

/**
 * Scratch for one call at a time. A call that finds it in use by another one fails with `BUSY`; after a
 * caught panic it is `POISONED` and can only be freed.
 */
typedef struct kakeya_workspace kakeya_workspace;

/**
 * Result of every fallible function: `KAKEYA_OK` or one of `KAKEYA_ERR_*`.
 */
typedef int32_t kakeya_status;

/**
 * Parameters of a codec or a fitter. Fill with `kakeya_params_init`, then change what you need.
 */
typedef struct kakeya_params {
    /**
     * `sizeof(kakeya_params)` of the caller.
     */
    size_t struct_size;
    /**
     * `KAKEYA_PRESET_*`. Default: turbo.
     */
    uint32_t preset;
    /**
     * `KAKEYA_DISTORTION_*`. Default: MSE.
     */
    uint32_t distortion;
    /**
     * `KAKEYA_RATE_CONTROL_*`. Default: bits.
     */
    uint32_t rate_control;
    /**
     * With rate control bits: bits per coded component, an integer from 1 to 8; for rdo their average, any number
     * in (0, 8], spent where the skeleton's variances ask for them. A scale of 16 bits a row comes on top.
     * Default: 4.
     */
    float bits;
    /**
     * With rate control step: step of the uniform quantiser, positive, in units of the rows after gains. Every
     * coefficient is coded to within 0.625 of it (effort 0) or 1.0 (effort 1). With rate control max_bytes: the
     * finest step to try: where it fits, nothing is spent on more; 0 = the root mean square of the components
     * over 4,096, below which the basis, of 16 bits a number, is what limits the error (1e-7 of a row's energy).
     * Weights scale the step of a row by the root of the mean weight (geometric) over the row's, from 1/16 to 16. Must be 0 with rate control bits. Default: 0.
     */
    float step;
    /**
     * rdo: rows that are entropy-coded together, 1 to 65535: the unit of random access. Default: 128.
     */
    uint32_t rows_per_run;
    /**
     * With rate control max_bytes: largest size of a block; a block that does not fit at any step is
     * `KAKEYA_ERR_BOUND_NOT_MET`. A destination must have as many, or what `kakeya_encode_bound` says if that is
     * less. Must be 0 otherwise. Default: 0.
     */
    size_t max_bytes;
    /**
     * With `KAKEYA_DISTORTION_LINF`: largest allowed |x - x'| of a row that is not protected, in the units of
     * the tensors and at any position, checked by decoding; rounding to a destination's f16 or bf16 comes on
     * top. 0 = none asked. Must be 0 with the other distortions. Default: 0.
     */
    float max_abs_error;
    /**
     * kakeya: share of the variance that the basis must capture, in (0, 1]. Default: 0.99.
     */
    float variance_ratio;
    /**
     * kakeya: largest number of components; 0 = no limit but the dimension. Default: 0.
     */
    uint32_t max_rank;
    /**
     * kakeya, rdo: K-means centres to try, 0 to 256; 0 = none. They are kept only where they pay; with rdo few
     * hardly do, and 256 do most. Default: 16.
     */
    uint32_t kmeans_k;
    /**
     * kakeya, rdo: rounds of K-means, 1 to 100. Default: 10.
     */
    uint32_t kmeans_iters;
    /**
     * How hard the encoder works at a step: 0 = a plain uniform quantiser; 1 = a trellis search, which takes
     * about a tenth of a bit per significant coefficient off the same error, and several times as long. At the
     * same step it is the larger block with the smaller error: choose a step some 1.2 times as large. The decoder
     * hardly notices. Must be 0 with rate control bits. Default: 0.
     */
    uint32_t effort;
    /**
     * Rate control bits: rows of a block that may be stored raw; their space is reserved in every block. At a
     * step any number may be, and nothing is reserved (with max_bytes, as far as they fit). Default: 0.
     */
    size_t max_protected;
    /**
     * Selects the random signs of the rotation and the choices of K-means. Default: 0.
     */
    uint64_t seed;
    /**
     * `KAKEYA_NAN_POLICY_*`. Default: reject.
     */
    uint32_t nan_policy;
    /**
     * 1: every block carries a checksum of its payload; 0: of its header only. Default: 1.
     */
    uint32_t checksum;
    /**
     * `KAKEYA_CPU_TIER_*`; a tier that the machine lacks is `KAKEYA_ERR_UNSUPPORTED`. Default: best.
     */
    uint32_t cpu_tier;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} kakeya_params;

/**
 * A run of coordinates of a row that comes from one tensor. Fill with `kakeya_segment_init`.
 */
typedef struct kakeya_segment {
    /**
     * `sizeof(kakeya_segment)` of the caller.
     */
    size_t struct_size;
    /**
     * Coordinates, 1 to 4096.
     */
    size_t dim;
    /**
     * Factor applied before coding and undone after decoding; finite and positive. Default: 1.
     */
    float gain;
    /**
     * `KAKEYA_DTYPE_*` of rows that are stored raw: protected ones, and those that coding would make larger. Take
     * one that holds the values: f16 ends at 65,504. Default: f32.
     */
    uint32_t raw_dtype;
    /**
     * `KAKEYA_ROPE_*`: rotary embedding that is undone before coding. Default: none.
     */
    uint32_t rope;
    /**
     * Leading coordinates that are rotated: even, at most `dim`; ignored without RoPE.
     */
    size_t n_rot;
    /**
     * `n_rot / 2` inverse frequencies in radians per position, copied at creation; ignored without RoPE.
     */
    const float *inv_freq;
} kakeya_segment;

/**
 * The segments that make up a row, in order. Fill with `kakeya_layout_init`.
 */
typedef struct kakeya_layout {
    /**
     * `sizeof(kakeya_layout)` of the caller.
     */
    size_t struct_size;
    /**
     * Number of segments; their dimensions add up to 1 to 4096.
     */
    size_t n_segments;
    /**
     * The segments; they step by the `struct_size` of the first.
     */
    const struct kakeya_segment *segments;
} kakeya_layout;

/**
 * Where the rows of one segment are read. Fill with `kakeya_view_init`.
 *
 * Element `c` of row `r` is `data[r * row_stride + c * col_stride]`; strides are in elements and may be
 * negative or zero.
 */
typedef struct kakeya_view {
    /**
     * `sizeof(kakeya_view)` of the caller.
     */
    size_t struct_size;
    /**
     * First element of the first row, aligned to the element size.
     */
    const void *data;
    /**
     * `KAKEYA_DTYPE_*`. Default: f32.
     */
    uint32_t dtype;
    /**
     * Elements from a row to the next.
     */
    ptrdiff_t row_stride;
    /**
     * Elements from a coordinate to the next. Default: 1.
     */
    ptrdiff_t col_stride;
} kakeya_view;

/**
 * Where the rows of one segment are written; as `kakeya_view`. Fill with `kakeya_view_mut_init`.
 */
typedef struct kakeya_view_mut {
    /**
     * `sizeof(kakeya_view_mut)` of the caller.
     */
    size_t struct_size;
    /**
     * First element of the first row; NULL leaves this segment out.
     */
    void *data;
    /**
     * `KAKEYA_DTYPE_*`. Default: f32. Values beyond its range become its largest finite value.
     */
    uint32_t dtype;
    /**
     * Elements from a row to the next.
     */
    ptrdiff_t row_stride;
    /**
     * Elements from a coordinate to the next. Default: 1.
     */
    ptrdiff_t col_stride;
} kakeya_view_mut;

/**
 * The rows to encode. Fill with `kakeya_rows_init`.
 */
typedef struct kakeya_rows {
    /**
     * `sizeof(kakeya_rows)` of the caller.
     */
    size_t struct_size;
    /**
     * Number of rows, at least 1.
     */
    size_t n_rows;
    /**
     * One view per segment of the layout; they step by the `struct_size` of the first.
     */
    const struct kakeya_view *views;
    /**
     * `n_rows` positions; NULL where no segment has a RoPE rule.
     */
    const int32_t *positions;
    /**
     * `n_rows` weights, finite and not negative; NULL = all 1.
     */
    const float *weights;
    /**
     * `n_rows` flags, not 0 = store this row raw; NULL = none.
     */
    const uint8_t *protect;
} kakeya_rows;

/**
 * Where decoded rows go. Fill with `kakeya_rows_mut_init`.
 */
typedef struct kakeya_rows_mut {
    /**
     * `sizeof(kakeya_rows_mut)` of the caller.
     */
    size_t struct_size;
    /**
     * Number of rows; must be what is decoded.
     */
    size_t n_rows;
    /**
     * One view per segment of the layout; they step by the `struct_size` of the first.
     */
    const struct kakeya_view_mut *views;
    /**
     * `n_rows` positions at which RoPE is applied; they may differ from those given to the encoder (context
     * shift). NULL where no segment has a RoPE rule.
     */
    const int32_t *positions;
} kakeya_rows_mut;

/**
 * One block to encode in a batch. Fill with `kakeya_encode_item_init`.
 */
typedef struct kakeya_encode_item {
    /**
     * `sizeof(kakeya_encode_item)` of the caller.
     */
    size_t struct_size;
    /**
     * The rows.
     */
    const struct kakeya_rows *rows;
    /**
     * Where the block goes.
     */
    void *dst;
    /**
     * Bytes at `dst`.
     */
    size_t dst_cap;
} kakeya_encode_item;

/**
 * One block to decode in a batch. Fill with `kakeya_decode_item_init`.
 */
typedef struct kakeya_decode_item {
    /**
     * `sizeof(kakeya_decode_item)` of the caller.
     */
    size_t struct_size;
    /**
     * The block.
     */
    const void *src;
    /**
     * Bytes at `src`.
     */
    size_t src_len;
    /**
     * Where the rows go.
     */
    const struct kakeya_rows_mut *rows;
} kakeya_decode_item;

/**
 * What a fit found. Energies are weighted and of the rows that were added, after gains.
 */
typedef struct kakeya_fit_report {
    /**
     * Rows that were added.
     */
    uint64_t n_rows;
    /**
     * Components kept.
     */
    size_t rank;
    /**
     * Share of the variance that they capture, 0 to 1.
     */
    double captured_variance;
    /**
     * Arithmetic over geometric mean of the variances of the components kept; at least 1.
     */
    double coding_gain;
    /**
     * K-means centres kept, 0 = they did not pay.
     */
    size_t n_centres;
    /**
     * Predicted bits per value of a block of many rows, without header and skeleton; with rate control max_bytes,
     * at the finest step that was given, or else at half the root mean square of the components.
     */
    double predicted_bpv;
    /**
     * Predicted relative squared error.
     */
    double predicted_error;
    /**
     * Size of the skeleton when saved, in bytes.
     */
    uint64_t skeleton_bytes;
} kakeya_fit_report;

/**
 * What the header of a block says.
 */
typedef struct kakeya_block_info {
    /**
     * Format version.
     */
    uint32_t version;
    /**
     * `KAKEYA_PRESET_*`.
     */
    uint32_t preset;
    /**
     * `KAKEYA_DISTORTION_*`.
     */
    uint32_t distortion;
    /**
     * `KAKEYA_BLOCK_FLAG_*`.
     */
    uint32_t flags;
    /**
     * Rows.
     */
    size_t n_rows;
    /**
     * Coordinates of a row.
     */
    size_t dim;
    /**
     * Coded components of a row: `dim`, or the rank of the skeleton.
     */
    size_t rank;
    /**
     * K-means centres in use, 0 = none.
     */
    size_t n_centres;
    /**
     * Bits per coded component, on average where they differ; 0 with a step and in a raw block.
     */
    float bits;
    /**
     * Step of the uniform quantiser; 0 at fixed rate.
     */
    float step;
    /**
     * Rows that are entropy-coded together; 0 at fixed rate.
     */
    uint32_t rows_per_run;
    /**
     * Rows stored raw; 0 with `KAKEYA_BLOCK_FLAG_RAW`, where all are.
     */
    uint32_t n_protected;
    /**
     * Size of the whole block in bytes.
     */
    uint64_t bytes;
    /**
     * Size of the same rows stored raw, in the `raw_dtype` of their segments.
     */
    uint64_t raw_bytes;
    /**
     * `kakeya_codec_fingerprint` of the codec that wrote the block.
     */
    uint8_t fingerprint[32];
    /**
     * What the encoder measured: the relative squared error of the weighted rows, after gains (MSE, and inner
     * product, then in the metric of the skeleton's queries, if it has any), or the largest absolute error, in the
     * units of the tensors and at any position (LInf; with RoPE a bound on it). Rows stored raw are left out, unless
     * all are, by `KAKEYA_BLOCK_FLAG_RAW`. Infinite beyond binary32.
     */
    double certified_error;
} kakeya_block_info;

/**
 * A piece of a batch: runs item `index` with workspace `worker`. `state` is what the runner was given.
 */
typedef void (*kakeya_task)(void *state, size_t index, size_t worker);

/**
 * Runs `task(state, index, worker)` once for every `index` below `n_tasks`, on threads of the caller's
 * choice, each running task with a `worker` below `n_workers` of its own, and returns when all are done.
 * `opaque` is the pointer that was given to the batch call. It must not throw.
 */
typedef void (*kakeya_runner)(void *opaque, kakeya_task task, void *state, size_t n_tasks, size_t n_workers);

/**
 * What became of one item of a batch.
 */
typedef struct kakeya_batch_result {
    /**
     * Status of this item.
     */
    kakeya_status status;
    /**
     * Always 0.
     */
    uint32_t reserved;
    /**
     * Bytes written by the encoder, or read by the decoder.
     */
    uint64_t bytes;
    /**
     * Message of the failure, NUL-terminated; empty on success.
     */
    char message[240];
} kakeya_batch_result;

/**
 * A wish for the codec of a stream. Fill with `kakeya_profile_codec_options_init`. At most one of `quality`, `step`
 * and `bits` is set; with none the stream has its own rate control, at the default step of the profile where that
 * is a step.
 */
typedef struct kakeya_profile_codec_options {
    /**
     * `sizeof(kakeya_profile_codec_options)` of the caller.
     */
    size_t struct_size;
    /**
     * Name of an entry of the table of qualities, whose step is taken. Default: NULL.
     */
    const char *quality;
    /**
     * Step of the model; that of the codec is this times the step factor of the stream. Streams of preset turbo
     * and kakeya have none and stay as they are. 0 = not set. Default: 0.
     */
    float step;
    /**
     * Fixed rate in bits per component, on average. 0 = not set. Default: 0.
     */
    float bits;
    /**
     * Largest size of a block; for preset rdo, and not together with `bits`. The step is then the finest one that is
     * tried; as fine as fits where neither the wish nor the profile has one. 0 = not set. Default: 0.
     */
    size_t max_bytes;
    /**
     * `KAKEYA_CPU_TIER_*`. Default: best.
     */
    uint32_t cpu_tier;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} kakeya_profile_codec_options;

/**
 * What an engine leaves out of coding. Fill with `kakeya_policy_init`.
 *
 * The library keeps it with the profile; whoever encodes sets `kakeya_rows::protect` by it.
 */
typedef struct kakeya_policy {
    /**
     * `sizeof(kakeya_policy)` of the caller.
     */
    size_t struct_size;
    /**
     * Rows at positions below this are to be protected: attention sinks. Default: 0.
     */
    uint32_t n_sinks;
    /**
     * As many of the most recent rows are to be protected. Default: 0.
     */
    uint32_t n_recent;
    /**
     * Number of layers that are kept raw as a whole. Default: 0.
     */
    size_t n_raw_layers;
    /**
     * These layers, strictly ascending; may be NULL if there are none.
     */
    const uint32_t *raw_layers;
} kakeya_policy;

/**
 * A step under a name, and what was measured with it. Fill with `kakeya_quality_init`.
 */
typedef struct kakeya_quality {
    /**
     * `sizeof(kakeya_quality)` of the caller.
     */
    size_t struct_size;
    /**
     * 1 to 31 bytes of UTF-8, filled up with zeros.
     */
    char name[32];
    /**
     * Step of the model, positive.
     */
    float step;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Mean Kullback-Leibler divergence of the model's predictions, in nats, as measured; not below 0.
     */
    double mean_kld;
    /**
     * Bits per value as measured, all bytes but the profile's counted; not below 0.
     */
    double bpv;
} kakeya_quality;

/**
 * What a stream of a profile is. Pointers are into the profile and live as long as it does.
 */
typedef struct kakeya_stream_info {
    /**
     * Number of layers.
     */
    size_t n_layers;
    /**
     * The layers, ascending.
     */
    const uint32_t *layers;
    /**
     * Number of kv-heads.
     */
    size_t n_heads;
    /**
     * The kv-heads, ascending.
     */
    const uint32_t *heads;
    /**
     * `KAKEYA_PART_*`.
     */
    uint32_t part;
    /**
     * `KAKEYA_PRESET_*`.
     */
    uint32_t preset;
    /**
     * `KAKEYA_DISTORTION_*`.
     */
    uint32_t distortion;
    /**
     * `KAKEYA_RATE_CONTROL_*`, before one is asked for.
     */
    uint32_t rate_control;
    /**
     * Segments of a row: layers times heads times parts.
     */
    size_t n_segments;
    /**
     * Coordinates of a row.
     */
    size_t dim;
    /**
     * Bytes of a row that is stored raw.
     */
    size_t raw_row_bytes;
    /**
     * Size of the skeleton when saved, in bytes; 0 without one. Streams with equal ids share it.
     */
    uint64_t skeleton_bytes;
    /**
     * `kakeya_skeleton_id`; zeros without a skeleton.
     */
    uint8_t skeleton_id[32];
    /**
     * What the step of the model is multiplied by for this stream.
     */
    float step_factor;
    /**
     * 1 if rows need positions, else 0.
     */
    uint32_t needs_positions;
} kakeya_stream_info;

/**
 * Which tensors of a model make up the rows of a stream. Fill with `kakeya_stream_key_init`.
 *
 * A segment of the stream is one head of one tensor. They lie in this order: for each layer, ascending, K of each
 * head, ascending, then V of each head, ascending.
 */
typedef struct kakeya_stream_key {
    /**
     * `sizeof(kakeya_stream_key)` of the caller.
     */
    size_t struct_size;
    /**
     * Number of layers, at least 1.
     */
    size_t n_layers;
    /**
     * The layers, counted from 0, strictly ascending, up to 65535.
     */
    const uint32_t *layers;
    /**
     * Number of kv-heads, at least 1.
     */
    size_t n_heads;
    /**
     * The kv-heads, counted from 0, strictly ascending, up to 65535.
     */
    const uint32_t *heads;
    /**
     * `KAKEYA_PART_*`. Default: keys and values.
     */
    uint32_t part;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} kakeya_stream_key;

/**
 * Success.
 */
#define KAKEYA_OK 0

/**
 * A pointer that must not be NULL is NULL.
 */
#define KAKEYA_ERR_NULL_POINTER 100

/**
 * A parameter is outside its range or contradicts another one.
 */
#define KAKEYA_ERR_BAD_PARAM 101

/**
 * A dimension, a row count, a range or a stride does not fit the codec, the workspace or memory.
 */
#define KAKEYA_ERR_BAD_SHAPE 102

/**
 * An element type is unknown, or its data is not aligned to its size.
 */
#define KAKEYA_ERR_BAD_DTYPE 103

/**
 * The combination is well-formed, and this version does not offer it.
 */
#define KAKEYA_ERR_UNSUPPORTED 104

/**
 * Input contains NaN or an infinity where the codec does not accept one.
 */
#define KAKEYA_ERR_NOT_FINITE 200

/**
 * The bytes are not a valid block, skeleton or profile.
 */
#define KAKEYA_ERR_CORRUPT 201

/**
 * The bytes end before what their header announces.
 */
#define KAKEYA_ERR_TRUNCATED 202

/**
 * The block was written by a codec with other parameters, another layout or another skeleton.
 */
#define KAKEYA_ERR_WRONG_CODEC 203

/**
 * The bytes carry a format version that this library does not read.
 */
#define KAKEYA_ERR_WRONG_VERSION 204

/**
 * The asked maximum error cannot be kept at this rate, or the asked size at any step.
 */
#define KAKEYA_ERR_BOUND_NOT_MET 205

/**
 * The destination is smaller than what has to be written.
 */
#define KAKEYA_ERR_DST_TOO_SMALL 300

/**
 * Memory could not be reserved.
 */
#define KAKEYA_ERR_OUT_OF_MEMORY 301

/**
 * The eigenvalue iteration did not converge.
 */
#define KAKEYA_ERR_NOT_CONVERGED 302

/**
 * A panic was caught earlier while this object was in use; it can only be freed.
 */
#define KAKEYA_ERR_POISONED 400

/**
 * The object is in use by another call at this moment.
 */
#define KAKEYA_ERR_BUSY 401

/**
 * The runner of a batch returned without having run this item.
 */
#define KAKEYA_ERR_NOT_RUN 402

/**
 * A defect inside the library, caught before it reached the caller.
 */
#define KAKEYA_ERR_PANIC 900

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Version of the library as text, such as "0.1.0". Static.
 */
KAKEYA_API const char *kakeya_version_string(void);

/**
 * Version of the library: major · 1,000,000 + minor · 1,000 + patch. Compare with `KAKEYA_VERSION_NUMBER`.
 */
KAKEYA_API uint32_t kakeya_version_number(void);

/**
 * `KAKEYA_ABI_VERSION` of the library that is loaded. Compare with the macro.
 */
KAKEYA_API uint32_t kakeya_abi_version(void);

/**
 * Name of a status, such as "KAKEYA_ERR_CORRUPT". Static, never NULL, for any integer.
 */
KAKEYA_API const char *kakeya_status_name(int32_t status);

/**
 * What a status means, in words. Static, never NULL, for any integer.
 */
KAKEYA_API const char *kakeya_status_text(int32_t status);

/**
 * Copies the message of this thread's last failure, with the numbers behind it, to `buf`: as much as fits in
 * `cap` bytes with a NUL at the end. `len` gets the full length without the NUL. `buf` may be NULL if `cap`
 * is 0. The message stays until the next failure on this thread; it is empty before the first one.
 *
 * # Safety
 * `buf` has `cap` writable bytes; `len` is writable.
 */
KAKEYA_API kakeya_status kakeya_last_error_message(char *buf, size_t cap, size_t *len);

/**
 * Fills `params` with the defaults: turbo, MSE, 4 bits. `struct_size` is `sizeof(*params)`, here as in all
 * functions of this kind; it is what tells versions apart, so no other way of filling the struct is safe.
 *
 * # Safety
 * `params` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_params_init(struct kakeya_params *params, size_t struct_size);

/**
 * Fills `segment` with the defaults: dim 0, which must be set, gain 1, no RoPE.
 *
 * # Safety
 * `segment` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_segment_init(struct kakeya_segment *segment, size_t struct_size);

/**
 * Fills `layout` with the defaults: no segments, which must be set.
 *
 * # Safety
 * `layout` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_layout_init(struct kakeya_layout *layout, size_t struct_size);

/**
 * Fills `view` with the defaults: f32, column stride 1; data and row stride must be set.
 *
 * # Safety
 * `view` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_view_init(struct kakeya_view *view, size_t struct_size);

/**
 * Fills `view` with the defaults: f32, column stride 1; data and row stride must be set.
 *
 * # Safety
 * `view` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_view_mut_init(struct kakeya_view_mut *view, size_t struct_size);

/**
 * Fills `rows` with the defaults: no rows; `n_rows` and views must be set.
 *
 * # Safety
 * `rows` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_rows_init(struct kakeya_rows *rows, size_t struct_size);

/**
 * Fills `rows` with the defaults: no rows; `n_rows` and views must be set.
 *
 * # Safety
 * `rows` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_rows_mut_init(struct kakeya_rows_mut *rows, size_t struct_size);

/**
 * Fills `item` with NULL pointers; all fields must be set.
 *
 * # Safety
 * `item` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_encode_item_init(struct kakeya_encode_item *item, size_t struct_size);

/**
 * Fills `item` with NULL pointers; all fields must be set.
 *
 * # Safety
 * `item` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_decode_item_init(struct kakeya_decode_item *item, size_t struct_size);

/**
 * Checks parameters, layout and skeleton together and prepares everything that blocks have in common.
 *
 * `skeleton` is NULL for turbo, and needed for rdo. For kakeya, NULL means that every block is fitted a skeleton of its own, which
 * it carries; a skeleton from `kakeya_fitter_finish` or `kakeya_skeleton_load` is shared by all blocks and
 * stays alive as long as the codec does. `layout` and what it points to is copied.
 *
 * Errors: `BAD_PARAM`, `BAD_SHAPE`, `BAD_DTYPE`, `UNSUPPORTED` (a tier that the machine lacks, a skeleton for
 * turbo), `OUT_OF_MEMORY`.
 *
 * # Safety
 * All pointers are NULL or point to what their types say; `layout->segments` has `n_segments` elements,
 * `inv_freq` of a segment with RoPE `n_rot / 2`.
 */
KAKEYA_API
kakeya_status kakeya_codec_create(const struct kakeya_params *params,
                                  const struct kakeya_layout *layout,
                                  const struct kakeya_skeleton *skeleton,
                                  struct kakeya_codec **out);

/**
 * Frees a codec; NULL is nothing. No call may be using it.
 *
 * # Safety
 * `codec` is NULL or came from `kakeya_codec_create` and was not freed yet.
 */
KAKEYA_API void kakeya_codec_free(struct kakeya_codec *codec);

/**
 * BLAKE3 of the format version and of all parameters, layout and skeleton: equal codecs have equal
 * fingerprints, also between processes and machines, so it fits in a cache key. Every block carries it, and no
 * codec with another decodes it, even where only a parameter that its preset does not use differs. The
 * CPU tier is not part of it.
 *
 * # Safety
 * `codec` is a live codec; `out` has 32 writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_codec_fingerprint(const struct kakeya_codec *codec,
                                       uint8_t *out);

/**
 * The CPU tier that a codec uses, `KAKEYA_CPU_TIER_*` other than `BEST`; with NULL, the best one of this
 * machine.
 *
 * # Safety
 * `codec` is NULL or a live codec.
 */
KAKEYA_API uint32_t kakeya_cpu_tier(const struct kakeya_codec *codec);

/**
 * Name of a CPU tier: "best", "scalar", "avx2", "avx512", "neon", or "unknown". Static, never NULL.
 */
KAKEYA_API const char *kakeya_cpu_tier_name(uint32_t tier);

/**
 * Bytes that a workspace for blocks of at most `max_rows` rows of `codec` reserves. Codecs at a step need room for a
 * run of rows and a byte a row, codecs that fit a skeleton to every block room for all rows; others need no more
 * for more rows.
 *
 * # Safety
 * `codec` is a live codec; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_workspace_size(const struct kakeya_codec *codec,
                                    size_t max_rows,
                                    size_t *out);

/**
 * Reserves the scratch for encoding blocks, or decoding ranges, of at most `max_rows` rows. It serves any
 * codec that needs no more than this one, with rows of as many segments, or of eight.
 *
 * # Safety
 * `codec` is a live codec; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_workspace_create(const struct kakeya_codec *codec,
                                      size_t max_rows,
                                      struct kakeya_workspace **out);

/**
 * Frees a workspace; NULL is nothing. No call may be using it.
 *
 * # Safety
 * `workspace` is NULL or came from `kakeya_workspace_create` and was not freed yet.
 */
KAKEYA_API void kakeya_workspace_free(struct kakeya_workspace *workspace);

/**
 * Starts a fit for blocks of this layout. `params` must have preset kakeya or rdo. A codec takes the skeleton if the
 * layout's dimension is the same, and rdo if it has full rank; it suits the codec best if gains, RoPE rules,
 * rate control and step are the codec's as well, for they decide whether centres pay and what the report predicts. Memory is in proportion to the square of the dimension.
 *
 * # Safety
 * As `kakeya_codec_create`.
 */
KAKEYA_API
kakeya_status kakeya_fitter_create(const struct kakeya_params *params,
                                   const struct kakeya_layout *layout,
                                   struct kakeya_fitter **out);

/**
 * Adds rows to the fit, each with its weight; protected rows are left out. If a row is refused, the rows
 * before it have been added.
 *
 * # Safety
 * `fitter` is a live fitter; `rows` is as `kakeya_rows` says.
 */
KAKEYA_API kakeya_status kakeya_fitter_add_rows(struct kakeya_fitter *fitter, const struct kakeya_rows *rows);

/**
 * Adds queries that will meet the rows of a segment, `n_queries` rows of the segment's dimension: the skeleton puts
 * the error where they look least, and the certified error of a codec with `KAKEYA_DISTORTION_INNER_PRODUCT` is
 * the one that they see, after a tenth of their second moment has been spread over all directions. Codecs with other distortions put their error there too, and certify it as ever. For rdo; optional. Where the segment has a RoPE rule, queries are those before RoPE and
 * `positions` are where they are asked from, not below 0: they count at all distances from 0 to there. With NULL
 * they count as they are.
 *
 * Errors: `UNSUPPORTED` for kakeya, `BAD_SHAPE` (no such segment), `BAD_PARAM` (a negative position),
 * `NOT_FINITE`, `OUT_OF_MEMORY`.
 *
 * # Safety
 * `fitter` is a live fitter; `queries` is as `kakeya_view` says; `positions` is NULL or has `n_queries` elements.
 */
KAKEYA_API
kakeya_status kakeya_fitter_add_queries(struct kakeya_fitter *fitter,
                                        size_t segment,
                                        const struct kakeya_view *queries,
                                        size_t n_queries,
                                        const int32_t *positions);

/**
 * Makes a skeleton of the rows added so far; more may be added afterwards for another one. Deterministic for
 * given rows, their order and the seed. `report` may be NULL; its first `report_size` bytes are written.
 *
 * Errors: `BAD_SHAPE` without a row that has a weight, `NOT_CONVERGED`, `OUT_OF_MEMORY`. Memory that the eigenvalue solver asks
 * for is not reserved ahead: the process aborts where the system refuses it.
 *
 * # Safety
 * `fitter` is a live fitter; `report` is NULL or has `report_size` writable bytes; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_fitter_finish(struct kakeya_fitter *fitter,
                                   struct kakeya_fit_report *report,
                                   size_t report_size,
                                   struct kakeya_skeleton **out);

/**
 * Frees a fitter; NULL is nothing.
 *
 * # Safety
 * `fitter` is NULL or came from `kakeya_fitter_create` and was not freed yet.
 */
KAKEYA_API void kakeya_fitter_free(struct kakeya_fitter *fitter);

/**
 * Bytes that `kakeya_skeleton_save` writes.
 *
 * # Safety
 * `skeleton` is a live skeleton; `out` is writable.
 */
KAKEYA_API kakeya_status kakeya_skeleton_size(const struct kakeya_skeleton *skeleton, size_t *out);

/**
 * Writes a skeleton, with format version and checksum, to the start of `dst`; `written` gets its size.
 *
 * # Safety
 * `skeleton` is a live skeleton; `dst` has `cap` writable bytes; `written` is writable.
 */
KAKEYA_API
kakeya_status kakeya_skeleton_save(const struct kakeya_skeleton *skeleton,
                                   void *dst,
                                   size_t cap,
                                   size_t *written);

/**
 * Reads what `kakeya_skeleton_save` wrote: all `len` bytes and nothing else. Any bytes may be given; those
 * that are not a skeleton are `CORRUPT`, `TRUNCATED` or `WRONG_VERSION`. Memory is in proportion to `len`.
 *
 * # Safety
 * `src` has `len` readable bytes; `out` is writable.
 */
KAKEYA_API kakeya_status kakeya_skeleton_load(const void *src, size_t len, struct kakeya_skeleton **out);

/**
 * BLAKE3 of the saved form: equal skeletons have equal ids.
 *
 * # Safety
 * `skeleton` is a live skeleton; `out` has 32 writable bytes.
 */
KAKEYA_API kakeya_status kakeya_skeleton_id(const struct kakeya_skeleton *skeleton, uint8_t *out);

/**
 * Frees a skeleton; NULL is nothing. Codecs that were made from it keep what they need.
 *
 * # Safety
 * `skeleton` is NULL or came from this library and was not freed yet.
 */
KAKEYA_API void kakeya_skeleton_free(struct kakeya_skeleton *skeleton);

/**
 * BLAKE3 of `len` bytes: what `kakeya_profile_fingerprint` and `kakeya_skeleton_id` are made with. For the fingerprint
 * that ties a profile to its model, and for checksums of what is stored beside blocks.
 *
 * # Safety
 * `src` has `len` readable bytes; `out` has 32 writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_hash(const void *src,
                          size_t len,
                          uint8_t *out);

/**
 * Largest size in bytes of a block of `n_rows` rows, known before it is encoded: its exact size, unless blocks
 * carry their own skeleton or are coded at a step (raw size and 64 bytes, or `max_bytes`). Grows with `n_rows`.
 *
 * # Safety
 * `codec` is a live codec; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_encode_bound(const struct kakeya_codec *codec,
                                  size_t n_rows,
                                  size_t *out);

/**
 * Encodes one block to the start of `dst`; `written` gets its size, at most `kakeya_encode_bound`.
 *
 * `dst` is written once and never read, so it may be write-combined memory; it must not overlap what `rows`
 * points to, and its contents are undefined after an error. Allocates nothing, unless the codec fits a
 * skeleton to every block.
 *
 * Errors: `NOT_FINITE`, `BOUND_NOT_MET`, `DST_TOO_SMALL` (also at a step where the block came out larger than `cap`), `BAD_SHAPE` (more rows than
 * the workspace is for), `BAD_PARAM` (a weight, more raw rows than slots, overlapping buffers), `BUSY`.
 *
 * # Safety
 * `codec` and `workspace` are live; `rows` is as `kakeya_rows` says; `dst` has `cap` writable bytes; `written`
 * is writable.
 */
KAKEYA_API
kakeya_status kakeya_encode(const struct kakeya_codec *codec,
                            struct kakeya_workspace *workspace,
                            const struct kakeya_rows *rows,
                            void *dst,
                            size_t cap,
                            size_t *written);

/**
 * Reads the header of a block: its checksum, its fields, and that `len` bytes hold what it announces. Looks at
 * nothing else, so it is cheap and total: any bytes may be given. Bytes after the block are allowed. The first
 * `info_size` bytes of `info` are written.
 *
 * Errors: `CORRUPT`, `TRUNCATED`, `WRONG_VERSION`.
 *
 * # Safety
 * `src` has `len` readable bytes; `info` has `info_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_block_read_info(const void *src,
                                     size_t len,
                                     struct kakeya_block_info *info,
                                     size_t info_size);

/**
 * Checks a whole block without decoding it: header, sizes, checksums; with a codec also that this codec, or an
 * equal one, wrote it. `codec` may be NULL.
 *
 * Errors: `CORRUPT`, `TRUNCATED`, `WRONG_VERSION`, `WRONG_CODEC`.
 *
 * # Safety
 * `codec` is NULL or live; `src` has `len` readable bytes.
 */
KAKEYA_API
kakeya_status kakeya_block_verify(const struct kakeya_codec *codec,
                                  const void *src,
                                  size_t len);

/**
 * Decodes all rows of a block. Any bytes may be given: what is not a block of this codec is refused before
 * anything is decoded. Allocates nothing. The views must not overlap the block; they may overlap each other,
 * and then the last segment written to an element stays. What they hold after an error is undefined.
 *
 * Errors: `CORRUPT`, `TRUNCATED`, `WRONG_VERSION`, `WRONG_CODEC`, `BAD_SHAPE` (`rows->n_rows` differs from the
 * block's, or exceeds the workspace's), `BUSY`.
 *
 * # Safety
 * `codec` and `workspace` are live; `src` has `len` readable bytes; `rows` is as `kakeya_rows_mut` says.
 */
KAKEYA_API
kakeya_status kakeya_decode(const struct kakeya_codec *codec,
                            struct kakeya_workspace *workspace,
                            const void *src,
                            size_t len,
                            const struct kakeya_rows_mut *rows);

/**
 * Decodes rows `first .. first + count` of a block, as `kakeya_decode` does; `rows->n_rows` is `count`. The
 * whole block is checked, only these rows are decoded.
 *
 * # Safety
 * As `kakeya_decode`.
 */
KAKEYA_API
kakeya_status kakeya_decode_rows(const struct kakeya_codec *codec,
                                 struct kakeya_workspace *workspace,
                                 const void *src,
                                 size_t len,
                                 size_t first,
                                 size_t count,
                                 const struct kakeya_rows_mut *rows);

/**
 * Encodes `n` blocks with one codec.
 *
 * `runner` spreads the items over threads of the caller's; NULL runs them one after the other with
 * `workspaces[0]`. There is one workspace per worker. `results[i]`, of `result_size` bytes each, gets status,
 * size and message of item `i`; items that the runner leaves out are `NOT_RUN`. Returns `KAKEYA_OK` if every
 * item succeeded, else the status of the first one that did not.
 *
 * # Safety
 * `codec` is live; `workspaces` has `n_workspaces` live workspaces, all different; `items` has `n` items as
 * for `kakeya_encode`, whose destinations are apart; `results` has `n * result_size` writable bytes; `runner`
 * keeps its contract.
 */
KAKEYA_API
kakeya_status kakeya_encode_batch(const struct kakeya_codec *codec,
                                  struct kakeya_workspace *const *workspaces,
                                  size_t n_workspaces,
                                  const struct kakeya_encode_item *items,
                                  size_t n,
                                  kakeya_runner runner,
                                  void *opaque,
                                  struct kakeya_batch_result *results,
                                  size_t result_size);

/**
 * Decodes `n` blocks with one codec; in all else as `kakeya_encode_batch`.
 *
 * # Safety
 * As `kakeya_encode_batch`, with items as for `kakeya_decode`.
 */
KAKEYA_API
kakeya_status kakeya_decode_batch(const struct kakeya_codec *codec,
                                  struct kakeya_workspace *const *workspaces,
                                  size_t n_workspaces,
                                  const struct kakeya_decode_item *items,
                                  size_t n,
                                  kakeya_runner runner,
                                  void *opaque,
                                  struct kakeya_batch_result *results,
                                  size_t result_size);

/**
 * Fills `options` with the defaults: what the profile says.
 *
 * # Safety
 * `options` has `struct_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_profile_codec_options_init(struct kakeya_profile_codec_options *options,
                                                size_t struct_size);

/**
 * Bytes that `kakeya_profile_save` writes.
 *
 * # Safety
 * `profile` is a live profile; `out` is writable.
 */
KAKEYA_API kakeya_status kakeya_profile_size(const struct kakeya_profile *profile, size_t *out);

/**
 * Writes a profile, skeletons included, with format version and checksum, to the start of `dst`; `written` gets its
 * size.
 *
 * # Safety
 * `profile` is a live profile; `dst` has `cap` writable bytes; `written` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_save(const struct kakeya_profile *profile,
                                  void *dst,
                                  size_t cap,
                                  size_t *written);

/**
 * Reads what `kakeya_profile_save` wrote: all `len` bytes and nothing else. Any bytes may be given; those that are not
 * a profile are `CORRUPT`, `TRUNCATED` or `WRONG_VERSION`. Memory is in proportion to `len`.
 *
 * # Safety
 * `src` has `len` readable bytes; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_load(const void *src,
                                  size_t len,
                                  struct kakeya_profile **out);

/**
 * Frees a profile; NULL is nothing. Codecs and skeletons that were made from it keep what they need.
 *
 * # Safety
 * `profile` is NULL or came from this library and was not freed yet.
 */
KAKEYA_API void kakeya_profile_free(struct kakeya_profile *profile);

/**
 * BLAKE3 of the saved form: equal profiles have equal fingerprints.
 *
 * # Safety
 * `profile` is a live profile; `out` has 32 writable bytes.
 */
KAKEYA_API kakeya_status kakeya_profile_fingerprint(const struct kakeya_profile *profile, uint8_t *out);

/**
 * The 32 bytes that tie the profile to its model, as they were given to `kakeya_profile_builder_set_model`.
 *
 * # Safety
 * `profile` is a live profile; `out` has 32 writable bytes.
 */
KAKEYA_API kakeya_status kakeya_profile_model_fingerprint(const struct kakeya_profile *profile, uint8_t *out);

/**
 * Copies the text for people to `buf`: as much as fits in `cap` bytes with a zero at the end. `len` gets the full
 * length without the zero. `buf` may be NULL if `cap` is 0.
 *
 * # Safety
 * `profile` is a live profile; `buf` has `cap` writable bytes; `len` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_description(const struct kakeya_profile *profile,
                                         char *buf,
                                         size_t cap,
                                         size_t *len);

/**
 * The step of the model that codecs have unless another one is asked for; 0 = that of each stream's parameters.
 *
 * # Safety
 * `profile` is a live profile; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_step(const struct kakeya_profile *profile,
                                  float *out);

/**
 * What is not to be coded. The first `policy_size` bytes of the struct are written, its `struct_size` included.
 * `raw_layers` points into the profile and lives as long as it does.
 *
 * # Safety
 * `profile` is a live profile; `policy` has `policy_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_profile_policy(const struct kakeya_profile *profile,
                                    struct kakeya_policy *policy,
                                    size_t policy_size);

/**
 * Number of entries of the table of qualities.
 *
 * # Safety
 * `profile` is a live profile; `out` is writable.
 */
KAKEYA_API kakeya_status kakeya_profile_qualities(const struct kakeya_profile *profile, size_t *out);

/**
 * Entry `index` of the table of qualities. The first `quality_size` bytes of the struct are written, its `struct_size`
 * included.
 *
 * # Safety
 * `profile` is a live profile; `quality` has `quality_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_profile_quality(const struct kakeya_profile *profile,
                                     size_t index,
                                     struct kakeya_quality *quality,
                                     size_t quality_size);

/**
 * Number of streams.
 *
 * # Safety
 * `profile` is a live profile; `out` is writable.
 */
KAKEYA_API kakeya_status kakeya_profile_streams(const struct kakeya_profile *profile, size_t *out);

/**
 * What stream `index` is. The first `info_size` bytes of the struct are written; its pointers live as long as the
 * profile does.
 *
 * # Safety
 * `profile` is a live profile; `info` has `info_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_profile_stream(const struct kakeya_profile *profile,
                                    size_t index,
                                    struct kakeya_stream_info *info,
                                    size_t info_size);

/**
 * Segment `segment` of stream `stream`. The first `out_size` bytes of the struct are written, its `struct_size`
 * included. `inv_freq` points into the profile and lives as long as it does.
 *
 * # Safety
 * `profile` is a live profile; `out` has `out_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_profile_segment(const struct kakeya_profile *profile,
                                     size_t stream,
                                     size_t segment,
                                     struct kakeya_segment *out,
                                     size_t out_size);

/**
 * The parameters of stream `stream` as they are in the profile: before a quality, a step or a rate is asked for. The
 * first `params_size` bytes of the struct are written, its `struct_size` included.
 *
 * # Safety
 * `profile` is a live profile; `params` has `params_size` writable bytes.
 */
KAKEYA_API
kakeya_status kakeya_profile_params(const struct kakeya_profile *profile,
                                    size_t stream,
                                    struct kakeya_params *params,
                                    size_t params_size);

/**
 * A handle on the skeleton of stream `stream`, to be freed with `kakeya_skeleton_free`; NULL where it has none.
 *
 * # Safety
 * `profile` is a live profile; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_skeleton(const struct kakeya_profile *profile,
                                      size_t stream,
                                      struct kakeya_skeleton **out);

/**
 * The stream and the segment of it that hold one head of one tensor; `part` is `KAKEYA_PART_K` or `KAKEYA_PART_V`. A
 * tensor that no stream has is `BAD_PARAM`.
 *
 * # Safety
 * `profile` is a live profile; `stream` and `segment` are writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_find(const struct kakeya_profile *profile,
                                  uint32_t layer,
                                  uint32_t part,
                                  uint32_t head,
                                  size_t *stream,
                                  size_t *segment);

/**
 * A codec for the rows of stream `stream`: equal, with equal fingerprints and blocks, to the one that
 * `kakeya_codec_create` makes of its parameters, layout and skeleton. It keeps the skeleton; `profile` may be freed.
 *
 * `options` may be NULL: then the codec is what the profile says. An unknown quality is `BAD_PARAM`, and so is a step
 * or a rate beyond what `kakeya_params` takes.
 *
 * # Safety
 * `profile` is a live profile; `options` is NULL or as its type says; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_codec(const struct kakeya_profile *profile,
                                   size_t stream,
                                   const struct kakeya_profile_codec_options *options,
                                   struct kakeya_codec **out);

/**
 * Fills `key` with the defaults: keys and values; layers and heads must be set.
 *
 * # Safety
 * `key` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_stream_key_init(struct kakeya_stream_key *key, size_t struct_size);

/**
 * Fills `quality` with zeros; name and step must be set.
 *
 * # Safety
 * `quality` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_quality_init(struct kakeya_quality *quality, size_t struct_size);

/**
 * Fills `policy` with the defaults: everything is coded.
 *
 * # Safety
 * `policy` has `struct_size` writable bytes.
 */
KAKEYA_API kakeya_status kakeya_policy_init(struct kakeya_policy *policy, size_t struct_size);

/**
 * Starts a profile without streams.
 *
 * # Safety
 * `out` is writable.
 */
KAKEYA_API kakeya_status kakeya_profile_builder_create(struct kakeya_profile_builder **out);

/**
 * Starts a profile with all that `profile` has, to change what needs no new fit: parameters, step factors, qualities,
 * policy. Skeletons are shared, not copied. `profile` may be freed.
 *
 * # Safety
 * `profile` is a live profile; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_from(const struct kakeya_profile *profile,
                                          struct kakeya_profile_builder **out);

/**
 * Adds a stream, with a step factor of 1. Streams have the numbers 0, 1, … in the order in which they are added.
 *
 * `layout` has one segment for every tensor of `key`, in its order. `layout`, `skeleton` (NULL where a codec takes
 * none) and `params` are those of the codec to be; the CPU tier in `params` does not matter. Equal skeletons and
 * equal tables of frequencies are kept once. The skeleton stays the caller's.
 *
 * Errors: those of `kakeya_codec_create`, and `BAD_PARAM` or `BAD_SHAPE` for the key. Whether streams are apart is
 * seen in `kakeya_profile_builder_finish`.
 *
 * # Safety
 * `builder` is live; `key` and its arrays are as `kakeya_stream_key` says; the others as for `kakeya_codec_create`.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_add(struct kakeya_profile_builder *builder,
                                         const struct kakeya_stream_key *key,
                                         const struct kakeya_layout *layout,
                                         const struct kakeya_skeleton *skeleton,
                                         const struct kakeya_params *params);

/**
 * Changes parameters or step factor of stream `stream`. `params` may be NULL and `step_factor` 0: then they stay as
 * they are. The factor, from 1/65536 to 65536, is what the step of the model is multiplied by: how bits are allocated
 * between streams without a new fit.
 *
 * # Safety
 * `builder` is live; `params` is NULL or as its type says.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_set_stream(struct kakeya_profile_builder *builder,
                                                size_t stream,
                                                const struct kakeya_params *params,
                                                float step_factor);

/**
 * Sets what concerns the model as a whole; each of the three may be NULL and then stays as it is.
 *
 * `fingerprint` is 32 bytes of the caller's choice that tie the profile to its model (zeros unless set). `qualities`
 * replaces the table of qualities, of which there may be 0 to 256 with different names. `policy` replaces the policy.
 *
 * # Safety
 * `builder` is live; `fingerprint` is NULL or has 32 readable bytes; `qualities` is NULL or has `n_qualities`
 * elements; `policy` is NULL or as its type says.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_set_model(struct kakeya_profile_builder *builder,
                                               const uint8_t *fingerprint,
                                               const struct kakeya_quality *qualities,
                                               size_t n_qualities,
                                               const struct kakeya_policy *policy);

/**
 * Sets a text for people: UTF-8 of at most 4096 bytes with a zero at its end. Empty unless set.
 *
 * # Safety
 * `builder` is live; `text` is readable up to its zero.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_set_description(struct kakeya_profile_builder *builder,
                                                     const char *text);

/**
 * Sets the step of the model that codecs have unless another one is asked for. 0, which it is unless set, stands for
 * the step in the parameters of each stream.
 *
 * # Safety
 * `builder` is live.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_set_step(struct kakeya_profile_builder *builder,
                                              float step);

/**
 * Makes a profile of all that was set so far; the builder keeps it, and another profile may be made later.
 *
 * Errors: `BAD_SHAPE` without a stream; `BAD_PARAM` where two streams have the same tensor, a stream has raw layers and
 * others, or two qualities have one name.
 *
 * # Safety
 * `builder` is live; `out` is writable.
 */
KAKEYA_API
kakeya_status kakeya_profile_builder_finish(struct kakeya_profile_builder *builder,
                                            struct kakeya_profile **out);

/**
 * Frees a builder; NULL is nothing.
 *
 * # Safety
 * `builder` is NULL or came from this library and was not freed yet.
 */
KAKEYA_API void kakeya_profile_builder_free(struct kakeya_profile_builder *builder);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KAKEYATURBO_H */
