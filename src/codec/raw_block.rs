//! Blocks that are stored raw: what to do with rows that would come out larger than they are.

use super::row::RowError;
use super::{Codec, Rows, Tally, Workspace};
use crate::error::{Error, Result};
use crate::format::block::{FLAG_CHECKSUM, FLAG_POSITIONS, Header, Sections};
use crate::format::bytes::Section;
use crate::simd::dispatch;
use crc32fast::Hasher;
use std::ops::Range;

impl Codec {
    /// Writes the rows raw. `header` is that of such a block.
    pub(super) fn store_raw_block(
        &self,
        mut header: Header,
        workspace: &mut Workspace,
        rows: &Rows<'_>,
        dst: &mut [u8],
    ) -> Result<usize> {
        let Workspace { row, bytes, turn, .. } = workspace;
        let row = &mut row[..self.layout.dim()];
        let (head, mut payload) = dst.split_at_mut(header.header_bytes());
        let sections = Sections::of(&header).expect("the size of the block was computed from them");
        let checksum = header.has(FLAG_CHECKSUM);
        let mut split = |range: Range<usize>| Section::split(&mut payload, range.len(), checksum);
        let (mut positions, mut raw) = (split(sections.slots), split(sections.raw));
        if header.has(FLAG_POSITIONS) {
            rows.positions
                .unwrap_or_default()
                .iter()
                .for_each(|position| positions.put(&position.to_le_bytes()));
        }
        let mut tally = Tally::default();
        dispatch!(self.tier.level(), simd => {
            for i in 0..rows.n {
                // Raw is how rows that cannot be coded are stored, but they are refused all the same.
                self.assembly().load(simd, rows, i, row, turn)?;
                let error = self.assembly().put_raw(simd, rows, i, row, bytes, &mut raw);
                self.check_rounding(rows, i, error)?;
                // A row that is not finite has no relative error.
                if error.energy.is_finite() {
                    tally.add(rows.weight(i), error);
                }
            }
            Ok::<(), Error>(())
        })?;
        header.certified_error = tally.certificate(self.objective);
        let mut crc = Hasher::new();
        positions.finish(0, &mut crc);
        raw.finish(0, &mut crc);
        header.payload_crc = crc.finalize();
        header.write(head);
        Ok(header.bytes as usize)
    }

    /// Refuses a row that misses the bound even raw, by the rounding of a raw type. Protected rows have no bound.
    pub(super) fn check_rounding(&self, rows: &Rows<'_>, row: usize, error: RowError) -> Result<()> {
        let bound = f64::from(self.params.settings().max_abs_error);
        if bound > 0.0 && !rows.is_protected(row) && error.absolute > bound {
            return Err(Error::RawNotExact { row, got: error.absolute, bound });
        }
        Ok(())
    }
}
