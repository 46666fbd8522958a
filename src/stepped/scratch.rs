//! Scratch memory for the runs of a block.
//!
//! [`RunScratch::new`], [`RunScratch::bytes`] and [`RunScratch::has_room`] describe the same buffers: a
//! buffer that is added to one of them has to be added to all three. Without it in `bytes` the workspace
//! reports a size that is too small; without it in `has_room` it serves codecs that index past its end.

use super::Stepped;
use super::panel::Panel;
use super::quantizer::RowRate;
use super::trellis::TrellisColumn;
use crate::error::{Result, try_vec};

/// Scratch for coding blocks at a step. One thread uses it at a time.
#[derive(Debug)]
pub(crate) struct RunScratch {
    /// Values of a run, `[rows, rank]`.
    pub values: Vec<i32>,
    /// Rates of the rows of a run.
    pub rates: Vec<RowRate>,
    /// The bytes of a run. The range coder fills them from the back.
    pub coded: Vec<u8>,
    /// Which rows of the block are stored raw, `[max_rows]`.
    pub raw: Vec<bool>,
    /// Factors that whiten coefficients at the block's step, `[rank]`; see `Stepper::whiten`.
    pub whiten: Vec<f32>,
    /// Columns of the trellis for a row, and the quantisers of its values, each `[rank]`; empty without a
    /// trellis.
    pub columns: Vec<TrellisColumn>,
    pub sets: Vec<u8>,
    /// The rows that are going through the transform.
    pub panel: Panel,
}

impl RunScratch {
    /// Room for the runs of codecs like this one, of `rank` components, in blocks of at most `max_rows` rows.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn new(coder: &Stepped, rank: usize, rows_per_run: usize, max_rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let rows = rows_per_run.min(max_rows);
        let columns = if coder.stepper.has_trellis() { rank } else { 0 };
        Ok(Self {
            whiten: try_vec(rank, 0.0, WHAT)?,
            columns: try_vec(columns, TrellisColumn::default(), WHAT)?,
            sets: try_vec(columns, 0, WHAT)?,
            values: try_vec(rows * rank, 0, WHAT)?,
            rates: try_vec(rows, RowRate::default(), WHAT)?,
            coded: try_vec(Self::coded_bytes(rows, rank), 0, WHAT)?,
            raw: try_vec(max_rows, false, WHAT)?,
            panel: Panel::new(&coder.transform, max_rows)?,
        })
    }

    /// Bytes that [`RunScratch::new`] reserves; `None` if that overflows. Only `max_rows` can be large enough
    /// for that: the other numbers are bounded by the parameters and by the largest dimension.
    pub fn bytes(coder: &Stepped, rank: usize, rows_per_run: usize, max_rows: usize) -> Option<usize> {
        let rows = rows_per_run.min(max_rows);
        let columns = if coder.stepper.has_trellis() { rank * (size_of::<TrellisColumn>() + 1) } else { 0 };
        let fixed = 4 * rank + columns + Panel::bytes(&coder.transform, max_rows);
        let runs = rows * (4 * rank + size_of::<RowRate>()) + Self::coded_bytes(rows, rank);
        (fixed + runs).checked_add(max_rows)
    }

    /// Whether there is room for blocks of `n` rows of a codec that may not be the one it was made for.
    pub fn has_room(&self, coder: &Stepped, rank: usize, rows_per_run: usize, n: usize) -> bool {
        let columns = if coder.stepper.has_trellis() { rank } else { 0 };
        self.values.len() >= rows_per_run.min(n) * rank
            && self.raw.len() >= n
            && self.whiten.len() >= rank
            && self.columns.len() >= columns
            && self.panel.has_room(&coder.transform, n)
    }

    /// Room for a coded run. Four bytes per value is what a row takes raw in its largest type, so a run that
    /// needs more is not worth coding; the encoder then gives up. The 128 bytes are for the states of a run
    /// of few values.
    fn coded_bytes(rows: usize, rank: usize) -> usize {
        4 * rows * rank + 128
    }
}
