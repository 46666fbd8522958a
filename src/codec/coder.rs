//! The two coders. A codec has one of them, for all its blocks.
//!
//! They share the skeleton, the tensors and the format, but not the kernel: at a fixed rate a row is rotated,
//! scaled and packed on its own, at a step rows are transformed in panels and coded in runs. Which one it is,
//! is decided once per call.

use crate::error::{Error, Result};
use crate::fixed::Fixed;
use crate::params::{Params, Preset, RateControl};
use crate::shared::Shared;
use crate::skeleton::Skeleton;
use crate::stepped::Stepped;
use crate::vector::tier::Tier;

/// How the rows of a codec are coded, with the tables for it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a codec has one, and the kernel boxes nothing")]
pub(super) enum Coder {
    /// A fixed number of bits per row: turbo, kakeya, and rdo with bits. The skeleton is shared by all
    /// blocks; `None` = each block brings its own.
    Fixed(Fixed, Option<Shared<Skeleton>>),
    /// A fixed error, and a size that follows the data: rdo with a step or a largest size. There is always a
    /// shared skeleton, since a row of a block alone could not say how likely its values are.
    Stepped(Stepped, Shared<Skeleton>),
}

impl Coder {
    /// The coder that the parameters select. They and the skeleton have been checked to fit rows of `dim`
    /// coordinates.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unsupported`] for rdo without a skeleton.
    pub fn new(params: &Params, dim: usize, skeleton: Option<Shared<Skeleton>>, tier: Tier) -> Result<Self> {
        let settings = params.settings();
        let skeleton = match settings.preset {
            // Turbo has no skeleton. The identity in its place saves the kernel a case.
            Preset::Turbo => Some(Shared::new(Skeleton::identity(dim))?),
            Preset::Kakeya | Preset::Rdo => skeleton,
        };
        match (settings.preset, settings.rate_control, skeleton) {
            (Preset::Rdo, RateControl::Step | RateControl::MaxBytes, Some(skeleton)) => {
                Ok(Self::Stepped(Stepped::new(tier.level(), settings, &skeleton)?, skeleton))
            }
            (Preset::Rdo, _, None) => Err(RDO_NEEDS_A_SKELETON),
            (_, _, skeleton) => Ok(Self::Fixed(Fixed::new(params, skeleton.as_deref())?, skeleton)),
        }
    }

    /// The skeleton that blocks share; `None` = each block brings its own.
    pub fn skeleton(&self) -> Option<&Skeleton> {
        match self {
            Self::Fixed(_, skeleton) => skeleton.as_deref(),
            Self::Stepped(_, skeleton) => Some(skeleton),
        }
    }

    /// Bits of a row, if components have different numbers of bits.
    pub fn row_bits(&self) -> Option<usize> {
        match self {
            Self::Fixed(fixed, _) => fixed.grid.row_bits(),
            Self::Stepped(..) => None,
        }
    }
}

/// The error for rdo without a skeleton, which three callers report alike.
pub(super) const RDO_NEEDS_A_SKELETON: Error =
    Error::Unsupported { what: "rdo without a skeleton", why: "its blocks share one" };
