//! The codec: rows of engine tensors to blocks and back.
//!
//! A [`Codec`] has one of two coders, [`crate::fixed`] or [`crate::stepped`], and leaves the rows to it. What
//! both need is here: checks, the block's own skeleton or the shared one, blocks that are stored raw, and
//! scratch memory.

mod check;
mod coder;
mod decode;
mod encode;
mod fingerprint;
mod own_skeleton;
mod plain;
mod raw;
mod workspace;

pub(crate) use check::check;
pub use decode::verify;
pub use plain::{Codes, decode_block, encode_block};
pub use workspace::Workspace;

use crate::distortion::Objective;
use crate::error::{Result, try_reserve};
use crate::fixed::Fixed;
use crate::fixed::kernel::Kernel;
use crate::format::BlockSpec;
use crate::params::Params;
use crate::shared::Shared;
use crate::skeleton::{Frame, Skeleton};
use crate::tensor::angles::Angles;
use crate::tensor::layout::Layout;
use crate::tensor::rows::RowAccess;
use crate::vector::tier::Tier;
use coder::Coder;

/// Parameters, layout, skeleton and tables, checked and ready. Immutable, so threads can share it; each of
/// them needs a [`Workspace`] of its own.
#[derive(Debug)]
pub struct Codec {
    params: Params,
    objective: Objective,
    layout: Layout,
    coder: Coder,
    /// The fields that the headers of all its blocks have in common.
    spec: BlockSpec,
    /// Inverse gain of each coordinate.
    units: Vec<f32>,
    /// The coordinate that a rotary embedding turns each one with, or itself.
    partners: Vec<u16>,
    angles: Angles,
    tier: Tier,
}

impl Codec {
    /// Checks that everything fits together and prepares the tables.
    ///
    /// Turbo takes no skeleton. Kakeya with a skeleton codes all blocks against it; without one it fits a
    /// skeleton to every block. Rdo needs one.
    ///
    /// # Errors
    /// [`BadParam`](crate::Error::BadParam), [`BadShape`](crate::Error::BadShape) or
    /// [`Unsupported`](crate::Error::Unsupported) if they do not fit together,
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(
        params: Params,
        objective: Objective,
        layout: Layout,
        skeleton: Option<Shared<Skeleton>>,
        tier: Tier,
    ) -> Result<Self> {
        let dim = layout.dim();
        check(&params, objective, dim, skeleton.as_deref())?;
        let coder = Coder::new(&params, dim, skeleton, tier)?;
        let fingerprint = fingerprint::fingerprint(&params, objective, &layout, coder.skeleton())?;
        let shared = coder.skeleton().map(|skeleton| (skeleton.rank(), skeleton.n_centres()));
        let spec = BlockSpec::new(&params, objective, &layout, shared, coder.row_bits(), fingerprint);
        let mut units = try_reserve(dim, "the codec")?;
        for segment in layout.segments() {
            units.extend(std::iter::repeat_n(1.0 / segment.gain, segment.dim));
        }
        let (partners, angles) = (partners(&layout)?, Angles::new(&layout)?);
        Ok(Self { params, objective, layout, coder, spec, units, partners, angles, tier })
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

    /// BLAKE3 of format version, parameters, layout and skeleton: everything that decides what a block means.
    /// The CPU tier is not part of it.
    pub fn fingerprint(&self) -> &[u8; 32] {
        self.spec.fingerprint()
    }

    /// Size in bytes of the largest block of `n` rows: its exact size at a fixed rate, if blocks share a
    /// skeleton or have none; at most the largest size in the parameters. Never falls as `n` grows.
    ///
    /// # Errors
    /// [`BadShape`](crate::Error::BadShape) for 0 or more than 2³² − 1 rows,
    /// [`OutOfRange`](crate::Error::OutOfRange).
    pub fn encode_bound(&self, n: usize) -> Result<usize> {
        self.spec.largest_block(n)
    }

    /// How rows are read and written.
    fn access(&self) -> RowAccess<'_> {
        let nan_policy = self.params.settings().nan_policy;
        RowAccess { layout: &self.layout, nan_policy, angles: &self.angles }
    }

    /// A skeleton with the units and partners of its coordinates.
    fn frame<'a>(&'a self, skeleton: &'a Skeleton) -> Frame<'a> {
        Frame { skeleton, units: &self.units, partners: &self.partners }
    }

    /// The kernel for blocks that share the skeleton.
    fn shared_kernel<'a>(&'a self, fixed: &'a Fixed, skeleton: &'a Skeleton) -> Kernel<'a> {
        Kernel { frame: self.frame(skeleton), rotation: &fixed.rotation, grid: &fixed.grid }
    }

    /// Rows that are entropy-coded together.
    fn rows_per_run(&self) -> usize {
        self.params.settings().rows_per_run as usize
    }
}

/// For each coordinate, the one that a rotary embedding turns it with, or itself.
///
/// # Errors
/// [`OutOfMemory`](crate::Error::OutOfMemory)
fn partners(layout: &Layout) -> Result<Vec<u16>> {
    let mut partners = try_reserve(layout.dim(), "the codec")?;
    for (_, range, segment) in layout.pieces() {
        let partner = |i: usize| segment.rope.as_ref().map_or(i, |rope| rope.partner(i));
        partners.extend((0..segment.dim).map(|i| (range.start + partner(i)) as u16));
    }
    Ok(partners)
}
