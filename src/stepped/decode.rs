//! Decodes the rows of a block at a step into engine tensors.
//!
//! Rows are entropy-decoded one by one, because each symbol moves the state that the next one is read with,
//! but they go through the inverse transform a panel at a time: there one pass over the matrix serves up to
//! 64 rows. A row decodes to the same bits whether it is decoded alone or with the rest of its block.

use super::panel::{PANEL_ROWS, Panel, StepTransform};
use super::run_reader::RunReader;
use crate::error::Result;
use crate::format::Block;
use crate::tensor::angles::PairAngles;
use crate::tensor::rows::{RowAccess, RowsMut};
use fearless_simd::Simd;

/// One pass over a range of rows.
#[derive(Debug)]
pub(crate) struct StepDecode<'a> {
    pub access: RowAccess<'a>,
    pub transform: StepTransform<'a>,
    pub block: &'a Block<'a>,
    pub rows: &'a RowsMut<'a>,
    /// Row of the block that becomes row 0 of `rows`. If it lies inside a run, the rows of the run before it
    /// are decoded too and dropped, because the range coder cannot start in the middle.
    pub first: usize,
}

impl StepDecode<'_> {
    /// Decodes the rows, a panel at a time. `row` is scratch for one row, `[dim]`. The end of a run is
    /// checked only if its last row is decoded: a range that stops earlier does not notice damage behind it.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] if a run is damaged.
    #[inline(always)]
    pub fn run<S: Simd>(
        &self,
        simd: S,
        row: &mut [f32],
        panel: &mut Panel,
        turn: &mut PairAngles,
    ) -> Result<()> {
        let rank = self.transform.frame.skeleton.rank();
        let mut reader = RunReader::new(self.transform.quantizer, self.block);
        for first in (0..self.rows.n).step_by(PANEL_ROWS) {
            let count = PANEL_ROWS.min(self.rows.n - first);
            let mut coded = [false; PANEL_ROWS];
            self.transform.begin_panel(panel);
            for (r, coded) in coded[..count].iter_mut().enumerate() {
                let at = self.first + first + r;
                // Raw rows take no part in the transform. Their zeros in the run are skipped by the reader
                // when it gets to the next coded row.
                if let Some(raw) = self.block.raw_row(at) {
                    self.access.restore_raw(simd, self.rows, first + r, raw, row);
                    continue;
                }
                *coded = true;
                let live = reader.points(at, &mut panel.points[..rank], &mut panel.bins[..rank])?;
                self.transform.put_points_of_row(panel, r, reader.rate(at), self.block.row_code(at), live);
            }
            // Only now, with the whole panel in place, does the product with the basis pay.
            self.transform.synthesise(simd, panel, &coded[..count]);
            for r in (0..count).filter(|&r| coded[r]) {
                self.access.store_wide(simd, self.rows, first + r, self.transform.decoded(panel, r), turn);
            }
        }
        Ok(())
    }
}
