//! The codec: rows of engine tensors to blocks and back.

mod angles;
mod assembly;
mod bound;
mod decode;
mod encode;
mod group;
mod plain;
mod raw_block;
mod row;
mod run_reader;
mod runs;
mod search;
mod stream;
mod transform;
mod workspace;

use angles::Angles;
use assembly::Assembly;
pub use decode::verify;
use encode::Tally;
pub use plain::{Codes, decode_block, encode_block};
pub(crate) use row::unit_of;
pub use stream::StreamFitter;
pub use workspace::Workspace;

use crate::Shared;
use crate::distortion::{Distortion, InnerProduct, LInf, MSE, NormMode};
use crate::error::{Count, Error, Result, try_reserve};
use crate::format::FORMAT_VERSION;
use crate::layout::{Layout, View};
use crate::params::{NanPolicy, Params, Preset, RateControl};
use crate::quantize::Grid;
use crate::rope::Pairing;
use crate::rotation::Rotation;
use crate::simd::Tier;
use crate::skeleton::Skeleton;
use crate::stepped::Stepper;
use row::Kernel;
use transform::Transform;

/// A distortion chosen at run time; it selects the instance of the kernel once per block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// [`MSE`]
    Mse,
    /// [`InnerProduct`]
    InnerProduct,
    /// [`LInf`]
    LInf,
}

impl Objective {
    /// The code of the C API and of the block header.
    pub fn code(self) -> u8 {
        match self {
            Self::Mse => MSE::ID,
            Self::InnerProduct => InnerProduct::ID,
            Self::LInf => LInf::ID,
        }
    }

    /// How the scale of a row is chosen.
    fn norm_mode(self) -> NormMode {
        match self {
            Self::Mse => MSE::NORM_MODE,
            Self::InnerProduct => InnerProduct::NORM_MODE,
            Self::LInf => LInf::NORM_MODE,
        }
    }

    /// The objective of a code.
    pub fn from_code(code: u32) -> Result<Self> {
        match code {
            0 => Ok(Self::Mse),
            1 => Ok(Self::InnerProduct),
            2 => Ok(Self::LInf),
            got => Err(Error::BadParam {
                what: "distortion",
                got: f64::from(got),
                expected: "0 (MSE), 1 (inner product) or 2 (LInf)",
            }),
        }
    }
}

/// The rows of a block to encode.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Number of rows, at least 1.
    pub n: usize,
    /// Where they lie, by segment.
    pub views: &'a [View<'a>],
    /// Position of each row; needed where a segment has a rotary embedding.
    pub positions: Option<&'a [i32]>,
    /// Weight of each row; `None` = all 1.
    pub weights: Option<&'a [f32]>,
    /// Whether (not 0) a row is to be stored raw; `None` = no row.
    pub protect: Option<&'a [u8]>,
}

/// Where decoded rows go.
#[derive(Debug, Clone, Copy)]
pub struct RowsMut<'a> {
    /// Number of rows.
    pub n: usize,
    /// Where they are to lie, by segment; [`View::NOWHERE`] for segments that are not wanted.
    pub views: &'a [View<'a>],
    /// Position of each row; needed where a segment has a rotary embedding.
    pub positions: Option<&'a [i32]>,
}

/// Parameters, layout, skeleton and tables, checked and ready. Immutable, to be shared between threads.
#[derive(Debug)]
pub struct Codec {
    params: Params,
    objective: Objective,
    layout: Layout,
    /// The skeleton that all blocks share; `None` = each block brings its own.
    skeleton: Option<Shared<Skeleton>>,
    rotation: Rotation,
    grid: Grid,
    /// Quantiser and transform at a step; `None` at fixed rate.
    stepped: Option<(Stepper, Transform)>,
    /// Inverse gain of each coordinate.
    units: Vec<f32>,
    /// The coordinate that a rotary embedding turns each one with, or itself.
    partners: Vec<u16>,
    angles: Angles,
    tier: Tier,
    fingerprint: [u8; 32],
}

impl Codec {
    /// Checks that everything fits together and prepares the tables.
    ///
    /// Turbo takes no skeleton. Kakeya with a skeleton codes all blocks against it, without one it fits a
    /// skeleton to every block.
    pub fn new(
        params: Params,
        objective: Objective,
        layout: Layout,
        skeleton: Option<Shared<Skeleton>>,
        tier: Tier,
    ) -> Result<Self> {
        let dim = layout.dim();
        check(&params, objective, dim, skeleton.as_deref())?;
        let skeleton = match params.settings().preset {
            Preset::Turbo => Some(Shared::new(Skeleton::identity(dim))?),
            Preset::Kakeya | Preset::Rdo => skeleton,
        };
        let rdo = params.settings().preset == Preset::Rdo;
        // After a transform of full rank a rotation would only flatten what the transform has sorted.
        let rotated = if rdo { 0 } else { skeleton.as_deref().map_or(0, Skeleton::rank) };
        let rotation = Rotation::new(rotated, params.settings().seed)?;
        let shared = skeleton.as_deref().filter(|_| rdo);
        let fixed = params.settings().rate_control == RateControl::Bits;
        let stepped = match shared.filter(|_| !fixed) {
            Some(skeleton) => {
                Some((Stepper::new(skeleton.variances(), params.settings())?, Transform::new(skeleton)?))
            }
            None => None,
        };
        let grid = match shared {
            Some(skeleton) => Grid::allocated(skeleton.variances(), params.settings().bits)?,
            None => Grid::uniform(params.bits()),
        };
        let mut units = try_reserve(dim, "the codec")?;
        for segment in layout.segments() {
            units.extend(std::iter::repeat_n(1.0 / segment.gain, segment.dim));
        }
        let (partners, angles) = (partners(&layout)?, Angles::new(&layout)?);
        let fingerprint = fingerprint(&params, objective, &layout, skeleton.as_deref())?;
        Ok(Self {
            params,
            objective,
            layout,
            skeleton,
            rotation,
            grid,
            stepped,
            units,
            partners,
            angles,
            tier,
            fingerprint,
        })
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What blocks are optimised for.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// What a row is made of.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The CPU tier in use.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// BLAKE3 of format version, parameters, layout and skeleton: all that decides what a block means. The
    /// CPU tier is not part of it.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// How rows are read.
    fn assembly(&self) -> Assembly<'_> {
        let nan_policy = self.params.settings().nan_policy;
        Assembly { layout: &self.layout, nan_policy, angles: &self.angles }
    }

    /// Rows that are entropy-coded together.
    fn rows_per_run(&self) -> usize {
        self.params.settings().rows_per_run as usize
    }

    /// The kernel for blocks that share the codec's skeleton.
    fn shared_kernel<'a>(&'a self, skeleton: &'a Skeleton) -> Kernel<'a> {
        Kernel {
            skeleton,
            rotation: &self.rotation,
            grid: &self.grid,
            units: &self.units,
            partners: &self.partners,
        }
    }

    /// Largest rank and largest number of centres of a block of `n` rows.
    fn largest_skeleton(&self, n: usize) -> (usize, usize) {
        match self.skeleton.as_deref() {
            Some(skeleton) => (skeleton.rank(), skeleton.n_centres()),
            None => {
                let settings = self.params.settings();
                let limit = if settings.max_rank == 0 { usize::MAX } else { settings.max_rank as usize };
                (self.layout.dim().min(limit).min(n), settings.kmeans_k as usize)
            }
        }
    }
}

/// The coordinate that a rotary embedding turns each one with, or itself.
fn partners(layout: &Layout) -> Result<Vec<u16>> {
    let mut partners = try_reserve(layout.dim(), "the codec")?;
    for (offset, segment) in layout.offsets() {
        let partner = |i: usize| segment.rope.as_ref().map_or(i, |rope| rope.partner(i));
        partners.extend((0..segment.dim).map(|i| (offset + partner(i)) as u16));
    }
    Ok(partners)
}

/// Only a distortion that searches for the least maximum error can be asked for one.
fn check_bound(params: &Params, mode: NormMode) -> Result<()> {
    let bound = params.settings().max_abs_error;
    if bound > 0.0 && mode != NormMode::Search {
        let expected = "0, unless the distortion is LInf";
        return Err(Error::BadParam { what: "max_abs_error", got: f64::from(bound), expected });
    }
    Ok(())
}

/// Whether parameters, objective, rows of `dim` coordinates and the shared skeleton fit together: all that
/// [`Codec::new`] checks.
pub(crate) fn check(
    params: &Params,
    objective: Objective,
    dim: usize,
    skeleton: Option<&Skeleton>,
) -> Result<()> {
    check_bound(params, objective.norm_mode())?;
    let bad_shape = |what, got| Err(Error::BadShape { what, got, expected: Count::Is(dim) });
    match (params.settings().preset, skeleton) {
        (Preset::Turbo, Some(_)) => {
            Err(Error::Unsupported { what: "a skeleton", why: "turbo codes every row on its own" })
        }
        (Preset::Rdo, None) => {
            Err(Error::Unsupported { what: "rdo without a skeleton", why: "its blocks share one" })
        }
        (_, Some(skeleton)) if skeleton.dim() != dim => bad_shape("dim of the skeleton", skeleton.dim()),
        (Preset::Rdo, Some(skeleton)) if skeleton.rank() != dim || skeleton.variances().len() != dim => {
            bad_shape("rank of the skeleton (rdo needs one of full rank, fitted for rdo),", skeleton.rank())
        }
        (Preset::Turbo, None) | (Preset::Kakeya, _) | (Preset::Rdo, Some(_)) => Ok(()),
    }
}

/// Hashes the fields in a fixed order, each in a fixed width.
fn fingerprint(
    params: &Params,
    objective: Objective,
    layout: &Layout,
    skeleton: Option<&Skeleton>,
) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let settings = params.settings();
    hasher.update(b"kakeyaturbo codec");
    hasher.update(&FORMAT_VERSION.to_le_bytes());
    hasher.update(&[settings.preset.code(), objective.code()]);
    hasher.update(&[settings.rate_control.code()]);
    for value in [settings.bits, settings.step, settings.max_abs_error, settings.variance_ratio] {
        hasher.update(&value.to_le_bytes());
    }
    for value in [settings.rows_per_run, settings.max_rank, settings.kmeans_k, settings.kmeans_iters] {
        hasher.update(&value.to_le_bytes());
    }
    hasher.update(&settings.effort.to_le_bytes());
    hasher.update(&(settings.max_bytes as u64).to_le_bytes());
    hasher.update(&(settings.max_protected as u64).to_le_bytes());
    hasher.update(&settings.seed.to_le_bytes());
    hasher.update(&[u8::from(settings.nan_policy == NanPolicy::Raw), u8::from(settings.checksum)]);
    hasher.update(&(layout.segments().len() as u64).to_le_bytes());
    for segment in layout.segments() {
        hasher.update(&(segment.dim as u64).to_le_bytes());
        hasher.update(&segment.gain.to_le_bytes());
        hasher.update(&segment.raw_dtype.code().to_le_bytes());
        let pairs = segment.rope.as_ref().map_or(&[][..], |rope| &rope.inv_freq);
        let pairing = segment.rope.as_ref().map_or(0, |rope| match rope.pairing {
            Pairing::Neox => 1,
            Pairing::Interleaved => 2,
        });
        hasher.update(&[pairing]);
        hasher.update(&(pairs.len() as u64).to_le_bytes());
        for frequency in pairs {
            hasher.update(&frequency.to_le_bytes());
        }
    }
    match skeleton.filter(|skeleton| !skeleton.is_identity()) {
        Some(skeleton) => hasher.update(&skeleton.id()?),
        None => hasher.update(&[0; 32]),
    };
    Ok(*hasher.finalize().as_bytes())
}
