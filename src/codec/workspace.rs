//! All memory that encoding and decoding use, reserved once.
//!
//! Calls that encode or decode a block run in the path of a token, where an allocation may block for long or
//! fail. A workspace moves both to the time when it is made.

use super::Codec;
use super::coder::Coder;
use super::own_skeleton::OwnSkeleton;
use crate::error::{Count, Error, Result, try_vec};
use crate::fixed::group::RowGroup;
use crate::fixed::kernel::RowScratch;
use crate::stepped::scratch::RunScratch;
use crate::tensor::angles::PairAngles;

/// Scratch of one thread for blocks of at most `max_rows` rows. It serves the codec that it was made for, and
/// any other codec that needs no more memory. Its contents between calls do not matter.
#[derive(Debug)]
pub struct Workspace {
    max_rows: usize,
    /// The row as it was read, `[dim]`.
    pub(super) row: Vec<f32>,
    pub(super) scratch: RowScratch,
    /// The angles of the row's rotary embeddings.
    pub(super) turn: PairAngles,
    /// Bytes of a packed or raw row.
    pub(super) bytes: Vec<u8>,
    /// Rows that are encoded together.
    pub(super) group: RowGroup,
    pub(super) room: CoderRoom,
}

/// Scratch that only one of the coders needs.
#[derive(Debug)]
pub(super) enum CoderRoom {
    /// A fixed rate, with a skeleton that blocks share or without one.
    Shared,
    /// A fixed rate, and a skeleton in every block.
    Own(OwnSkeleton),
    /// Runs of entropy-coded rows.
    Runs(RunScratch),
}

impl CoderRoom {
    /// The room for the skeleton of a block.
    ///
    /// # Errors
    /// [`Error::OtherWorkspace`] if it was made for a codec whose blocks have none.
    pub fn own_skeleton(&mut self) -> Result<&mut OwnSkeleton> {
        let Self::Own(own) = self else { return Err(NO_SKELETONS) };
        Ok(own)
    }

    /// The room for runs.
    ///
    /// # Errors
    /// [`Error::OtherWorkspace`] if it was made for a codec at a fixed rate.
    pub fn runs(&mut self) -> Result<&mut RunScratch> {
        let Self::Runs(runs) = self else { return Err(NO_RUNS) };
        Ok(runs)
    }
}

const NO_SKELETONS: Error = Error::OtherWorkspace { what: "skeletons of its blocks" };
const NO_RUNS: Error = Error::OtherWorkspace { what: "runs of this size" };

impl Workspace {
    /// Reserves what blocks of at most `max_rows` rows need.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::OutOfRange`] if the size overflows.
    pub fn new(codec: &Codec, max_rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        // A trial reservation of the whole: a size that memory does not have fails here, not half-way.
        drop(try_vec(Self::size(codec, max_rows)?, 0_u8, WHAT)?);
        let dim = codec.layout.dim();
        let room = match &codec.coder {
            Coder::Fixed(_, Some(_)) => CoderRoom::Shared,
            Coder::Fixed(_, None) => {
                CoderRoom::Own(OwnSkeleton::with_room(dim, codec.spec.largest_shape(max_rows), max_rows)?)
            }
            Coder::Stepped(stepped, _) => {
                CoderRoom::Runs(RunScratch::new(stepped, dim, codec.rows_per_run(), max_rows)?)
            }
        };
        Ok(Self {
            room,
            max_rows,
            row: try_vec(dim, 0.0, WHAT)?,
            scratch: RowScratch::new(dim)?,
            turn: PairAngles::new(codec.angles.pairs())?,
            group: RowGroup::new(dim)?,
            bytes: try_vec(row_bytes(codec), 0, WHAT)?,
        })
    }

    /// Bytes that [`Workspace::new`] reserves, besides the struct itself.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the size overflows.
    pub fn size(codec: &Codec, max_rows: usize) -> Result<usize> {
        let dim = codec.layout.dim();
        let common = 4 * dim
            + RowScratch::bytes(dim)
            + PairAngles::bytes(codec.angles.pairs())
            + RowGroup::bytes(dim)
            + row_bytes(codec);
        let room = match &codec.coder {
            Coder::Fixed(_, Some(_)) => Some(0),
            Coder::Fixed(_, None) => OwnSkeleton::bytes(dim, codec.spec.largest_shape(max_rows), max_rows),
            Coder::Stepped(stepped, _) => RunScratch::bytes(stepped, dim, codec.rows_per_run(), max_rows),
        };
        let size = room.and_then(|room| room.checked_add(common));
        size.ok_or(Error::OutOfRange { what: "the workspace" })
    }

    /// Refuses to serve `n` rows of a codec that needs more than was reserved. `shape` is the rank and number
    /// of centres of the block's own skeleton, if it has one.
    ///
    /// # Errors
    /// [`Error::BadShape`] for too many rows, [`Error::OtherWorkspace`]
    pub(super) fn check(&self, codec: &Codec, n: usize, shape: (usize, usize)) -> Result<()> {
        let dim = codec.layout.dim();
        if n > self.max_rows {
            return Err(Error::BadShape {
                what: "rows per call of the workspace",
                got: n,
                expected: Count::AtMost(self.max_rows),
            });
        }
        if self.row.len() < dim
            || self.bytes.len() < row_bytes(codec)
            || !self.turn.has_room(codec.angles.pairs())
        {
            return Err(Error::OtherWorkspace { what: "rows of this dimension" });
        }
        match (&codec.coder, &self.room) {
            (Coder::Fixed(_, Some(_)), _) => Ok(()),
            (Coder::Fixed(_, None), CoderRoom::Own(own)) if own.has_room(dim, shape) => Ok(()),
            (Coder::Fixed(_, None), _) => Err(NO_SKELETONS),
            (Coder::Stepped(stepped, _), CoderRoom::Runs(runs))
                if runs.has_room(stepped, dim, codec.rows_per_run(), n) =>
            {
                Ok(())
            }
            (Coder::Stepped(..), _) => Err(NO_RUNS),
        }
    }
}

/// Bytes of the largest row, packed or raw. A packed symbol has at most 8 bits; the 8 bytes more are
/// for the bits that the packer has left over from the row before.
fn row_bytes(codec: &Codec) -> usize {
    (codec.layout.dim() + 8).max(codec.layout.raw_row_bytes())
}
