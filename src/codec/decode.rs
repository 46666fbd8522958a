//! Decodes the rows of a block into engine tensors: checks, then the coder.
//!
//! The whole block is checked before the first row is decoded, also if only some rows are wanted: a checksum
//! covers all of it. Decoding allocates nothing.

use super::coder::Coder;
use super::{Codec, Workspace};
use crate::error::{Count, Error, Result};
use crate::fixed::decode::FixedDecode;
use crate::fixed::kernel::Kernel;
use crate::format::Block;
use crate::format::header::{FLAG_RAW, Header};
use crate::stepped::decode::StepDecode;
use crate::stepped::panel::StepTransform;
use crate::tensor::rows::RowsMut;
use crate::vector::tier::dispatch;

/// Checks a block as far as possible without its codec: header, sizes, checksums, and every value of which
/// some are illegal. Bytes after the block are not looked at. Runs are not decoded, so without a checksum
/// damage inside one is not found.
///
/// # Errors
/// [`Error::Truncated`], [`Error::WrongVersion`], [`Error::Corrupt`]
pub fn verify(src: &[u8]) -> Result<Header> {
    Block::parse(src).map(|block| block.header)
}

impl Codec {
    /// Checks a block as [`verify`] does, and that this codec or an equal one wrote it.
    ///
    /// # Errors
    /// Those of [`verify`], and [`Error::WrongCodec`].
    pub fn verify(&self, src: &[u8]) -> Result<Header> {
        let block = Block::parse(src)?;
        block.header.matches(&self.spec)?;
        Ok(block.header)
    }

    /// Decodes all rows of a block and returns its size in bytes. After an error, some of `rows` may have
    /// been written.
    ///
    /// # Errors
    /// Those of [`Codec::verify`]; [`Error::BadShape`], [`Error::Missing`] or [`Error::OtherWorkspace`] for
    /// arguments that do not fit.
    pub fn decode(&self, workspace: &mut Workspace, src: &[u8], rows: &RowsMut<'_>) -> Result<usize> {
        let block = Block::parse(src)?;
        self.decode_rows_of(&block, workspace, 0, block.header.n_rows as usize, rows)
    }

    /// Decodes rows `first .. first + rows.n` of a block and returns its size in bytes. The whole block is
    /// checked, only those rows are decoded.
    ///
    /// # Errors
    /// Those of [`Codec::decode`].
    pub fn decode_rows(
        &self,
        workspace: &mut Workspace,
        src: &[u8],
        first: usize,
        rows: &RowsMut<'_>,
    ) -> Result<usize> {
        let block = Block::parse(src)?;
        let n = block.header.n_rows as usize;
        let end = first.saturating_add(rows.n);
        if end > n {
            let what = "end of the row range";
            return Err(Error::BadShape { what, got: end, expected: Count::AtMost(n) });
        }
        self.decode_rows_of(&block, workspace, first, rows.n, rows)
    }

    /// Decodes `count` rows of a block from row `first` on. That there are so many has been checked.
    ///
    /// # Errors
    /// Those of [`Codec::decode`].
    fn decode_rows_of(
        &self,
        block: &Block<'_>,
        workspace: &mut Workspace,
        first: usize,
        count: usize,
        rows: &RowsMut<'_>,
    ) -> Result<usize> {
        let header = &block.header;
        header.matches(&self.spec)?;
        rows.check(&self.layout, count)?;
        workspace.check(self, rows.n, (usize::from(header.rank), usize::from(header.n_centres)))?;
        // The workspace may have served another codec, whose angles it still has.
        workspace.turn.reset();
        let Workspace { row, scratch, turn, room, .. } = workspace;
        let row = &mut row[..self.layout.dim()];
        let (access, level) = (self.access(), self.tier.level());
        match &self.coder {
            _ if header.has(FLAG_RAW) => dispatch!(level, simd => {
                for i in 0..rows.n {
                    if let Some(raw) = block.raw_row(first + i) {
                        access.restore_raw(simd, rows, i, raw, row);
                    }
                }
            }),
            Coder::Stepped(stepped, skeleton) => {
                let (runs, quantizer) = (room.runs()?, stepped.stepper.with_step(header.step));
                let frame = self.frame(skeleton);
                let transform = StepTransform { transform: &stepped.transform, frame, quantizer };
                let pass = StepDecode { access, transform, block, rows, first };
                dispatch!(level, simd => pass.run(simd, row, &mut runs.panel, turn))?;
            }
            Coder::Fixed(fixed, skeleton) => {
                let kernel = match skeleton.as_deref() {
                    Some(skeleton) => self.shared_kernel(fixed, skeleton),
                    None => {
                        let own = room.own_skeleton()?;
                        own.read(block, self.params.settings().seed);
                        let frame = self.frame(&own.skeleton);
                        Kernel { frame, rotation: &own.rotation, grid: &fixed.grid }
                    }
                };
                let pass = FixedDecode { access, kernel, block, rows, first };
                dispatch!(level, simd => pass.run(simd, row, scratch, turn));
            }
        }
        Ok(header.bytes as usize)
    }
}
