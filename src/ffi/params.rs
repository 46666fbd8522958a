//! The parameters of codecs and fits.

use super::codes::kakeya_status;
use super::sized::{SizedStruct, init, read};
use crate::distortion::Objective;
use crate::error::{Error, Result};
use crate::params::{NanPolicy, Params, Preset, RateControl, Settings};
use libc::size_t;

/// Every row is rotated and quantised on its own. Needs no skeleton.
pub const KAKEYA_PRESET_TURBO: u32 = 0;
/// PCA, K-means, rotation, Lloyd-Max. The skeleton is shared, or fitted to each block and stored in it.
pub const KAKEYA_PRESET_KAKEYA: u32 = 1;
/// A shared skeleton of full rank; bits go where the variance is. With rate control step or max_bytes rows
/// are entropy-coded; with rate control bits, the default, a block has a fixed size.
pub const KAKEYA_PRESET_RDO: u32 = 2;

/// Squared error: the scale of a row is the least-squares one.
pub const KAKEYA_DISTORTION_MSE: u32 = 0;
/// Inner products. turbo, kakeya: those with decoded rows are unbiased. rdo: like MSE, but the certified
/// error is the one that queries see, if the skeleton knows any (`kakeya_fitter_add_queries`).
pub const KAKEYA_DISTORTION_INNER_PRODUCT: u32 = 1;
/// Largest absolute error. With `max_abs_error` the bound is kept: rdo at a step stores rows raw that miss
/// it; otherwise the block is refused. It is also refused if `raw_dtype` cannot keep the bound.
pub const KAKEYA_DISTORTION_LINF: u32 = 2;

/// `bits` fixes the rate.
pub const KAKEYA_RATE_CONTROL_BITS: u32 = 0;
/// `step` fixes the error; the size of a block follows from its data. rdo only.
pub const KAKEYA_RATE_CONTROL_STEP: u32 = 1;
/// `max_bytes` caps the size of a block, which gets the finest step that fits. The search halves a grid of
/// steps 1.1 % apart, so it may miss a finer step that happens to fit. Encoding takes about ten times as long
/// as at a fixed step. rdo only.
pub const KAKEYA_RATE_CONTROL_MAX_BYTES: u32 = 2;

/// A row with NaN or infinity is an error, `KAKEYA_ERR_NOT_FINITE`.
pub const KAKEYA_NAN_POLICY_REJECT: u32 = 0;
/// A row with NaN or infinity is stored raw, as if it were protected, and counts towards `max_protected`.
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

/// Parameters of a codec or a fit. Start from `KAKEYA_PARAMS_INIT`, then change what you need.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_params {
    /// `sizeof(kakeya_params)`.
    pub struct_size: size_t,
    /// `KAKEYA_PRESET_*`. Default: `KAKEYA_PRESET_TURBO`.
    pub preset: u32,
    /// `KAKEYA_DISTORTION_*`. Default: `KAKEYA_DISTORTION_MSE`.
    pub distortion: u32,
    /// `KAKEYA_RATE_CONTROL_*`. Default: `KAKEYA_RATE_CONTROL_BITS`.
    pub rate_control: u32,
    /// Rate control bits: bits per coded component, an integer from 1 to 8. rdo: their average, any number in
    /// (0, 8], spent where the variance is. A scale of 16 bits per row comes on top. Default: `4`.
    pub bits: f32,
    /// Rate control step: step of the uniform quantiser, positive, in units of the rows after gains. A
    /// coefficient is off by at most 0.665 of its row's step with effort 0, and 1.04 with effort 1, whatever
    /// the data; a row that cannot be coded so closely is stored raw. (The quantiser keeps within 0.625 and
    /// 1.0; rounding rows to integers before the transform adds up to 0.04.) A row of weight w has the step
    /// times sqrt(m / w), limited to 1/16 to 16 times, where m is the geometric mean of the weights.
    /// Rate control max_bytes: the finest step to try; a block that fits at it is not made larger. 0 = the
    /// root mean square of the components over 4096: below that, the 16-bit basis limits the error, to 1e-7
    /// of a row's energy. Rate control bits: must be 0.
    pub step: f32,
    /// rdo: rows that are entropy-coded together, 1 to 65535: the unit of random access. Default: `128`.
    pub rows_per_run: u32,
    /// Rate control max_bytes: largest size of a block; one that does not fit at any step is
    /// `KAKEYA_ERR_BOUND_NOT_MET`. A destination must hold this many bytes, or `kakeya_encode_bound` if that
    /// is less. Other rate controls: must be 0.
    pub max_bytes: size_t,
    /// `KAKEYA_DISTORTION_LINF`: largest allowed |x - x'| in rows that are not protected, in units of the
    /// tensors and at any position, checked by decoding; 0 = no bound. Rounding to an f16 or bf16 destination
    /// comes on top. Other distortions: must be 0.
    pub max_abs_error: f32,
    /// kakeya: share of the variance that the basis must capture, in (0, 1]. Default: `0.99`.
    pub variance_ratio: f32,
    /// kakeya: largest number of components; 0 = only the dimension limits it.
    pub max_rank: u32,
    /// kakeya, rdo: K-means centres to try, 0 to 256. They are kept only if they pay; with rdo a few centres
    /// rarely pay, and 256 pay most. Default: `16`.
    pub kmeans_k: u32,
    /// kakeya, rdo: rounds of K-means, 1 to 100. Default: `10`.
    pub kmeans_iters: u32,
    /// Effort of the encoder at a step. 0 = a plain uniform quantiser. 1 = a trellis search, which takes
    /// several times as long and saves about a tenth of a bit per significant coefficient at the same error.
    /// At the same step its block is larger and its error smaller, so choose a step about 1.2 times as large.
    /// Decoding hardly changes. Rate control bits: must be 0.
    pub effort: u32,
    /// Rate control bits: how many rows of a block may be stored raw; every block reserves space for them. At
    /// a step nothing is reserved, and any number of rows may be raw (with max_bytes, as far as they fit).
    pub max_protected: size_t,
    /// Selects the random signs of the rotation and the choices of K-means.
    pub seed: u64,
    /// `KAKEYA_NAN_POLICY_*`. Default: `KAKEYA_NAN_POLICY_REJECT`.
    pub nan_policy: u32,
    /// 1 = every block carries a checksum of its payload, 0 = only of its header. Default: `1`.
    pub checksum: u32,
    /// `KAKEYA_CPU_TIER_*`; UNSUPPORTED if this machine lacks it. Default: `KAKEYA_CPU_TIER_BEST`.
    pub cpu_tier: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, starts with `struct_size`, plain values only.
unsafe impl SizedStruct for kakeya_params {
    const NAME: &'static str = "kakeya_params";

    fn defaults() -> Self {
        params_of(&Settings::default(), Objective::Mse)
    }
}

/// Fills `params` with the defaults, as `KAKEYA_PARAMS_INIT` does: turbo, MSE, 4 bits.
///
/// # Safety
/// `params` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_params_init(
    params: *mut kakeya_params,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(params, struct_size) }
}

/// The parameters and the distortion of a struct from C; the tier is the caller's to parse.
///
/// # Safety
/// `params` is NULL or points to what its type says.
pub(super) unsafe fn read_params(params: *const kakeya_params) -> Result<(kakeya_params, Params, Objective)> {
    // SAFETY: as above.
    let raw = unsafe { read(params) }?;
    Ok((raw, parse_params(&raw)?, Objective::from_code(raw.distortion)?))
}

fn parse_params(params: &kakeya_params) -> Result<Params> {
    let bad = |what, got: u32, expected| Error::BadParam { what, got: f64::from(got), expected };
    if params.reserved != 0 {
        return Err(bad("reserved", params.reserved, "0"));
    }
    if params.checksum > 1 {
        return Err(bad("checksum", params.checksum, "0 or 1"));
    }
    Params::new(Settings {
        preset: Preset::from_code(params.preset)?,
        rate_control: RateControl::from_code(params.rate_control)?,
        bits: params.bits,
        step: params.step,
        max_bytes: params.max_bytes,
        effort: params.effort,
        rows_per_run: params.rows_per_run,
        max_abs_error: params.max_abs_error,
        variance_ratio: params.variance_ratio,
        max_rank: params.max_rank,
        kmeans_k: params.kmeans_k,
        kmeans_iters: params.kmeans_iters,
        max_protected: params.max_protected,
        seed: params.seed,
        nan_policy: NanPolicy::from_code(params.nan_policy)?,
        checksum: params.checksum == 1,
    })
}

/// The struct that [`parse_params`] reads as these settings.
pub(super) fn params_of(settings: &Settings, objective: Objective) -> kakeya_params {
    kakeya_params {
        struct_size: size_of::<kakeya_params>(),
        preset: u32::from(settings.preset.code()),
        distortion: u32::from(objective.code()),
        rate_control: u32::from(settings.rate_control.code()),
        bits: settings.bits,
        step: settings.step,
        rows_per_run: settings.rows_per_run,
        max_bytes: settings.max_bytes,
        max_abs_error: settings.max_abs_error,
        variance_ratio: settings.variance_ratio,
        max_rank: settings.max_rank,
        kmeans_k: settings.kmeans_k,
        kmeans_iters: settings.kmeans_iters,
        effort: settings.effort,
        max_protected: settings.max_protected,
        seed: settings.seed,
        nan_policy: u32::from(settings.nan_policy.code()),
        checksum: u32::from(settings.checksum),
        cpu_tier: KAKEYA_CPU_TIER_BEST,
        reserved: 0,
    }
}
