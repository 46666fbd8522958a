//! The coder at a fixed rate: turbo, kakeya, and rdo with bits.
//!
//! [`kernel`] takes one row through its stages and back, [`group`] several rows of turbo at a time;
//! [`encode`] and [`decode`] do that for the rows of a block. Rows are rotated ([`rotation`]), quantised with
//! the tables of Lloyd and Max ([`levels`], [`quantizer`]), with the same bits for all components or with
//! bits of their own ([`allocation`], joined in [`grid`]), and scaled ([`scale`]).
//!
//! Every row takes the same number of bits, so a block's size is known before it is encoded, and any row can
//! be decoded alone.

pub mod allocation;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod grid;
pub(crate) mod group;
pub(crate) mod kernel;
pub mod levels;
pub mod quantizer;
pub mod rotation;
pub mod scale;

use crate::error::Result;
use crate::params::{Params, Preset};
use crate::skeleton::Skeleton;
use grid::Grid;
use rotation::Rotation;

/// What all blocks of a codec at a fixed rate share: computed once, read by any number of threads.
#[derive(Debug)]
pub(crate) struct Fixed {
    /// The rotation of a shared skeleton's coefficients; of length 0 for blocks that bring their own
    /// skeleton, whose rank is known only then.
    pub rotation: Rotation,
    /// The points that components are quantised to.
    pub grid: Grid,
}

impl Fixed {
    /// Tables for blocks that share `skeleton`, or for blocks that bring one of their own.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(params: &Params, skeleton: Option<&Skeleton>) -> Result<Self> {
        let settings = params.settings();
        let rank = skeleton.map_or(0, Skeleton::rank);
        match skeleton.filter(|_| settings.preset == Preset::Rdo) {
            // After a transform of full rank a rotation would only flatten what the transform has sorted.
            Some(skeleton) => Ok(Self {
                rotation: Rotation::new(0, settings.seed)?,
                grid: Grid::allocated(skeleton.variances(), settings.bits)?,
            }),
            None => {
                Ok(Self { rotation: Rotation::new(rank, settings.seed)?, grid: Grid::uniform(params.bits()) })
            }
        }
    }
}
