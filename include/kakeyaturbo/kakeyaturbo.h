/* kakeyaturbo: compresses the KV cache of LLM inference engines, block by block.
 *
 * A block is a number of rows (the keys or values of some tokens) as one self-describing buffer. This makes a
 * block of 512 rows of 128 values and restores them; `check` ends the program unless it gets KAKEYA_OK:
 *
 *     kakeya_params params = KAKEYA_PARAMS_INIT; // turbo, 4 bits
 *     kakeya_segment segment = KAKEYA_SEGMENT_INIT;
 *     kakeya_layout layout = KAKEYA_LAYOUT_INIT;
 *     segment.dim = 128; layout.n_segments = 1; layout.segments = &segment;
 *     kakeya_codec *codec; kakeya_workspace *workspace; // one for all threads, one per thread
 *     check(kakeya_codec_create(&params, &layout, NULL, &codec));
 *     check(kakeya_workspace_create(codec, 512, &workspace));
 *     kakeya_view from = KAKEYA_VIEW_INIT;
 *     kakeya_rows rows = KAKEYA_ROWS_INIT;
 *     from.data = keys; from.row_stride = 128;
 *     rows.n_rows = 512; rows.views = &from;
 *     check(kakeya_encode(codec, workspace, &rows, block, sizeof block, &size));
 *     kakeya_view_mut to = KAKEYA_VIEW_MUT_INIT;
 *     kakeya_rows_mut restored = KAKEYA_ROWS_MUT_INIT;
 *     to.data = back; to.row_stride = 128;
 *     restored.n_rows = 512; restored.views = &to;
 *     check(kakeya_decode(codec, workspace, block, size, &restored));
 *
 * The whole program is cpp-examples/00_block.c. What holds for all functions (docs/C_API.md has the details):
 *
 * - A function that can fail returns a kakeya_status. Results go through out-pointers, and only on success.
 * - Pointers must be valid, and not NULL unless the function says so. A pointer to bytes is followed by their
 *   number. Sizes are in bytes, strides in elements.
 * - A struct that goes in starts with its size, struct_size. Start from its KAKEYA_*_INIT, or call its
 *   kakeya_*_init(&x, sizeof x), which does the same; then change what you need. A field whose comment states
 *   no default is 0 or NULL.
 * - "One call at a time": a second call fails with BUSY; after a caught panic every call fails with POISONED.
 * - Encoding and decoding allocate nothing, except that kakeya without a skeleton fits one to every block. No
 *   call starts a thread, opens a file or unwinds into C.
 * - Lists of errors name what is special to a function. Almost any may return NULL_POINTER, POISONED or PANIC,
 *   and those that take rows BAD_SHAPE, BAD_DTYPE or BAD_PARAM.
 *
 * Files with all codecs of a model: <kakeyaturbo/profile.h>. Function pointer types: <kakeyaturbo/dlopen.h>.
 *
 * Generated from src/ffi by `cargo xtask header`: edit there.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_H
#define KAKEYATURBO_H

#include <stddef.h>
#include <stdint.h>

/* With a DLL, define KAKEYA_SHARED; the CMake package does. */
#if defined(_WIN32) && defined(KAKEYA_SHARED)
#define KAKEYA_API __declspec(dllimport)
#else
#define KAKEYA_API
#endif

/* Marks functions whose status must be looked at. */
#if (defined(__cplusplus) && __cplusplus >= 201703L) || \
    (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define KAKEYA_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define KAKEYA_NODISCARD __attribute__((__warn_unused_result__))
#else
#define KAKEYA_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status -------------------------------------------------------------------------------------------- */

/// Result of every fallible function: `KAKEYA_OK` or one of `KAKEYA_ERR_*`.
typedef int32_t kakeya_status;

/// Success.
#define KAKEYA_OK 0

/// A pointer that must not be NULL is NULL.
#define KAKEYA_ERR_NULL_POINTER 100
/// A parameter is out of range or contradicts another one.
#define KAKEYA_ERR_BAD_PARAM 101
/// A dimension, a row count, a range or a stride does not fit the codec, the workspace or memory.
#define KAKEYA_ERR_BAD_SHAPE 102
/// An element type is unknown, or data is not aligned to its element size.
#define KAKEYA_ERR_BAD_DTYPE 103
/// The combination is valid, but this version or this machine does not support it.
#define KAKEYA_ERR_UNSUPPORTED 104
/// The input contains NaN or infinity, and the codec does not accept them.
#define KAKEYA_ERR_NOT_FINITE 200
/// The bytes are not a valid block, skeleton or profile.
#define KAKEYA_ERR_CORRUPT 201
/// The bytes end before the size that their header states.
#define KAKEYA_ERR_TRUNCATED 202
/// The block was written by a codec with other parameters, another layout or another skeleton.
#define KAKEYA_ERR_WRONG_CODEC 203
/// The bytes have a format version that this library does not read.
#define KAKEYA_ERR_WRONG_VERSION 204
/// The requested error bound cannot be met at this rate, or the requested size at any step.
#define KAKEYA_ERR_BOUND_NOT_MET 205
/// The destination is too small for what has to be written.
#define KAKEYA_ERR_DST_TOO_SMALL 300
/// Memory could not be allocated.
#define KAKEYA_ERR_OUT_OF_MEMORY 301
/// The eigenvalue iteration did not converge.
#define KAKEYA_ERR_NOT_CONVERGED 302
/// A panic was caught while this object was in use; it can only be freed.
#define KAKEYA_ERR_POISONED 400
/// Another call is using the object.
#define KAKEYA_ERR_BUSY 401
/// The runner of a batch returned without having run this item.
#define KAKEYA_ERR_NOT_RUN 402
/// A defect inside the library, caught before it reached the caller.
#define KAKEYA_ERR_PANIC 900

/// Name of a status, such as "KAKEYA_ERR_CORRUPT". Accepts any integer. Static, never NULL.
KAKEYA_API const char *kakeya_status_name(int32_t status);

/// What a status means, in words. Accepts any integer. Static, never NULL.
KAKEYA_API const char *kakeya_status_text(int32_t status);

/// Copies the message of this thread's last failure, with the numbers behind it, to `buf`: as much as fits in
/// `cap` bytes, with a NUL at the end. `len` receives the full length without the NUL. `buf` may be NULL if
/// `cap` is 0. The message stays until the next failure on this thread; before the first one it is empty.
KAKEYA_API kakeya_status kakeya_last_error_message(char *buf, size_t cap, size_t *len);

/* ---- Version and hash ---------------------------------------------------------------------------------- */

/// Version of this header. Compare with `kakeya_version_number`.
#define KAKEYA_VERSION_MAJOR 0
#define KAKEYA_VERSION_MINOR 1
#define KAKEYA_VERSION_PATCH 0
#define KAKEYA_VERSION_NUMBER \
    (KAKEYA_VERSION_MAJOR * 1000000 + KAKEYA_VERSION_MINOR * 1000 + KAKEYA_VERSION_PATCH)
#define KAKEYA_VERSION_STRING "0.1.0"

/// Version of the binary interface. It changes when programs that were compiled against an older header would
/// no longer work; the soname changes with it.
#define KAKEYA_ABI_VERSION 1

/// Version of the library as a string, such as "0.1.0". Static.
KAKEYA_API const char *kakeya_version_string(void);

/// Version of the library: major * 1000000 + minor * 1000 + patch. Compare with `KAKEYA_VERSION_NUMBER`.
KAKEYA_API uint32_t kakeya_version_number(void);

/// `KAKEYA_ABI_VERSION` of the loaded library. Compare with the macro.
KAKEYA_API uint32_t kakeya_abi_version(void);

/// BLAKE3 of `len` bytes, the hash behind all fingerprints and ids. Use it for the fingerprint that ties a
/// profile to its model, and for checksums of data that is stored beside blocks. Writes 32 bytes to `out`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_hash(const void *src, size_t len, uint8_t *out);

/* ---- Objects: made by a function of this library, freed by another one --------------------------------- */

/// Parameters, layout and skeleton, checked and prepared. Immutable; any number of threads may share it.
typedef struct kakeya_codec kakeya_codec;
/// Scratch memory of one thread. One call at a time.
typedef struct kakeya_workspace kakeya_workspace;
/// What was fitted to rows: mean, basis, centres. Immutable; any number of threads and codecs may share it.
typedef struct kakeya_skeleton kakeya_skeleton;
/// Collects rows and fits a skeleton to them. One call at a time.
typedef struct kakeya_fitter kakeya_fitter;

/* ---- Parameters and layout ----------------------------------------------------------------------------- */

/// Every row is rotated and quantised on its own. Needs no skeleton.
#define KAKEYA_PRESET_TURBO 0
/// PCA, K-means, rotation, Lloyd-Max. The skeleton is shared, or fitted to each block and stored in it.
#define KAKEYA_PRESET_KAKEYA 1
/// A shared skeleton of full rank; bits go where the variance is. With rate control step or max_bytes rows
/// are entropy-coded; with rate control bits, the default, a block has a fixed size.
#define KAKEYA_PRESET_RDO 2

/// Squared error: the scale of a row is the least-squares one.
#define KAKEYA_DISTORTION_MSE 0
/// Inner products. turbo, kakeya: those with decoded rows are unbiased. rdo: like MSE, but the certified
/// error is the one that queries see, if the skeleton knows any (`kakeya_fitter_add_queries`).
#define KAKEYA_DISTORTION_INNER_PRODUCT 1
/// Largest absolute error. With `max_abs_error` the bound is kept: rdo at a step stores rows raw that miss
/// it; otherwise the block is refused. It is also refused if `raw_dtype` cannot keep the bound.
#define KAKEYA_DISTORTION_LINF 2

/// `bits` fixes the rate.
#define KAKEYA_RATE_CONTROL_BITS 0
/// `step` fixes the error; the size of a block follows from its data. rdo only.
#define KAKEYA_RATE_CONTROL_STEP 1
/// `max_bytes` caps the size of a block, which gets the finest step that fits. The search halves a grid of
/// steps 1.1 % apart, so it may miss a finer step that happens to fit. Encoding takes about ten times as long
/// as at a fixed step. rdo only.
#define KAKEYA_RATE_CONTROL_MAX_BYTES 2

/// A row with NaN or infinity is an error, `KAKEYA_ERR_NOT_FINITE`.
#define KAKEYA_NAN_POLICY_REJECT 0
/// A row with NaN or infinity is stored raw, as if it were protected, and counts towards `max_protected`.
#define KAKEYA_NAN_POLICY_RAW 1

/// The best tier of this machine.
#define KAKEYA_CPU_TIER_BEST 0
/// The baseline instructions of the target.
#define KAKEYA_CPU_TIER_SCALAR 1
/// x86-64-v3: AVX2, FMA, F16C.
#define KAKEYA_CPU_TIER_AVX2 2
/// AVX-512 as of Ice Lake.
#define KAKEYA_CPU_TIER_AVX512 3
/// Advanced SIMD of 64-bit ARM.
#define KAKEYA_CPU_TIER_NEON 4

/// Parameters of a codec or a fit. Start from `KAKEYA_PARAMS_INIT`, then change what you need.
typedef struct kakeya_params {
    size_t struct_size;
    /// `KAKEYA_PRESET_*`. Default: `KAKEYA_PRESET_TURBO`.
    uint32_t preset;
    /// `KAKEYA_DISTORTION_*`. Default: `KAKEYA_DISTORTION_MSE`.
    uint32_t distortion;
    /// `KAKEYA_RATE_CONTROL_*`. Default: `KAKEYA_RATE_CONTROL_BITS`.
    uint32_t rate_control;
    /// Rate control bits: bits per coded component, an integer from 1 to 8. rdo: their average, any number in
    /// (0, 8], spent where the variance is. A scale of 16 bits per row comes on top. Default: `4`.
    float bits;
    /// Rate control step: step of the uniform quantiser, positive, in units of the rows after gains. A
    /// coefficient is off by at most 0.665 of its row's step with effort 0, and 1.04 with effort 1, whatever
    /// the data; a row that cannot be coded so closely is stored raw. (The quantiser keeps within 0.625 and
    /// 1.0; rounding rows to integers before the transform adds up to 0.04.) A row of weight w has the step
    /// times sqrt(m / w), limited to 1/16 to 16 times, where m is the geometric mean of the weights.
    /// Rate control max_bytes: the finest step to try; a block that fits at it is not made larger. 0 = the
    /// root mean square of the components over 4096: below that, the 16-bit basis limits the error, to 1e-7
    /// of a row's energy. Rate control bits: must be 0.
    float step;
    /// rdo: rows that are entropy-coded together, 1 to 65535: the unit of random access. Default: `128`.
    uint32_t rows_per_run;
    /// Rate control max_bytes: largest size of a block; one that does not fit at any step is
    /// `KAKEYA_ERR_BOUND_NOT_MET`. A destination must hold this many bytes, or `kakeya_encode_bound` if that
    /// is less. Other rate controls: must be 0.
    size_t max_bytes;
    /// `KAKEYA_DISTORTION_LINF`: largest allowed |x - x'| in rows that are not protected, in units of the
    /// tensors and at any position, checked by decoding; 0 = no bound. Rounding to an f16 or bf16 destination
    /// comes on top. Other distortions: must be 0.
    float max_abs_error;
    /// kakeya: share of the variance that the basis must capture, in (0, 1]. Default: `0.99`.
    float variance_ratio;
    /// kakeya: largest number of components; 0 = only the dimension limits it.
    uint32_t max_rank;
    /// kakeya, rdo: K-means centres to try, 0 to 256. They are kept only if they pay; with rdo a few centres
    /// rarely pay, and 256 pay most. Default: `16`.
    uint32_t kmeans_k;
    /// kakeya, rdo: rounds of K-means, 1 to 100. Default: `10`.
    uint32_t kmeans_iters;
    /// Effort of the encoder at a step. 0 = a plain uniform quantiser. 1 = a trellis search, which takes
    /// several times as long and saves about a tenth of a bit per significant coefficient at the same error.
    /// At the same step its block is larger and its error smaller, so choose a step about 1.2 times as large.
    /// Decoding hardly changes. Rate control bits: must be 0.
    uint32_t effort;
    /// Rate control bits: how many rows of a block may be stored raw; every block reserves space for them. At
    /// a step nothing is reserved, and any number of rows may be raw (with max_bytes, as far as they fit).
    size_t max_protected;
    /// Selects the random signs of the rotation and the choices of K-means.
    uint64_t seed;
    /// `KAKEYA_NAN_POLICY_*`. Default: `KAKEYA_NAN_POLICY_REJECT`.
    uint32_t nan_policy;
    /// 1 = every block carries a checksum of its payload, 0 = only of its header. Default: `1`.
    uint32_t checksum;
    /// `KAKEYA_CPU_TIER_*`; UNSUPPORTED if this machine lacks it. Default: `KAKEYA_CPU_TIER_BEST`.
    uint32_t cpu_tier;
    /// Must be 0.
    uint32_t reserved;
} kakeya_params;
#define KAKEYA_PARAMS_INIT { \
    sizeof(kakeya_params), KAKEYA_PRESET_TURBO, KAKEYA_DISTORTION_MSE, KAKEYA_RATE_CONTROL_BITS, 4.0f, 0.0f, \
    128, 0, 0.0f, 0.99f, 0, 16, 10, 0, 0, 0, KAKEYA_NAN_POLICY_REJECT, 1, KAKEYA_CPU_TIER_BEST, 0}

KAKEYA_API kakeya_status kakeya_params_init(kakeya_params *params, size_t struct_size);

/// IEEE 754 binary32.
#define KAKEYA_DTYPE_F32 0
/// IEEE 754 binary16.
#define KAKEYA_DTYPE_F16 1
/// bfloat16: the upper half of a binary32.
#define KAKEYA_DTYPE_BF16 2

/// No rotary embedding.
#define KAKEYA_ROPE_NONE 0
/// Rotary embedding on pairs `(i, i + n_rot/2)`.
#define KAKEYA_ROPE_NEOX 1
/// Rotary embedding on pairs `(2i, 2i + 1)`.
#define KAKEYA_ROPE_INTERLEAVED 2

/// The part of a row that comes from one tensor. Start from `KAKEYA_SEGMENT_INIT` and set `dim`.
typedef struct kakeya_segment {
    size_t struct_size;
    /// Coordinates, 1 to 4096.
    size_t dim;
    /// Factor applied before coding and undone after decoding; finite and positive. A usual choice, so that all
    /// segments count alike: 1 / root mean square of the tensor. Default: `1`.
    float gain;
    /// `KAKEYA_DTYPE_*` of rows that are stored raw: protected ones, and those that coding would make larger.
    /// Choose one that holds the values: f16 ends at 65504. Default: `KAKEYA_DTYPE_F32`.
    uint32_t raw_dtype;
    /// `KAKEYA_ROPE_*`: the rotary embedding to undo before coding. Default: `KAKEYA_ROPE_NONE`.
    uint32_t rope;
    /// Leading coordinates that are rotated: even, 2 to `dim`; ignored without RoPE.
    size_t n_rot;
    /// `n_rot / 2` inverse frequencies in radians per position, copied at creation; ignored without RoPE.
    const float *inv_freq;
} kakeya_segment;
#define KAKEYA_SEGMENT_INIT {sizeof(kakeya_segment), 0, 1.0f, KAKEYA_DTYPE_F32, KAKEYA_ROPE_NONE, 0, NULL}

/// The segments that make up a row, in order. Start from `KAKEYA_LAYOUT_INIT` and set both fields.
typedef struct kakeya_layout {
    size_t struct_size;
    /// Number of segments. Their dimensions add up to 1 to 4096.
    size_t n_segments;
    /// The segments; the `struct_size` of the first is their distance in bytes.
    const kakeya_segment *segments;
} kakeya_layout;
#define KAKEYA_LAYOUT_INIT {sizeof(kakeya_layout), 0, NULL}

KAKEYA_API kakeya_status kakeya_segment_init(kakeya_segment *segment, size_t struct_size);
KAKEYA_API kakeya_status kakeya_layout_init(kakeya_layout *layout, size_t struct_size);

/* ---- Codec --------------------------------------------------------------------------------------------- */

/// Checks parameters, layout and skeleton together and prepares everything that blocks have in common.
///
/// `skeleton` must be NULL for turbo, and must not be for rdo. For kakeya, NULL means that a skeleton is
/// fitted to every block and stored in it. A skeleton from `kakeya_fitter_finish` or `kakeya_skeleton_load`
/// is shared by all blocks; the codec keeps it, so it may be freed. `params` and `layout`, with all they
/// point to, are copied.
///
/// Errors: BAD_PARAM, BAD_SHAPE, BAD_DTYPE, OUT_OF_MEMORY, UNSUPPORTED (a tier that the machine lacks, or a
/// skeleton for turbo).
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_codec_create(
    const kakeya_params *params, const kakeya_layout *layout, const kakeya_skeleton *skeleton,
    kakeya_codec **out);

/// Frees a codec; NULL is a no-op. No call may be using it.
KAKEYA_API void kakeya_codec_free(kakeya_codec *codec);

/// BLAKE3 of the format version and of all parameters, layout and skeleton; writes 32 bytes to `out`. Equal
/// codecs have equal fingerprints, also across processes and machines, so it fits in a cache key. Every block
/// carries it, and only a codec with the same fingerprint decodes the block. It covers every parameter but the
/// CPU tier, also those that the preset ignores: keep the parameters with the skeleton, or use a profile.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_codec_fingerprint(const kakeya_codec *codec, uint8_t *out);

/// The CPU tier that a codec uses, `KAKEYA_CPU_TIER_*` other than BEST. If `codec` is NULL: the best tier of
/// this machine.
KAKEYA_API uint32_t kakeya_cpu_tier(const kakeya_codec *codec);

/// Name of a CPU tier: "best", "scalar", "avx2", "avx512", "neon", or "unknown". Static, never NULL.
KAKEYA_API const char *kakeya_cpu_tier_name(uint32_t tier);

/* ---- Workspace ----------------------------------------------------------------------------------------- */

/// Allocates the scratch memory for encoding blocks, or decoding ranges, of at most `max_rows` rows. It
/// also serves another codec of the same kind (fixed rate, at a step, own skeletons) with no larger dimension
/// and `rows_per_run` and at most eight segments, or as many as `codec` has; others get BAD_SHAPE.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_workspace_create(
    const kakeya_codec *codec, size_t max_rows, kakeya_workspace **out);

/// Bytes that `kakeya_workspace_create` would allocate. Codecs at a step need memory for a run of rows and a
/// byte per row; codecs that fit a skeleton to every block need memory for all rows; for the others
/// `max_rows` makes no difference.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_workspace_size(
    const kakeya_codec *codec, size_t max_rows, size_t *out);

/// Frees a workspace; NULL is a no-op. No call may be using it.
KAKEYA_API void kakeya_workspace_free(kakeya_workspace *workspace);

/* ---- Rows: where they lie in the tensors of an engine -------------------------------------------------- */

/// Where the rows of one segment are read. Element `c` of row `r` is `data[r * row_stride + c * col_stride]`;
/// strides are in elements and may be negative or zero. Start from `KAKEYA_VIEW_INIT`, then set `data` and
/// `row_stride`.
typedef struct kakeya_view {
    size_t struct_size;
    /// First element of the first row, aligned to the element size.
    const void *data;
    /// `KAKEYA_DTYPE_*`. Default: `KAKEYA_DTYPE_F32`.
    uint32_t dtype;
    /// Elements from one row to the next.
    ptrdiff_t row_stride;
    /// Elements from one coordinate to the next. Default: `1`.
    ptrdiff_t col_stride;
} kakeya_view;
#define KAKEYA_VIEW_INIT {sizeof(kakeya_view), NULL, KAKEYA_DTYPE_F32, 0, 1}

/// Where the rows of one segment are written; like `kakeya_view`. Start from `KAKEYA_VIEW_MUT_INIT`.
typedef struct kakeya_view_mut {
    size_t struct_size;
    /// First element of the first row, aligned to the element size. NULL = this segment is not wanted.
    void *data;
    /// `KAKEYA_DTYPE_*`. Larger values become its largest finite value. Default: `KAKEYA_DTYPE_F32`.
    uint32_t dtype;
    /// Elements from one row to the next.
    ptrdiff_t row_stride;
    /// Elements from one coordinate to the next. Default: `1`.
    ptrdiff_t col_stride;
} kakeya_view_mut;
#define KAKEYA_VIEW_MUT_INIT {sizeof(kakeya_view_mut), NULL, KAKEYA_DTYPE_F32, 0, 1}

/// The rows to encode. Start from `KAKEYA_ROWS_INIT`, then set `n_rows` and `views`.
typedef struct kakeya_rows {
    size_t struct_size;
    /// Number of rows, at least 1.
    size_t n_rows;
    /// One view per segment of the layout; the `struct_size` of the first is their distance in bytes.
    const kakeya_view *views;
    /// `n_rows` positions. Required if any segment has RoPE.
    const int32_t *positions;
    /// `n_rows` weights of the rows' errors, finite and not negative; NULL = all 1.
    const float *weights;
    /// `n_rows` flags, nonzero = store this row raw; NULL = none.
    const uint8_t *protect;
} kakeya_rows;
#define KAKEYA_ROWS_INIT {sizeof(kakeya_rows), 0, NULL, NULL, NULL, NULL}

/// Where decoded rows go. Start from `KAKEYA_ROWS_MUT_INIT`, then set `n_rows` and `views`.
typedef struct kakeya_rows_mut {
    size_t struct_size;
    /// Number of rows; must equal the number of rows to decode.
    size_t n_rows;
    /// One view per segment of the layout; the `struct_size` of the first is their distance in bytes.
    const kakeya_view_mut *views;
    /// `n_rows` positions at which RoPE is applied. Required if any segment has RoPE, wanted or not. They may
    /// differ from those that were encoded (context shift); rows stored raw are turned by the difference.
    const int32_t *positions;
} kakeya_rows_mut;
#define KAKEYA_ROWS_MUT_INIT {sizeof(kakeya_rows_mut), 0, NULL, NULL}

KAKEYA_API kakeya_status kakeya_view_init(kakeya_view *view, size_t struct_size);
KAKEYA_API kakeya_status kakeya_view_mut_init(kakeya_view_mut *view, size_t struct_size);
KAKEYA_API kakeya_status kakeya_rows_init(kakeya_rows *rows, size_t struct_size);
KAKEYA_API kakeya_status kakeya_rows_mut_init(kakeya_rows_mut *rows, size_t struct_size);

/* ---- Encode and decode --------------------------------------------------------------------------------- */

/// Largest size in bytes of a block of `n_rows` rows; grows with `n_rows`. It is the exact size, unless
/// blocks carry their own skeleton or are coded at a step (then: the rows stored raw, 64 bytes, and 4 bytes
/// per row if a segment has RoPE; at most `max_bytes`).
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_encode_bound(
    const kakeya_codec *codec, size_t n_rows, size_t *out);

/// Encodes one block to the start of `dst`; `written` receives its size, at most `kakeya_encode_bound`.
/// Allocates nothing, unless the codec fits a skeleton to every block (also OUT_OF_MEMORY, NOT_CONVERGED).
///
/// Errors: NOT_FINITE, BOUND_NOT_MET, BUSY, DST_TOO_SMALL (at a step known only once the block is encoded),
/// BAD_SHAPE (more rows than the workspace is for), BAD_PARAM (a weight, more raw rows than `max_protected`,
/// overlapping buffers).
///
/// Pointers: `dst` is written once and never read, so it may be write-combined memory. It must not overlap
/// anything that `rows` points to. Its contents are undefined after an error.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_encode(
    const kakeya_codec *codec, kakeya_workspace *workspace, const kakeya_rows *rows, void *dst, size_t cap,
    size_t *written);

/// Decodes all rows of a block. Accepts any bytes: whatever is not a block of this codec is refused before
/// anything is decoded. Allocates nothing. Bytes after the block are ignored.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, WRONG_CODEC, BUSY, BAD_SHAPE (`rows->n_rows` differs from the
/// block's, or exceeds the workspace's).
///
/// Pointers: views must not overlap the block. They may overlap each other; then the last segment written to
/// an element stays. Their contents are undefined after an error.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_decode(
    const kakeya_codec *codec, kakeya_workspace *workspace, const void *src, size_t len,
    const kakeya_rows_mut *rows);

/// Decodes rows `first .. first + count` of a block, as `kakeya_decode` does; `rows->n_rows` must be `count`.
/// The whole block is checked, but only these rows are decoded.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_decode_rows(
    const kakeya_codec *codec, kakeya_workspace *workspace, const void *src, size_t len, size_t first,
    size_t count, const kakeya_rows_mut *rows);

/* ---- Block info ---------------------------------------------------------------------------------------- */

/// `kakeya_block_info.flags`: a checksum covers the payload.
#define KAKEYA_BLOCK_FLAG_CHECKSUM 1
/// `kakeya_block_info.flags`: the block carries its own skeleton.
#define KAKEYA_BLOCK_FLAG_OWN_SKELETON 2
/// `kakeya_block_info.flags`: rows stored raw carry their positions.
#define KAKEYA_BLOCK_FLAG_POSITIONS 4
/// `kakeya_block_info.flags`: symbols are entropy-coded, in runs of rows.
#define KAKEYA_BLOCK_FLAG_RUNS 8
/// `kakeya_block_info.flags`: weights changed the steps of rows.
#define KAKEYA_BLOCK_FLAG_WEIGHTS 16
/// `kakeya_block_info.flags`: all rows are stored raw because that is smaller.
#define KAKEYA_BLOCK_FLAG_RAW 32
/// `kakeya_block_info.flags`: fixed rate, with bits chosen per component.
#define KAKEYA_BLOCK_FLAG_ALLOCATED 64
/// `kakeya_block_info.flags`: a trellis chose the values.
#define KAKEYA_BLOCK_FLAG_TRELLIS 128

/// The contents of a block's header.
typedef struct kakeya_block_info {
    /// Format version.
    uint32_t version;
    /// `KAKEYA_PRESET_*`.
    uint32_t preset;
    /// `KAKEYA_DISTORTION_*`.
    uint32_t distortion;
    /// `KAKEYA_BLOCK_FLAG_*`.
    uint32_t flags;
    /// Rows.
    size_t n_rows;
    /// Coordinates per row.
    size_t dim;
    /// Coded components per row: `dim`, or the rank of the skeleton.
    size_t rank;
    /// K-means centres in use; 0 = none.
    size_t n_centres;
    /// Bits per coded component, on average; 0 at a step and in a raw block.
    float bits;
    /// Step of the uniform quantiser; 0 at a fixed rate.
    float step;
    /// Rows that are entropy-coded together; 0 at a fixed rate.
    uint32_t rows_per_run;
    /// Rows stored raw; 0 with `KAKEYA_BLOCK_FLAG_RAW`, when all are.
    uint32_t n_protected;
    /// Size of the whole block in bytes.
    uint64_t bytes;
    /// Size of the same rows stored raw, in the `raw_dtype` of their segments.
    uint64_t raw_bytes;
    /// `kakeya_codec_fingerprint` of the codec that wrote the block.
    uint8_t fingerprint[32];
    /// The error that the encoder measured. MSE: relative squared error of the weighted rows, after gains.
    /// Inner product: the same, in the metric of the skeleton's queries if it has any. LInf: largest absolute
    /// error in units of the tensors, at any position (with RoPE an upper bound). Rows stored raw do not
    /// count, unless all are (`KAKEYA_BLOCK_FLAG_RAW`). Infinite if beyond binary32.
    double certified_error;
} kakeya_block_info;

/// Reads and checks the header of a block, and that `len` bytes hold the size that it states. Looks at
/// nothing else, so it is cheap. Accepts any bytes; bytes after the block are ignored. Writes the first
/// `info_size` bytes of `info`.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_block_read_info(
    const void *src, size_t len, kakeya_block_info *info, size_t info_size);

/// Checks a whole block without decoding it: header, sizes, checksums. If `codec` is not NULL, also that this
/// codec or an equal one wrote the block.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, WRONG_CODEC.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_block_verify(
    const kakeya_codec *codec, const void *src, size_t len);

/* ---- Skeleton and fitter: what presets kakeya and rdo learn from rows ---------------------------------- */

/// Bytes that `kakeya_skeleton_save` writes.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_skeleton_size(const kakeya_skeleton *skeleton, size_t *out);

/// Writes a skeleton, with format version and checksum, to the start of `dst`; `written` receives its size.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_skeleton_save(
    const kakeya_skeleton *skeleton, void *dst, size_t cap, size_t *written);

/// Reads what `kakeya_skeleton_save` wrote: all `len` bytes and nothing else. Accepts any bytes; memory is in
/// proportion to `len`.
///
/// Errors: CORRUPT, TRUNCATED, WRONG_VERSION, OUT_OF_MEMORY.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_skeleton_load(
    const void *src, size_t len, kakeya_skeleton **out);

/// BLAKE3 of the saved form: equal skeletons have equal ids. Writes 32 bytes to `out`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_skeleton_id(const kakeya_skeleton *skeleton, uint8_t *out);

/// Frees a skeleton; NULL is a no-op. Codecs that were made from it keep what they need.
KAKEYA_API void kakeya_skeleton_free(kakeya_skeleton *skeleton);

/// What a fit found. Energies are weighted and of the added rows, after gains.
typedef struct kakeya_fit_report {
    /// Rows that were added.
    uint64_t n_rows;
    /// Components kept.
    size_t rank;
    /// Share of the variance that they capture, 0 to 1.
    double captured_variance;
    /// Arithmetic over geometric mean of the variances of the components kept; at least 1.
    double coding_gain;
    /// K-means centres kept; 0 = they did not pay.
    size_t n_centres;
    /// Predicted bits per value of a block of many rows, without header and skeleton. With rate control
    /// max_bytes: at `step`, or if that is 0 at half the root mean square of the components.
    double predicted_bpv;
    /// Predicted relative squared error.
    double predicted_error;
    /// Size of the skeleton when saved, in bytes.
    uint64_t skeleton_bytes;
} kakeya_fit_report;

/// Starts a fit for rows of this layout; the preset must be kakeya or rdo. A codec accepts the skeleton if
/// the dimension of its layout is the same; rdo also needs full rank, which a fit with preset rdo always has.
/// Gains, RoPE, rate control and step should be the codec's as well: they decide whether centres pay, and what
/// the report predicts. Memory grows with the square of the dimension.
///
/// Errors: those of `kakeya_codec_create`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_fitter_create(
    const kakeya_params *params, const kakeya_layout *layout, kakeya_fitter **out);

/// Adds rows to the fit, each with its weight; protected rows are skipped. If a row is refused, the rows
/// before it have been added.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_fitter_add_rows(
    kakeya_fitter *fitter, const kakeya_rows *rows);

/// Adds queries that will meet the rows of a segment: `n_queries` rows of the segment's dimension. The
/// skeleton then puts the error where they look least, with every distortion. With
/// `KAKEYA_DISTORTION_INNER_PRODUCT` the certified error is the one that they see, after a tenth of their
/// second moment has been spread over all directions. Optional; rdo only.
///
/// If the segment has RoPE, pass queries before RoPE, and the position of each in `positions`, not below 0: a
/// query then counts at all distances from 0 to its position. With NULL the queries count as they are.
///
/// Errors: UNSUPPORTED (preset kakeya), BAD_SHAPE (no such segment), BAD_PARAM (a negative position),
/// NOT_FINITE, OUT_OF_MEMORY.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_fitter_add_queries(
    kakeya_fitter *fitter, size_t segment, const kakeya_view *queries, size_t n_queries,
    const int32_t *positions);

/// Fits a skeleton to the rows added so far; more rows may be added afterwards for another one. The same rows
/// in the same order with the same seed give the same skeleton. If `report` is not NULL, its first
/// `report_size` bytes are written.
///
/// Errors: BAD_SHAPE (no row with a positive weight), NOT_CONVERGED, OUT_OF_MEMORY. The eigenvalue solver
/// allocates some memory on its own; if the system refuses that, the process aborts.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_fitter_finish(
    kakeya_fitter *fitter, kakeya_fit_report *report, size_t report_size, kakeya_skeleton **out);

/// Frees a fitter; NULL is a no-op. No call may be using it.
KAKEYA_API void kakeya_fitter_free(kakeya_fitter *fitter);

/* ---- Batch: many blocks on threads of the caller ------------------------------------------------------- */

/// One block to encode. Start from `KAKEYA_ENCODE_ITEM_INIT` and set all fields.
typedef struct kakeya_encode_item {
    size_t struct_size;
    /// The rows.
    const kakeya_rows *rows;
    /// Where the block goes.
    void *dst;
    /// Bytes at `dst`.
    size_t dst_cap;
} kakeya_encode_item;
#define KAKEYA_ENCODE_ITEM_INIT {sizeof(kakeya_encode_item), NULL, NULL, 0}

/// One block to decode. Start from `KAKEYA_DECODE_ITEM_INIT` and set all fields.
typedef struct kakeya_decode_item {
    size_t struct_size;
    /// The block.
    const void *src;
    /// Bytes at `src`.
    size_t src_len;
    /// Where the rows go.
    const kakeya_rows_mut *rows;
} kakeya_decode_item;
#define KAKEYA_DECODE_ITEM_INIT {sizeof(kakeya_decode_item), NULL, 0, NULL}

/// One piece of a batch: runs item `index` with workspace `worker`. `state` is what the runner was given.
typedef void (*kakeya_task)(void *state, size_t index, size_t worker);

/// Calls `task(state, index, worker)` once for every `index` below `n_tasks`, on any threads, and returns
/// when all are done. No two tasks may run at the same time with the same `worker`, which is below
/// `n_workers`. `opaque` is the pointer that was given to the batch call. Must not throw.
typedef void (*kakeya_runner)(void *opaque, kakeya_task task, void *state, size_t n_tasks, size_t n_workers);

/// The result of one item.
typedef struct kakeya_batch_result {
    /// Status of this item.
    kakeya_status status;
    /// Always 0.
    uint32_t reserved;
    /// Bytes written by the encoder, or read by the decoder.
    uint64_t bytes;
    /// Message of the failure, NUL-terminated; empty on success.
    char message[240];
} kakeya_batch_result;

KAKEYA_API kakeya_status kakeya_encode_item_init(kakeya_encode_item *item, size_t struct_size);
KAKEYA_API kakeya_status kakeya_decode_item_init(kakeya_decode_item *item, size_t struct_size);

/// Encodes `n` blocks with one codec. `runner` spreads the items over the caller's threads; with NULL they
/// run one after the other, with `workspaces[0]`. `results[i]`, of `result_size` bytes each, receives status,
/// size and message of item `i`; an item that the runner leaves out is NOT_RUN. Returns `KAKEYA_OK` if every
/// item succeeded, otherwise the status of the first one that did not.
///
/// Pointers: `workspaces` has one workspace per worker, all different. The destinations of items must not
/// overlap.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_encode_batch(
    const kakeya_codec *codec, kakeya_workspace *const *workspaces, size_t n_workspaces,
    const kakeya_encode_item *items, size_t n, kakeya_runner runner, void *opaque,
    kakeya_batch_result *results, size_t result_size);

/// Decodes `n` blocks with one codec; otherwise like `kakeya_encode_batch`.
KAKEYA_NODISCARD KAKEYA_API kakeya_status kakeya_decode_batch(
    const kakeya_codec *codec, kakeya_workspace *const *workspaces, size_t n_workspaces,
    const kakeya_decode_item *items, size_t n, kakeya_runner runner, void *opaque,
    kakeya_batch_result *results, size_t result_size);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KAKEYATURBO_H */
