//! The types of the C API: constants, structs that callers fill in, structs that the library fills in.
//!
//! Enumerations are plain integers, so that no value from C can be undefined behaviour in Rust.

use libc::{c_char, c_void, size_t};

/// Result of every fallible function: `KAKEYA_OK` or one of `KAKEYA_ERR_*`.
pub type kakeya_status = i32;

/// Success.
pub const KAKEYA_OK: kakeya_status = 0;
/// A pointer that must not be NULL is NULL.
pub const KAKEYA_ERR_NULL_POINTER: kakeya_status = 100;
/// A parameter is outside its range or contradicts another one.
pub const KAKEYA_ERR_BAD_PARAM: kakeya_status = 101;
/// A dimension, a row count, a range or a stride does not fit the codec, the workspace or memory.
pub const KAKEYA_ERR_BAD_SHAPE: kakeya_status = 102;
/// An element type is unknown, or its data is not aligned to its size.
pub const KAKEYA_ERR_BAD_DTYPE: kakeya_status = 103;
/// The combination is well-formed, and this version does not offer it.
pub const KAKEYA_ERR_UNSUPPORTED: kakeya_status = 104;
/// Input contains NaN or an infinity where the codec does not accept one.
pub const KAKEYA_ERR_NOT_FINITE: kakeya_status = 200;
/// The bytes are not a valid block, skeleton or profile.
pub const KAKEYA_ERR_CORRUPT: kakeya_status = 201;
/// The bytes end before what their header announces.
pub const KAKEYA_ERR_TRUNCATED: kakeya_status = 202;
/// The block was written by a codec with other parameters, another layout or another skeleton.
pub const KAKEYA_ERR_WRONG_CODEC: kakeya_status = 203;
/// The bytes carry a format version that this library does not read.
pub const KAKEYA_ERR_WRONG_VERSION: kakeya_status = 204;
/// The asked maximum error cannot be kept at this rate, or the asked size at any step.
pub const KAKEYA_ERR_BOUND_NOT_MET: kakeya_status = 205;
/// The destination is smaller than what has to be written.
pub const KAKEYA_ERR_DST_TOO_SMALL: kakeya_status = 300;
/// Memory could not be reserved.
pub const KAKEYA_ERR_OUT_OF_MEMORY: kakeya_status = 301;
/// The eigenvalue iteration did not converge.
pub const KAKEYA_ERR_NOT_CONVERGED: kakeya_status = 302;
/// A panic was caught earlier while this object was in use; it can only be freed.
pub const KAKEYA_ERR_POISONED: kakeya_status = 400;
/// The object is in use by another call at this moment.
pub const KAKEYA_ERR_BUSY: kakeya_status = 401;
/// The runner of a batch returned without having run this item.
pub const KAKEYA_ERR_NOT_RUN: kakeya_status = 402;
/// A defect inside the library, caught before it reached the caller.
pub const KAKEYA_ERR_PANIC: kakeya_status = 900;

/// No skeleton: every row is rotated and quantised on its own.
pub const KAKEYA_PRESET_TURBO: u32 = 0;
/// PCA, K-means, rotation, Lloyd-Max; the skeleton is fitted on the block and stored in it, or shared.
pub const KAKEYA_PRESET_KAKEYA: u32 = 1;
/// A shared skeleton of full rank; bits go where the variance is. At a step (`KAKEYA_RATE_CONTROL_STEP`,
/// `MAX_BYTES`) rows are entropy-coded; with rate control bits, the default, a block has a fixed size.
pub const KAKEYA_PRESET_RDO: u32 = 2;

/// Squared error: the scale of a row is that of least squares.
pub const KAKEYA_DISTORTION_MSE: u32 = 0;
/// Inner products. turbo and kakeya: those with decoded rows are unbiased. rdo: least squares as with MSE, but the
/// certified error is the one that queries see, where the skeleton knows queries (`kakeya_fitter_add_queries`).
pub const KAKEYA_DISTORTION_INNER_PRODUCT: u32 = 1;
/// Least maximum absolute error. With `kakeya_params::max_abs_error` the bound is kept: rows that miss it are
/// stored raw with rdo at a step, else the block is refused (as it is where the `raw_dtype` cannot keep it).
pub const KAKEYA_DISTORTION_LINF: u32 = 2;

/// `kakeya_params::bits` fixes the rate.
pub const KAKEYA_RATE_CONTROL_BITS: u32 = 0;
/// `kakeya_params::step` fixes the error; the size of a block follows from its data. For rdo.
pub const KAKEYA_RATE_CONTROL_STEP: u32 = 1;
/// `kakeya_params::max_bytes` caps the size of a block; the finest step at which it fits is searched for: of a
/// grid of steps 1.1 % apart, by halving, so that a finer one that happens to fit too may be missed. For rdo; encoding takes some ten times as long as at a fixed step.
pub const KAKEYA_RATE_CONTROL_MAX_BYTES: u32 = 2;

/// IEEE 754 binary32.
pub const KAKEYA_DTYPE_F32: u32 = 0;
/// IEEE 754 binary16.
pub const KAKEYA_DTYPE_F16: u32 = 1;
/// bfloat16: the upper half of a binary32.
pub const KAKEYA_DTYPE_BF16: u32 = 2;

/// The segment is coded as it is.
pub const KAKEYA_ROPE_NONE: u32 = 0;
/// Rotary embedding on pairs `(i, i + n_rot/2)`.
pub const KAKEYA_ROPE_NEOX: u32 = 1;
/// Rotary embedding on pairs `(2i, 2i + 1)`.
pub const KAKEYA_ROPE_INTERLEAVED: u32 = 2;

/// A row with NaN or infinity is an error, `KAKEYA_ERR_NOT_FINITE`.
pub const KAKEYA_NAN_POLICY_REJECT: u32 = 0;
/// A row with NaN or infinity is stored raw, as if it were protected; it takes one of `max_protected`.
pub const KAKEYA_NAN_POLICY_RAW: u32 = 1;

/// The best tier of this machine.
pub const KAKEYA_CPU_TIER_BEST: u32 = 0;
/// The baseline instructions of the target.
pub const KAKEYA_CPU_TIER_SCALAR: u32 = 1;
/// x86-64-v3: AVX2, FMA, F16C.
pub const KAKEYA_CPU_TIER_AVX2: u32 = 2;
/// AVX-512 as of Ice Lake.
pub const KAKEYA_CPU_TIER_AVX512: u32 = 3;
/// Advanced SIMD of 64-bit ARM.
pub const KAKEYA_CPU_TIER_NEON: u32 = 4;

/// `kakeya_block_info::flags`: the payload is covered by a checksum.
pub const KAKEYA_BLOCK_FLAG_CHECKSUM: u32 = 1;
/// `kakeya_block_info::flags`: the block carries its own skeleton.
pub const KAKEYA_BLOCK_FLAG_OWN_SKELETON: u32 = 2;
/// `kakeya_block_info::flags`: rows stored raw carry their positions.
pub const KAKEYA_BLOCK_FLAG_POSITIONS: u32 = 4;
/// `kakeya_block_info::flags`: symbols are entropy-coded, in runs of rows.
pub const KAKEYA_BLOCK_FLAG_RUNS: u32 = 8;
/// `kakeya_block_info::flags`: weights changed the steps of rows.
pub const KAKEYA_BLOCK_FLAG_WEIGHTS: u32 = 16;
/// `kakeya_block_info::flags`: all rows are stored raw, since that is smaller.
pub const KAKEYA_BLOCK_FLAG_RAW: u32 = 32;

/// `kakeya_block_info::flags`: components have bits of their own, at a fixed rate.
pub const KAKEYA_BLOCK_FLAG_ALLOCATED: u32 = 64;
/// `kakeya_block_info::flags`: values are those of a trellis.
pub const KAKEYA_BLOCK_FLAG_TRELLIS: u32 = 128;

/// Parameters of a codec or a fitter. Fill with `kakeya_params_init`, then change what you need.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_params {
    /// `sizeof(kakeya_params)` of the caller.
    pub struct_size: size_t,
    /// `KAKEYA_PRESET_*`. Default: turbo.
    pub preset: u32,
    /// `KAKEYA_DISTORTION_*`. Default: MSE.
    pub distortion: u32,
    /// `KAKEYA_RATE_CONTROL_*`. Default: bits.
    pub rate_control: u32,
    /// With rate control bits: bits per coded component, an integer from 1 to 8; for rdo their average, any number
    /// in (0, 8], spent where the skeleton's variances ask for them. A scale of 16 bits a row comes on top.
    /// Default: 4.
    pub bits: f32,
    /// With rate control step: step of the uniform quantiser, positive, in units of the rows after gains. Every
    /// coefficient is coded to within 0.625 of it (effort 0) or 1.0 (effort 1). With rate control max_bytes: the
    /// finest step to try: where it fits, nothing is spent on more; 0 = the root mean square of the components
    /// over 4,096, below which the basis, of 16 bits a number, is what limits the error (1e-7 of a row's energy).
    /// Weights scale the step of a row by the root of the mean weight (geometric) over the row's, from 1/16 to 16. Must be 0 with rate control bits. Default: 0.
    pub step: f32,
    /// rdo: rows that are entropy-coded together, 1 to 65535: the unit of random access. Default: 128.
    pub rows_per_run: u32,
    /// With rate control max_bytes: largest size of a block; a block that does not fit at any step is
    /// `KAKEYA_ERR_BOUND_NOT_MET`. A destination must have as many, or what `kakeya_encode_bound` says if that is
    /// less. Must be 0 otherwise. Default: 0.
    pub max_bytes: size_t,
    /// With `KAKEYA_DISTORTION_LINF`: largest allowed |x - x'| of a row that is not protected, in the units of
    /// the tensors and at any position, checked by decoding; rounding to a destination's f16 or bf16 comes on
    /// top. 0 = none asked. Must be 0 with the other distortions. Default: 0.
    pub max_abs_error: f32,
    /// kakeya: share of the variance that the basis must capture, in (0, 1]. Default: 0.99.
    pub variance_ratio: f32,
    /// kakeya: largest number of components; 0 = no limit but the dimension. Default: 0.
    pub max_rank: u32,
    /// kakeya, rdo: K-means centres to try, 0 to 256; 0 = none. They are kept only where they pay; with rdo few
    /// hardly do, and 256 do most. Default: 16.
    pub kmeans_k: u32,
    /// kakeya, rdo: rounds of K-means, 1 to 100. Default: 10.
    pub kmeans_iters: u32,
    /// How hard the encoder works at a step: 0 = a plain uniform quantiser; 1 = a trellis search, which takes
    /// about a tenth of a bit per significant coefficient off the same error, and several times as long. At the
    /// same step it is the larger block with the smaller error: choose a step some 1.2 times as large. The decoder
    /// hardly notices. Must be 0 with rate control bits. Default: 0.
    pub effort: u32,
    /// Rate control bits: rows of a block that may be stored raw; their space is reserved in every block. At a
    /// step any number may be, and nothing is reserved (with max_bytes, as far as they fit). Default: 0.
    pub max_protected: size_t,
    /// Selects the random signs of the rotation and the choices of K-means. Default: 0.
    pub seed: u64,
    /// `KAKEYA_NAN_POLICY_*`. Default: reject.
    pub nan_policy: u32,
    /// 1: every block carries a checksum of its payload; 0: of its header only. Default: 1.
    pub checksum: u32,
    /// `KAKEYA_CPU_TIER_*`; a tier that the machine lacks is `KAKEYA_ERR_UNSUPPORTED`. Default: best.
    pub cpu_tier: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// A run of coordinates of a row that comes from one tensor. Fill with `kakeya_segment_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_segment {
    /// `sizeof(kakeya_segment)` of the caller.
    pub struct_size: size_t,
    /// Coordinates, 1 to 4096.
    pub dim: size_t,
    /// Factor applied before coding and undone after decoding; finite and positive. Default: 1.
    pub gain: f32,
    /// `KAKEYA_DTYPE_*` of rows that are stored raw: protected ones, and those that coding would make larger. Take
    /// one that holds the values: f16 ends at 65,504. Default: f32.
    pub raw_dtype: u32,
    /// `KAKEYA_ROPE_*`: rotary embedding that is undone before coding. Default: none.
    pub rope: u32,
    /// Leading coordinates that are rotated: even, at most `dim`; ignored without RoPE.
    pub n_rot: size_t,
    /// `n_rot / 2` inverse frequencies in radians per position, copied at creation; ignored without RoPE.
    pub inv_freq: *const f32,
}

/// The segments that make up a row, in order. Fill with `kakeya_layout_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_layout {
    /// `sizeof(kakeya_layout)` of the caller.
    pub struct_size: size_t,
    /// Number of segments; their dimensions add up to 1 to 4096.
    pub n_segments: size_t,
    /// The segments; they step by the `struct_size` of the first.
    pub segments: *const kakeya_segment,
}

/// Where the rows of one segment are read. Fill with `kakeya_view_init`.
///
/// Element `c` of row `r` is `data[r * row_stride + c * col_stride]`; strides are in elements and may be
/// negative or zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_view {
    /// `sizeof(kakeya_view)` of the caller.
    pub struct_size: size_t,
    /// First element of the first row, aligned to the element size.
    pub data: *const c_void,
    /// `KAKEYA_DTYPE_*`. Default: f32.
    pub dtype: u32,
    /// Elements from a row to the next.
    pub row_stride: isize,
    /// Elements from a coordinate to the next. Default: 1.
    pub col_stride: isize,
}

/// Where the rows of one segment are written; as `kakeya_view`. Fill with `kakeya_view_mut_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_view_mut {
    /// `sizeof(kakeya_view_mut)` of the caller.
    pub struct_size: size_t,
    /// First element of the first row; NULL leaves this segment out.
    pub data: *mut c_void,
    /// `KAKEYA_DTYPE_*`. Default: f32. Values beyond its range become its largest finite value.
    pub dtype: u32,
    /// Elements from a row to the next.
    pub row_stride: isize,
    /// Elements from a coordinate to the next. Default: 1.
    pub col_stride: isize,
}

/// The rows to encode. Fill with `kakeya_rows_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_rows {
    /// `sizeof(kakeya_rows)` of the caller.
    pub struct_size: size_t,
    /// Number of rows, at least 1.
    pub n_rows: size_t,
    /// One view per segment of the layout; they step by the `struct_size` of the first.
    pub views: *const kakeya_view,
    /// `n_rows` positions; NULL where no segment has a RoPE rule.
    pub positions: *const i32,
    /// `n_rows` weights, finite and not negative; NULL = all 1.
    pub weights: *const f32,
    /// `n_rows` flags, not 0 = store this row raw; NULL = none.
    pub protect: *const u8,
}

/// Where decoded rows go. Fill with `kakeya_rows_mut_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_rows_mut {
    /// `sizeof(kakeya_rows_mut)` of the caller.
    pub struct_size: size_t,
    /// Number of rows; must be what is decoded.
    pub n_rows: size_t,
    /// One view per segment of the layout; they step by the `struct_size` of the first.
    pub views: *const kakeya_view_mut,
    /// `n_rows` positions at which RoPE is applied; they may differ from those given to the encoder (context
    /// shift). NULL where no segment has a RoPE rule.
    pub positions: *const i32,
}

/// What the header of a block says.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_block_info {
    /// Format version.
    pub version: u32,
    /// `KAKEYA_PRESET_*`.
    pub preset: u32,
    /// `KAKEYA_DISTORTION_*`.
    pub distortion: u32,
    /// `KAKEYA_BLOCK_FLAG_*`.
    pub flags: u32,
    /// Rows.
    pub n_rows: size_t,
    /// Coordinates of a row.
    pub dim: size_t,
    /// Coded components of a row: `dim`, or the rank of the skeleton.
    pub rank: size_t,
    /// K-means centres in use, 0 = none.
    pub n_centres: size_t,
    /// Bits per coded component, on average where they differ; 0 with a step and in a raw block.
    pub bits: f32,
    /// Step of the uniform quantiser; 0 at fixed rate.
    pub step: f32,
    /// Rows that are entropy-coded together; 0 at fixed rate.
    pub rows_per_run: u32,
    /// Rows stored raw; 0 with `KAKEYA_BLOCK_FLAG_RAW`, where all are.
    pub n_protected: u32,
    /// Size of the whole block in bytes.
    pub bytes: u64,
    /// Size of the same rows stored raw, in the `raw_dtype` of their segments.
    pub raw_bytes: u64,
    /// `kakeya_codec_fingerprint` of the codec that wrote the block.
    pub fingerprint: [u8; 32],
    /// What the encoder measured: the relative squared error of the weighted rows, after gains (MSE, and inner
    /// product, then in the metric of the skeleton's queries, if it has any), or the largest absolute error, in the
    /// units of the tensors and at any position (LInf; with RoPE a bound on it). Rows stored raw are left out, unless
    /// all are, by `KAKEYA_BLOCK_FLAG_RAW`. Infinite beyond binary32.
    pub certified_error: f64,
}

/// What a fit found. Energies are weighted and of the rows that were added, after gains.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_fit_report {
    /// Rows that were added.
    pub n_rows: u64,
    /// Components kept.
    pub rank: size_t,
    /// Share of the variance that they capture, 0 to 1.
    pub captured_variance: f64,
    /// Arithmetic over geometric mean of the variances of the components kept; at least 1.
    pub coding_gain: f64,
    /// K-means centres kept, 0 = they did not pay.
    pub n_centres: size_t,
    /// Predicted bits per value of a block of many rows, without header and skeleton; with rate control max_bytes,
    /// at the finest step that was given, or else at half the root mean square of the components.
    pub predicted_bpv: f64,
    /// Predicted relative squared error.
    pub predicted_error: f64,
    /// Size of the skeleton when saved, in bytes.
    pub skeleton_bytes: u64,
}

/// One block to encode in a batch. Fill with `kakeya_encode_item_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_encode_item {
    /// `sizeof(kakeya_encode_item)` of the caller.
    pub struct_size: size_t,
    /// The rows.
    pub rows: *const kakeya_rows,
    /// Where the block goes.
    pub dst: *mut c_void,
    /// Bytes at `dst`.
    pub dst_cap: size_t,
}

/// One block to decode in a batch. Fill with `kakeya_decode_item_init`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_decode_item {
    /// `sizeof(kakeya_decode_item)` of the caller.
    pub struct_size: size_t,
    /// The block.
    pub src: *const c_void,
    /// Bytes at `src`.
    pub src_len: size_t,
    /// Where the rows go.
    pub rows: *const kakeya_rows_mut,
}

/// What became of one item of a batch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_batch_result {
    /// Status of this item.
    pub status: kakeya_status,
    /// Always 0.
    pub reserved: u32,
    /// Bytes written by the encoder, or read by the decoder.
    pub bytes: u64,
    /// Message of the failure, NUL-terminated; empty on success.
    pub message: [c_char; 240],
}

/// A piece of a batch: runs item `index` with workspace `worker`. `state` is what the runner was given.
pub type kakeya_task = Option<unsafe extern "C" fn(state: *mut c_void, index: size_t, worker: size_t)>;

/// Runs `task(state, index, worker)` once for every `index` below `n_tasks`, on threads of the caller's
/// choice, each running task with a `worker` below `n_workers` of its own, and returns when all are done.
/// `opaque` is the pointer that was given to the batch call. It must not throw.
pub type kakeya_runner = Option<
    unsafe extern "C" fn(
        opaque: *mut c_void,
        task: kakeya_task,
        state: *mut c_void,
        n_tasks: size_t,
        n_workers: size_t,
    ),
>;
