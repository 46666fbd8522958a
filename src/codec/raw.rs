//! Blocks that are stored raw, because coded they would be larger than their rows.
//!
//! This bounds the size of a block at a step, whatever the data and the step, so that a caller can reserve a
//! buffer.

use super::Codec;
use crate::distortion::Tally;
use crate::error::{Error, Result};
use crate::format::BlockWriter;
use crate::format::header::Header;
use crate::stepped::encode::check_rounding;
use crate::tensor::angles::PairAngles;
use crate::tensor::rows::Rows;
use crate::vector::tier::dispatch;

impl Codec {
    /// Writes the rows raw. `header` is that of a raw block; `row`, `bytes` and `turn` are scratch.
    ///
    /// # Errors
    /// [`Error::DstTooSmall`], [`Error::NotFinite`], [`Error::RawNotExact`]
    pub(super) fn store_raw_block(
        &self,
        header: Header,
        rows: &Rows<'_>,
        (row, bytes, turn): (&mut [f32], &mut [u8], &mut PairAngles),
        dst: &mut [u8],
    ) -> Result<usize> {
        let too_small = Error::DstTooSmall { need: header.bytes as usize, got: dst.len() };
        let mut writer = BlockWriter::new(header, dst).ok_or(too_small)?;
        writer.put_positions(rows.positions.unwrap_or_default());
        let (access, mut tally) = (self.access(), Tally::default());
        let bound = f64::from(self.params.settings().max_abs_error);
        dispatch!(self.tier.level(), simd => {
            for i in 0..rows.n {
                // Only for its error: a row that the parameters refuse is refused here too, although it could
                // be stored.
                access.load(simd, rows, i, row, turn)?;
                let put = |bytes: &[u8]| writer.raw.put_bytes(bytes);
                let error = access.read_raw(simd, rows, i, (&mut *row, &mut *bytes), put);
                check_rounding(rows, i, error, bound)?;
                // A row that is not finite is stored exactly, but has no relative error to certify.
                if error.energy.is_finite() {
                    tally.add(rows.weight(i), error);
                }
            }
            Ok::<(), Error>(())
        })?;
        Ok(writer.finish(&tally, self.objective))
    }
}
