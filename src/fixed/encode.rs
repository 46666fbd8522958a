//! The rows of a block at a fixed rate, into its sections.
//!
//! The error of each row is measured on what a decoder will have, since the certificate states a measured
//! error and not what theory expects. Raw rows keep their place among the symbols, as zeros, so that the
//! place of every row follows from its number.

use super::group::{self, GROUP_ROWS, RowGroup};
use super::kernel::{Kernel, RowScratch};
use crate::distortion::{Distortion, RowError, Tally};
use crate::error::{Error, Result};
use crate::format::{BlockWriter, RowCode};
use crate::tensor::angles::PairAngles;
use crate::tensor::rows::{RowAccess, Rows};
use crate::vector::pack::BitPacker;
use crate::vector::tier::{dispatch, on_tier};
use fearless_simd::{Level, Simd};
use std::ops::Range;

/// Scratch of a pass over rows, borrowed from a workspace: a pass allocates nothing.
#[derive(Debug)]
pub(crate) struct PassScratch<'a> {
    /// The row as it was read, `[dim]`. Row by row only; groups have buffers of their own.
    pub row: &'a mut [f32],
    pub scratch: &'a mut RowScratch,
    /// Room for the bytes of a packed or raw row.
    pub bytes: &'a mut [u8],
    pub turn: &'a mut PairAngles,
    pub group: &'a mut RowGroup,
}

/// One pass over the rows of a block.
#[derive(Debug)]
pub(crate) struct FixedEncode<'a> {
    access: RowAccess<'a>,
    kernel: Kernel<'a>,
    rows: &'a Rows<'a>,
    /// Largest allowed absolute error; 0 = no limit.
    bound: f64,
    /// How many rows may be stored raw: the block has space for no more.
    slots: usize,
    /// Carries the bits of an unfinished byte from row to row.
    packed: BitPacker,
    tally: Tally,
}

impl<'a> FixedEncode<'a> {
    /// A pass that has not begun.
    pub fn new(
        access: RowAccess<'a>,
        kernel: Kernel<'a>,
        rows: &'a Rows<'a>,
        bound: f32,
        slots: usize,
    ) -> Self {
        let (packed, tally) = (BitPacker::default(), Tally::default());
        Self { access, kernel, rows, bound: f64::from(bound), slots, packed, tally }
    }

    /// Encodes all rows and returns what was measured on them.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::BoundNotMet`] or [`Error::NoRawSlot`] for the first such row. What was
    /// written by then is no block.
    pub fn run<R: Distortion>(
        mut self,
        level: Level,
        mut scratch: PassScratch<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> Result<Tally> {
        if group::applies::<R>(&self.kernel) {
            dispatch!(level, simd => self.run_groups::<_, R>(simd, &mut scratch, writer))?;
        } else {
            dispatch!(level, simd => self.run_rows::<_, R>(simd, &mut scratch, writer))?;
        }
        if let Some(byte) = self.packed.finish() {
            writer.symbols.put_bytes(&[byte]);
        }
        Ok(self.tally)
    }

    /// Encodes row by row: with a skeleton, or if a scale is searched for.
    ///
    /// # Errors
    /// Those of [`FixedEncode::run`].
    #[inline(always)]
    fn run_rows<S: Simd, R: Distortion>(
        &mut self,
        simd: S,
        scratch: &mut PassScratch<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> Result<()> {
        let rank = self.kernel.frame.skeleton.rank();
        for i in 0..self.rows.n {
            let code = match self.encode_row::<S, R>(simd, i, scratch)? {
                Some((code, error)) => {
                    if self.bound > 0.0 && error.absolute > self.bound {
                        return Err(Error::BoundNotMet { row: i, got: error.absolute, bound: self.bound });
                    }
                    self.tally.add(self.rows.weight(i), error);
                    code
                }
                None => {
                    // Zeros take the place of its scale and symbols.
                    self.store_raw(simd, i, scratch, writer)?;
                    RowCode::default()
                }
            };
            writer.put_scales(&[code.scale.to_le_bytes()]);
            writer.put_centre(code);
            let symbols = &scratch.scratch.symbols[..rank];
            let len = self.pack(simd, symbols, scratch.bytes);
            writer.symbols.put_bytes(&scratch.bytes[..len]);
        }
        Ok(())
    }

    /// Encodes several rows at a time, if they need no skeleton. No bound is checked, because a bound
    /// is only for `LInf`, which is not encoded in groups.
    ///
    /// # Errors
    /// [`Error::NotFinite`] or [`Error::NoRawSlot`] for the first such row.
    #[inline(always)]
    fn run_groups<S: Simd, R: Distortion>(
        &mut self,
        simd: S,
        scratch: &mut PassScratch<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> Result<()> {
        let dim = scratch.row.len();
        for first in (0..self.rows.n).step_by(GROUP_ROWS) {
            let count = GROUP_ROWS.min(self.rows.n - first);
            let mut coded = [(RowCode::default(), RowError::default()); GROUP_ROWS];
            let mut chosen = self.load_group(simd, first..first + count, scratch);
            group::encode::<S, R>(&self.kernel, simd, scratch.group, &mut chosen, &mut coded);
            for r in 0..count {
                let i = first + r;
                if chosen[r] {
                    self.tally.add(self.rows.weight(i), coded[r].1);
                    continue;
                }
                // Protected, not finite, or near the limits of binary32: read again, and on its own.
                match self.encode_row::<S, R>(simd, i, scratch)? {
                    Some(code) => {
                        coded[r] = code;
                        self.tally.add(self.rows.weight(i), code.1);
                    }
                    None => self.store_raw(simd, i, scratch, writer)?,
                }
                scratch.group.symbols(r, dim).copy_from_slice(&scratch.scratch.symbols[..dim]);
            }
            writer.put_scales(&coded.map(|(code, _)| code.scale.to_le_bytes())[..count]);
            let (symbols, packed) = scratch.group.symbols_and_room(count, dim);
            let len = self.pack(simd, symbols, packed);
            writer.symbols.put_bytes(&packed[..len]);
        }
        Ok(())
    }

    /// Reads the rows of a group; returns which of them are to be coded.
    #[inline(never)]
    fn load_group<S: Simd>(
        &self,
        simd: S,
        rows: Range<usize>,
        scratch: &mut PassScratch<'_>,
    ) -> [bool; GROUP_ROWS] {
        on_tier!(simd, {
            let dim = scratch.row.len();
            let mut chosen = [false; GROUP_ROWS];
            for (r, i) in rows.enumerate() {
                self.access.load_without_checks(simd, self.rows, i, scratch.group.row(r, dim), scratch.turn);
                chosen[r] = !self.rows.is_protected(i);
            }
            chosen
        })
    }

    /// Packs symbols behind those of the rows before; returns the bytes that became complete.
    #[inline(never)]
    fn pack<S: Simd>(&mut self, simd: S, symbols: &[u8], packed: &mut [u8]) -> usize {
        on_tier!(simd, self.kernel.grid.push(&mut self.packed, symbols, packed))
    }

    /// Reads and encodes a row, whose symbols are left in the scratch; `None` if it is to be stored raw.
    ///
    /// # Errors
    /// [`Error::NotFinite`] by the policy.
    ///
    /// A function of its own, since it is large and called from two places: inlined, every tier and
    /// distortion would have it twice.
    #[inline(never)]
    fn encode_row<S: Simd, R: Distortion>(
        &self,
        simd: S,
        i: usize,
        scratch: &mut PassScratch<'_>,
    ) -> Result<Option<(RowCode, RowError)>> {
        let PassScratch { row, scratch, turn, .. } = scratch;
        let coded = self.access.load(simd, self.rows, i, row, turn)?;
        if !coded {
            return Ok(None);
        }
        Ok(Some(on_tier!(simd, self.kernel.encode::<S, R>(simd, row, scratch))))
    }

    /// Stores a row raw; its symbols become zeros. Rare, and kept out of the loops for that.
    ///
    /// # Errors
    /// [`Error::NoRawSlot`] if all slots are taken.
    #[inline(never)]
    fn store_raw<S: Simd>(
        &self,
        simd: S,
        i: usize,
        scratch: &mut PassScratch<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> Result<()> {
        if writer.n_raw() == self.slots {
            return Err(Error::NoRawSlot { row: i, slots: self.slots });
        }
        writer.put_slot(i as u32, self.rows.position(i));
        let PassScratch { row, bytes, scratch, .. } = scratch;
        self.access.read_raw(simd, self.rows, i, (row, bytes), |bytes| writer.raw.put_bytes(bytes));
        scratch.symbols.fill(0);
        Ok(())
    }
}
