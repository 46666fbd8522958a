//! The skeleton that a block of kakeya brings along: fitted to its rows, or read from it.
//!
//! Such blocks need nothing but the codec's parameters to be read. The price is the skeleton in each of them,
//! and a fit per block, which takes longer than everything else that encoding does.

use crate::error::{Result, try_vec};
use crate::fit::fit_block;
use crate::fixed::rotation::Rotation;
use crate::format::Block;
use crate::params::Params;
use crate::skeleton::Skeleton;
use crate::tensor::angles::PairAngles;
use crate::tensor::rows::{RowAccess, Rows};
use crate::vector::tier::dispatch;
use fearless_simd::{Level, Simd};

/// Room for the skeleton of a block, its rotation, and the rows it is fitted to.
#[derive(Debug)]
pub(super) struct OwnSkeleton {
    pub skeleton: Skeleton,
    pub rotation: Rotation,
    /// Rows to fit to, `[max_rows, dim]`.
    rows: Vec<f32>,
    /// Their weights, `[max_rows]`.
    weights: Vec<f32>,
}

impl OwnSkeleton {
    /// Room for skeletons of at most this rank and number of centres, for blocks of at most `max_rows` rows.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn with_room(dim: usize, (rank, centres): (usize, usize), max_rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        Ok(Self {
            skeleton: Skeleton::with_room(dim, rank, centres)?,
            rotation: Rotation::with_room(rank)?,
            rows: try_vec(max_rows * dim, 0.0, WHAT)?,
            weights: try_vec(max_rows, 0.0, WHAT)?,
        })
    }

    /// Bytes that [`OwnSkeleton::with_room`] reserves; `None` if that overflows.
    pub fn bytes(dim: usize, (rank, centres): (usize, usize), max_rows: usize) -> Option<usize> {
        let skeleton = 4 * (dim + rank + rank * dim + centres * rank + 2 * rank);
        max_rows.checked_mul(4 * (dim + 1)).and_then(|rows| rows.checked_add(skeleton))
    }

    /// Whether there is room for skeletons of this shape.
    pub fn has_room(&self, dim: usize, (rank, centres): (usize, usize)) -> bool {
        self.skeleton.has_room(dim, rank, centres) && self.rotation.has_room(rank)
    }

    /// Fits the skeleton to the rows of a block, without those that will be stored raw. `row` is scratch.
    /// This is the only part of encoding that allocates.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`], [`crate::Error::NotConverged`], [`crate::Error::OutOfMemory`]
    pub fn fit(
        &mut self,
        level: Level,
        access: RowAccess<'_>,
        params: &Params,
        rows: &Rows<'_>,
        (row, turn): (&mut [f32], &mut PairAngles),
    ) -> Result<()> {
        dispatch!(level, simd => self.load(simd, access, rows, row, turn))?;
        let dim = access.layout.dim();
        let (block, weights) = (&self.rows[..rows.n * dim], &mut self.weights[..rows.n]);
        // Weights of zero say nothing about which rows matter. The rows still have to be coded.
        if weights.iter().all(|&weight| weight == 0.0) {
            weights.fill(1.0);
        }
        let (fitted, _) = fit_block(block, weights, dim, params)?;
        self.skeleton.assign(&fitted);
        self.rotation.redraw(fitted.rank(), params.settings().seed);
        Ok(())
    }

    /// Reads the rows. Those that will be stored raw become zeros without weight, which no fit notices.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`]
    #[inline(always)]
    fn load<S: Simd>(
        &mut self,
        simd: S,
        access: RowAccess<'_>,
        rows: &Rows<'_>,
        row: &mut [f32],
        turn: &mut PairAngles,
    ) -> Result<()> {
        let dim = access.layout.dim();
        for (i, to) in self.rows[..rows.n * dim].chunks_exact_mut(dim).enumerate() {
            if access.load(simd, rows, i, row, turn)? {
                to.copy_from_slice(row);
                self.weights[i] = rows.weight(i);
            } else {
                to.fill(0.0);
                self.weights[i] = 0.0;
            }
        }
        Ok(())
    }

    /// Becomes the skeleton of a block that has been checked. Allocates nothing; `seed` is that of the
    /// rotation.
    pub fn read(&mut self, block: &Block<'_>, seed: u64) {
        let header = &block.header;
        let (rank, centres) = (usize::from(header.rank), usize::from(header.n_centres));
        self.skeleton.read_parts(header.dim as usize, rank, centres, block.own_skeleton());
        self.rotation.redraw(rank, seed);
    }
}
