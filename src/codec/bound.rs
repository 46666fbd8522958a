//! How large a block gets, known before it is encoded.

use super::Codec;
use crate::error::{Count, Error, Result};
use crate::format::block::{
    FLAG_ALLOCATED, FLAG_CHECKSUM, FLAG_OWN_SKELETON, FLAG_POSITIONS, FLAG_RUNS, FLAG_TRELLIS, Header,
    Sections,
};

const TOO_LARGE: Error = Error::OutOfRange { what: "the block" };

impl Codec {
    /// Size in bytes of the largest block of `n` rows: its exact size at fixed rate, where blocks share a
    /// skeleton or have none; at most the largest size that was asked for. Never falls with `n`.
    pub fn encode_bound(&self, n: usize) -> Result<usize> {
        let (rank, centres) = self.largest_skeleton(n);
        let header = self.header(n, rank, centres)?;
        if self.stepped.is_none() {
            return Ok(header.bytes as usize);
        }
        // At most what the rows take raw, with a position each.
        let positions = if self.layout.needs_positions() { n.checked_mul(4) } else { Some(0) };
        let raw = usize::try_from(header.to_raw(None).bytes).ok();
        let raw = raw.zip(positions).and_then(|(raw, positions)| raw.checked_add(positions));
        Ok(raw.ok_or(TOO_LARGE)?.min(self.largest_block()))
    }

    /// The size that no block may exceed.
    pub(super) fn largest_block(&self) -> usize {
        match self.params.settings().max_bytes {
            0 => usize::MAX,
            bytes => bytes,
        }
    }

    /// The header of a block of `n` rows before it is encoded.
    pub(super) fn header(&self, n: usize, rank: usize, n_centres: usize) -> Result<Header> {
        let too_many =
            Error::BadShape { what: "number of rows", got: n, expected: Count::AtMost(u32::MAX as usize) };
        if n == 0 {
            return Err(Error::BadShape { what: "number of rows", got: 0, expected: Count::AtLeast(1) });
        }
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let allocated = self.stepped.is_none() && self.grid.is_allocated();
        let mut header = Header {
            preset: self.params.settings().preset.code(),
            distortion: self.objective.code(),
            flags: flag(self.params.settings().checksum, FLAG_CHECKSUM)
                | flag(self.skeleton.is_none(), FLAG_OWN_SKELETON)
                | flag(self.layout.needs_positions(), FLAG_POSITIONS)
                | flag(self.stepped.is_some(), FLAG_RUNS)
                | flag(self.params.settings().effort > 0, FLAG_TRELLIS)
                | flag(allocated, FLAG_ALLOCATED),
            bits: self.params.bits(),
            rank: rank as u16,
            n_centres: n_centres as u16,
            n_rows: u32::try_from(n).map_err(|_| too_many)?,
            dim: self.layout.dim() as u32,
            rows_per_run: if self.stepped.is_some() { self.rows_per_run() as u16 } else { 0 },
            row_bits: if allocated { self.grid.row_bits() as u16 } else { 0 },
            slots: if self.stepped.is_some() { 0 } else { self.params.settings().max_protected as u32 },
            n_protected: 0,
            raw_row_bytes: self.layout.raw_row_bytes() as u32,
            payload_crc: 0,
            bytes: 0,
            certified_error: 0.0,
            step: self.params.settings().step,
            first_position: 0,
            fingerprint: self.fingerprint,
        };
        // With runs the size follows from the data.
        if self.stepped.is_none() {
            header.bytes = Sections::of(&header).ok_or(TOO_LARGE)?.raw.end as u64;
        }
        Ok(header)
    }
}
