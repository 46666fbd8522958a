//! All memory that encoding and decoding use, reserved once.

use super::Codec;
use super::angles::Turn;
use super::group::Group;
use super::row::Scratch;
use super::transform::{Panel, Transform};
use crate::error::{Count, Error, Result, try_vec};
use crate::rotation::Rotation;
use crate::skeleton::Skeleton;
use crate::stepped::{RowStep, Stepper};
use crate::trellis::Stage;

/// Scratch of one thread for blocks of at most `max_rows` rows: of the codec it was made for, and of any other
/// one that needs no more.
#[derive(Debug)]
pub struct Workspace {
    pub(super) max_rows: usize,
    /// The row as it was read, `[dim]`.
    pub(super) row: Vec<f32>,
    pub(super) scratch: Scratch,
    /// Where its rotary embeddings stand.
    pub(super) turn: Turn,
    /// Bytes of a packed or raw row.
    pub(super) bytes: Vec<u8>,
    /// Rows that are encoded together.
    pub(super) group: Group,
    /// For codecs whose blocks bring their own skeleton.
    pub(super) own: Option<Own>,
    /// For codecs at a fixed step.
    pub(super) runs: Option<RunRoom>,
}

/// Room for the runs of a block.
#[derive(Debug)]
pub(super) struct RunRoom {
    /// Values of a run, `[rows, rank]`.
    pub values: Vec<i32>,
    /// Gain and step of the rows of a run.
    pub steps: Vec<RowStep>,
    /// A run as the range coder writes it.
    pub coded: Vec<u8>,
    /// Which rows of the block are stored raw, `[max_rows]`.
    pub raw: Vec<bool>,
    /// What the gain of a row is measured with at the block's step, `[rank]`.
    pub whiten: Vec<f32>,
    /// What the search through a trellis keeps of a row, and the quantisers of its values, `[rank]`; empty
    /// without one.
    pub stages: Vec<Stage>,
    pub sets: Vec<u8>,
    /// Rows on their way through the transform.
    pub panel: Panel,
}

/// Room for the skeleton of a block, and for the rows it is fitted to.
#[derive(Debug)]
pub(super) struct Own {
    pub skeleton: Skeleton,
    pub rotation: Rotation,
    /// `[max_rows, dim]`
    pub rows: Vec<f32>,
    /// `[max_rows]`
    pub weights: Vec<f32>,
}

impl Workspace {
    /// Reserves what blocks of at most `max_rows` rows need.
    pub fn new(codec: &Codec, max_rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let bytes = Self::size(codec, max_rows)?;
        drop(try_vec(bytes, 0_u8, WHAT)?);
        let dim = codec.layout.dim();
        let own = match codec.skeleton {
            Some(_) => None,
            None => {
                let (rank, centres) = codec.largest_skeleton(max_rows);
                Some(Own {
                    skeleton: Skeleton::with_room(dim, rank, centres)?,
                    rotation: Rotation::with_room(rank)?,
                    rows: try_vec(max_rows * dim, 0.0, WHAT)?,
                    weights: try_vec(max_rows, 0.0, WHAT)?,
                })
            }
        };
        let runs = match &codec.stepped {
            Some((stepper, transform)) => {
                Some(RunRoom::new(transform, dim, codec.rows_per_run(), max_rows, stepper.has_trellis())?)
            }
            None => None,
        };
        Ok(Self {
            runs,
            max_rows,
            row: try_vec(dim, 0.0, WHAT)?,
            scratch: Scratch::new(dim)?,
            turn: Turn::new(codec.angles.pairs())?,
            group: Group::new(dim)?,
            bytes: try_vec(row_bytes(codec), 0, WHAT)?,
            own,
        })
    }

    /// Bytes that [`Workspace::new`] reserves, without its fixed part.
    pub fn size(codec: &Codec, max_rows: usize) -> Result<usize> {
        let overflow = Error::OutOfRange { what: "the workspace" };
        let dim = codec.layout.dim();
        let fixed = 4 * dim
            + Scratch::bytes(dim)
            + Turn::bytes(codec.angles.pairs())
            + Group::bytes(dim)
            + row_bytes(codec);
        if let Some((stepper, transform)) = &codec.stepped {
            let runs = RunRoom::bytes(transform, dim, codec.rows_per_run(), max_rows, stepper.has_trellis());
            return runs.and_then(|runs| runs.checked_add(fixed)).ok_or(overflow);
        }
        if codec.skeleton.is_some() {
            return Ok(fixed);
        }
        let (rank, centres) = codec.largest_skeleton(max_rows);
        let skeleton = 4 * (dim + rank + rank * dim + centres * rank + 2 * rank);
        let rows = max_rows.checked_mul(4 * (dim + 1));
        rows.and_then(|rows| rows.checked_add(fixed + skeleton)).ok_or(overflow)
    }
}

impl Workspace {
    /// Refuses to serve `n` rows of a codec that needs more than was reserved, with a skeleton of at most the
    /// given rank and number of centres in the block.
    pub(super) fn check(&self, codec: &Codec, n: usize, (rank, centres): (usize, usize)) -> Result<()> {
        let dim = codec.layout.dim();
        if n > self.max_rows {
            return Err(Error::BadShape {
                what: "rows at a time",
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
        let roomy = |own: &Own| own.skeleton.has_room(dim, rank, centres) && own.rotation.has_room(rank);
        if codec.skeleton.is_none() && !self.own.as_ref().is_some_and(roomy) {
            return Err(Error::OtherWorkspace { what: "skeletons of its blocks" });
        }
        let (values, rows) = (codec.rows_per_run().min(n) * dim, n);
        let roomy = |(stepper, transform): &(Stepper, Transform)| {
            let stages = if stepper.has_trellis() { dim } else { 0 };
            self.runs.as_ref().is_some_and(|runs| {
                runs.values.len() >= values
                    && runs.raw.len() >= rows
                    && runs.whiten.len() >= dim
                    && runs.stages.len() >= stages
                    && runs.panel.has_room(transform, n)
            })
        };
        if !codec.stepped.as_ref().is_none_or(roomy) {
            return Err(Error::OtherWorkspace { what: "runs of this size" });
        }
        Ok(())
    }
}

/// Bytes of the largest row, packed or raw.
fn row_bytes(codec: &Codec) -> usize {
    (codec.layout.dim() + 8).max(codec.layout.raw_row_bytes())
}
