//! The rows of a block at a fixed rate, back into engine tensors.
//!
//! Every row lies at a place that its number gives, so any range of rows is decoded without the others.

use super::kernel::{Kernel, PackedRow, RowScratch};
use crate::format::{Block, RowCode};
use crate::tensor::angles::PairAngles;
use crate::tensor::rows::{RowAccess, RowsMut};
use fearless_simd::Simd;

/// One pass over a range of rows.
#[derive(Debug)]
pub(crate) struct FixedDecode<'a> {
    pub access: RowAccess<'a>,
    pub kernel: Kernel<'a>,
    pub block: &'a Block<'a>,
    pub rows: &'a RowsMut<'a>,
    /// Index in the block of the row that becomes row 0 of `rows`.
    pub first: usize,
}

impl FixedDecode<'_> {
    /// Decodes the rows. `row` is scratch for one of them. Nothing can fail here: the block was checked when
    /// it was parsed, and the places when the call began.
    ///
    /// The stages before the transform are fused if the symbols allow it; other rows are unpacked first.
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, row: &mut [f32], scratch: &mut RowScratch, turn: &mut PairAngles) {
        let rank = self.kernel.frame.skeleton.rank();
        let (stream, scales) = (self.block.symbols(), self.block.scales());
        for i in 0..self.rows.n {
            let at = self.first + i;
            if let Some(raw) = self.block.raw_row(at) {
                self.access.restore_raw(simd, self.rows, i, raw, row);
                continue;
            }
            let scale = u16::from_le_bytes(scales[at]);
            let code = RowCode { scale, ..self.block.row_code(at) };
            let packed = PackedRow { code, stream, index: at };
            if !self.kernel.decode_packed(simd, packed, &mut scratch.q, row) {
                let symbols = &mut scratch.symbols[..rank];
                self.kernel.grid.unpack(stream, at, symbols);
                self.kernel.decode(simd, (code, symbols), [&mut scratch.q, &mut scratch.back], row);
            }
            self.access.store(simd, self.rows, i, row, turn);
        }
    }
}
