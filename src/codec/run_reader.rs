//! Reading runs of entropy-coded rows.

use crate::error::{Error, Result};
use crate::format::block::{FLAG_WEIGHTS, Header, Sections};
use crate::format::bytes::Fields;
use crate::rans::Decoder;
use crate::stepped::{BlockStep, RowStep};
use std::ops::Range;

/// Decodes runs row by row.
pub(super) struct RunReader<'a> {
    quantizer: BlockStep<'a>,
    header: &'a Header,
    /// The run ends and the runs.
    ends: &'a [u8],
    runs: &'a [u8],
    gains: &'a [u8],
    steps: &'a [u8],
    /// The run that is being read, and the row that comes next.
    run: Option<(Decoder<'a>, usize)>,
    next: usize,
    /// The row whose bins were computed last.
    binned: Option<RowStep>,
}

impl<'a> RunReader<'a> {
    pub fn new(quantizer: BlockStep<'a>, header: &'a Header, sections: &Sections, src: &'a [u8]) -> Self {
        let part = |range: &Range<usize>| &src[range.clone()];
        Self {
            quantizer,
            header,
            ends: part(&sections.run_ends),
            runs: part(&sections.runs),
            gains: part(&sections.gains),
            steps: part(&sections.steps),
            run: None,
            next: 0,
            binned: None,
        }
    }

    /// Gain and step of a row, as stored.
    #[inline(always)]
    pub fn step(&self, row: usize) -> RowStep {
        let gain = (self.gains[row / 2] >> (4 * (row % 2))) & 15;
        let step = if self.header.has(FLAG_WEIGHTS) { self.steps[row] as i8 } else { 0 };
        RowStep { gain, step }
    }

    /// Decodes the reconstruction points of `row`, in 1/64 steps, skipping what lies before it in its run; returns how many
    /// there are before nothing but zeros. Rows come in ascending order. `points` and `bins` have room for a row.
    #[inline(always)]
    pub fn points(&mut self, row: usize, points: &mut [i32], bins: &mut [u16]) -> Result<usize> {
        let per_run = usize::from(self.header.rows_per_run);
        let first = row / per_run * per_run;
        if self.run.is_none() || self.next < first {
            self.open(row / per_run, points.len())?;
            self.next = first;
        }
        let mut live = 0;
        while self.next <= row {
            let step = self.step(self.next);
            if self.binned != Some(step) {
                self.quantizer.codes(step, bins);
                self.binned = Some(step);
            }
            let Some((decoder, in_run)) = &mut self.run else { return Err(self.corrupt("a run")) };
            live = *in_run;
            self.quantizer.take(decoder, &bins[..live], &mut points[..live]);
            self.next += 1;
            if self.next.is_multiple_of(per_run) || self.next == self.header.n_rows as usize {
                // The whole run was read: its end must be what the encoder began with.
                self.run.take().map_or(Ok(()), |(decoder, _)| decoder.finish())?;
            }
        }
        Ok(live)
    }

    fn open(&mut self, run: usize, rank: usize) -> Result<()> {
        let end = |run: usize| Fields(&self.ends[4 * run..]).u32() as usize;
        let start = if run == 0 { 0 } else { end(run - 1) };
        let bytes = self.runs.get(start..end(run)).and_then(|run| run.split_first_chunk::<2>());
        let Some((live, coded)) = bytes else { return Err(self.corrupt("the end of a run")) };
        let live = usize::from(u16::from_le_bytes(*live));
        if live > rank {
            return Err(self.corrupt("the components of a run"));
        }
        self.run = Some((Decoder::new(coded)?, live));
        Ok(())
    }

    fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt { what, at: self.header.header_bytes() }
    }
}
