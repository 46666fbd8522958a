//! Reads runs of entropy-coded rows.
//!
//! A run has no index of its rows, so the reader keeps its place: asking for the next row costs one row, and
//! asking for a row further on decodes the rows between and drops them. Whole runs before the row are not
//! touched. Shorter runs make single rows cheaper to read and cost more bytes (32 of state for each).

use super::quantizer::{BlockStep, RowRate};
use super::rans::Decoder;
use crate::error::{Error, Result};
use crate::format::Block;
use crate::format::header::Header;

/// Decodes the rows of a block one by one, in ascending order.
#[derive(Debug)]
pub(super) struct RunReader<'a> {
    quantizer: BlockStep<'a>,
    block: &'a Block<'a>,
    gains: &'a [u8],
    steps: &'a [u8],
    /// The open run, and the number of components that are coded in it.
    run: Option<(Decoder<'a>, usize)>,
    /// The row that the decoder stands before.
    next: usize,
    /// The rate whose bins were computed last. Rows in sequence often share it, so it is worth keeping.
    binned: Option<RowRate>,
}

impl<'a> RunReader<'a> {
    /// A reader at the start of the block. It reads nothing before the first row is asked for.
    pub fn new(quantizer: BlockStep<'a>, block: &'a Block<'a>) -> Self {
        let (gains, steps) = (block.gains(), block.steps());
        Self { quantizer, block, gains, steps, run: None, next: 0, binned: None }
    }

    fn header(&self) -> &'a Header {
        &self.block.header
    }

    /// Level and shift of the step of a row, as stored; levels are packed two to a byte.
    #[inline(always)]
    pub fn rate(&self, row: usize) -> RowRate {
        let level = (self.gains[row / 2] >> (4 * (row % 2))) & 15;
        let shift = self.steps.get(row).map_or(0, |&shift| shift as i8);
        RowRate { level, shift }
    }

    /// Decodes the reconstruction points of `row`, in 1/64 steps, skipping the rows before it in its run.
    /// Returns how many points were decoded: the rest are 0 and not written. Rows have to be asked for in
    /// ascending order. `points` and `bins` are `[rank]`; `bins` has to be the same buffer every time, since
    /// bins of an equal rate are not computed again.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the run is too short for its states, names more components than the rank, or
    /// does not end where the encoder began.
    #[inline(always)]
    pub fn points(&mut self, row: usize, points: &mut [i32], bins: &mut [u16]) -> Result<usize> {
        let per_run = usize::from(self.header().rows_per_run);
        let first = row / per_run * per_run;
        if self.run.is_none() || self.next < first {
            self.open_run(row / per_run, points.len())?;
            self.next = first;
        }
        let mut live = 0;
        while self.next <= row {
            let rate = self.rate(self.next);
            if self.binned != Some(rate) {
                self.quantizer.bin_codes(rate, bins);
                self.binned = Some(rate);
            }
            let Some((decoder, in_run)) = &mut self.run else { return Err(self.corrupt("a run")) };
            live = *in_run;
            self.quantizer.take_row(decoder, &bins[..live], &mut points[..live]);
            self.next += 1;
            if self.next.is_multiple_of(per_run) || self.next == self.header().n_rows as usize {
                // The whole run was read, so the states must be those that the encoder began with. This finds
                // much of the damage to blocks without a checksum.
                self.run.take().map_or(Ok(()), |(decoder, _)| decoder.finish())?;
            }
        }
        Ok(live)
    }

    /// Starts reading a run.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
    fn open_run(&mut self, run: usize, rank: usize) -> Result<()> {
        let Some((live, coded)) = self.block.run(run).split_first_chunk::<2>() else {
            return Err(self.corrupt("the end of a run"));
        };
        let live = usize::from(u16::from_le_bytes(*live));
        if live > rank {
            return Err(self.corrupt("the components of a run"));
        }
        self.run = Some((Decoder::new(coded)?, live));
        Ok(())
    }

    /// An error at the start of the payload: where inside a run it went wrong is not known.
    fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt { what, at: self.header().header_bytes() }
    }
}
