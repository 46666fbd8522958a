//! The header of a block: its fields, and how they are written. [`super::parse`] reads and checks them.
//!
//! It is made in [`super::spec`], from what a codec fixes for all its blocks and from a block's number of
//! rows.
//!
//! The header has a checksum of its own, which is not optional: without it a flipped bit in a count would be
//! reported as a wrong size or a wrong codec. Raw blocks have a shorter header, since most fields would be 0
//! and a raw block of one row should not be much larger than the row.

use super::FORMAT_VERSION;
use crate::error::{Error, Result};

/// First bytes of a coded block. They, not a flag, tell the two kinds apart, since lengths differ.
pub(super) const MAGIC: [u8; 4] = *b"KKYB";
/// First bytes of a block stored raw.
pub(super) const RAW_MAGIC: [u8; 4] = *b"KKYR";
/// Bytes of the header of a coded block. The last four are its checksum.
pub const HEADER_BYTES: usize = 92;
/// Bytes of the header of a raw block. The last four are its checksum.
pub const RAW_HEADER_BYTES: usize = 64;
/// Row index of a slot that is not used. It is no row's: a block has at most 2³² − 1 rows.
pub(crate) const UNUSED_SLOT: u32 = u32::MAX;

/// The payload is covered by a checksum.
pub const FLAG_CHECKSUM: u8 = 1;
/// The block carries its own skeleton.
pub const FLAG_OWN_SKELETON: u8 = 2;
/// Slots carry positions, because a segment has a rotary embedding.
pub const FLAG_POSITIONS: u8 = 4;
/// Symbols are entropy-coded, in runs of rows.
pub const FLAG_RUNS: u8 = 8;
/// Weights changed the steps of rows, so each row has a shift.
pub const FLAG_WEIGHTS: u8 = 16;
/// All rows are stored raw. Implied by the magic; not stored.
pub const FLAG_RAW: u8 = 32;
/// At a fixed rate: components have different numbers of bits.
pub const FLAG_ALLOCATED: u8 = 64;
/// A trellis chose the values of the runs.
pub const FLAG_TRELLIS: u8 = 128;

/// What the header of a block says.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Code of the preset.
    pub preset: u8,
    /// Code of the distortion.
    pub distortion: u8,
    /// Bit 0: payload checksum; 1: own skeleton; 2: slots carry positions; 3: entropy-coded runs; 4: row
    /// steps; 5: all rows raw; 6: bits that differ by component; 7: runs of trellis-coded values.
    pub flags: u8,
    /// Bits per component; 0 if they differ, with runs and in a raw block.
    pub bits: u8,
    /// Components per row.
    pub rank: u16,
    /// K-means centres.
    pub n_centres: u16,
    /// Rows.
    pub n_rows: u32,
    /// Coordinates per row.
    pub dim: u32,
    /// Rows that are coded together; 0 at a fixed rate.
    pub rows_per_run: u16,
    /// Bits of a row's symbols if they differ by component; else 0. Stored in the place of `rows_per_run`,
    /// which is free then.
    pub row_bits: u16,
    /// Slots for raw rows. At a fixed rate there are as many as the codec reserves, so that all blocks of a
    /// number of rows have one size.
    pub slots: u32,
    /// Slots that are used.
    pub n_protected: u32,
    /// Bytes of a raw row.
    pub raw_row_bytes: u32,
    /// CRC-32 of everything after the header, or 0.
    pub payload_crc: u32,
    /// Size of the block, with its header.
    pub bytes: u64,
    /// The error that the encoder measured, rounded up: relative and squared, or the largest absolute one.
    pub certified_error: f32,
    /// Step of the uniform quantiser; 0 at a fixed rate.
    pub step: f32,
    /// In a raw block, position of its first row if those of the others follow one by one; else 0.
    pub first_position: i32,
    /// Fingerprint of the codec.
    pub fingerprint: [u8; 32],
}

impl Header {
    /// Size of a raw block with these rows. Cannot overflow: a raw row has less than 2^16 bytes.
    pub(super) fn raw_bytes(&self) -> u64 {
        let position = if self.has(FLAG_POSITIONS) { 4 } else { 0 };
        RAW_HEADER_BYTES as u64 + u64::from(self.n_rows) * (u64::from(self.raw_row_bytes) + position)
    }

    /// The header of the same rows stored raw, at the given positions. They are listed only if they do not
    /// follow one by one, as those of a context mostly do.
    pub(crate) fn to_raw(&self, positions: Option<&[i32]>) -> Self {
        let first_position = positions.map_or(0, |positions| positions[0]);
        let follow =
            |positions: &[i32]| positions.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
        let listed = if positions.is_none_or(follow) { 0 } else { FLAG_POSITIONS };
        let mut header = Self {
            flags: (self.flags & FLAG_CHECKSUM) | FLAG_RAW | listed,
            bits: 0,
            rank: 0,
            n_centres: 0,
            rows_per_run: 0,
            row_bits: 0,
            slots: 0,
            n_protected: 0,
            certified_error: 0.0,
            step: 0.0,
            first_position: if listed == 0 { first_position } else { 0 },
            ..self.clone()
        };
        header.bytes = header.raw_bytes();
        header
    }

    /// Writes the header to the start of `out` and returns its size.
    ///
    /// # Panics
    /// If `out` is shorter than that.
    pub fn write(&self, out: &mut [u8]) -> usize {
        let (raw, len) = (self.has(FLAG_RAW), self.header_bytes());
        let (checked, crc) = out[..len].split_at_mut(len - 4);
        let mut at = 0;
        let mut hasher = crc32fast::Hasher::new();
        let mut put = |bytes: &[u8]| {
            checked[at..at + bytes.len()].copy_from_slice(bytes);
            hasher.update(bytes);
            at += bytes.len();
        };
        put(if raw { &RAW_MAGIC } else { &MAGIC });
        put(&FORMAT_VERSION.to_le_bytes());
        if raw {
            put(&[self.preset | (self.distortion << 4), self.flags & !FLAG_RAW]);
            put(&(self.dim as u16).to_le_bytes());
            put(&(self.raw_row_bytes as u16).to_le_bytes());
            put(&self.n_rows.to_le_bytes());
            put(&self.payload_crc.to_le_bytes());
            put(&self.certified_error.to_le_bytes());
            put(&self.first_position.to_le_bytes());
        } else {
            put(&[self.preset, self.distortion, self.flags, self.bits]);
            put(&self.rank.to_le_bytes());
            put(&self.n_rows.to_le_bytes());
            put(&self.dim.to_le_bytes());
            put(&self.n_centres.to_le_bytes());
            put(&(if self.has(FLAG_ALLOCATED) { self.row_bits } else { self.rows_per_run }).to_le_bytes());
            put(&self.slots.to_le_bytes());
            put(&self.n_protected.to_le_bytes());
            put(&self.raw_row_bytes.to_le_bytes());
            put(&self.payload_crc.to_le_bytes());
            put(&self.bytes.to_le_bytes());
            put(&self.certified_error.to_le_bytes());
            put(&self.step.to_le_bytes());
        }
        put(&self.fingerprint);
        crc.copy_from_slice(&hasher.finalize().to_le_bytes());
        len
    }

    /// Bits per coded component, their average if they differ; 0 with runs and in a raw block.
    pub fn mean_bits(&self) -> f32 {
        let row = f32::from(self.row_bits) / f32::from(self.rank.max(1));
        f32::from(self.bits) + row
    }

    /// Bytes of the header itself.
    pub fn header_bytes(&self) -> usize {
        if self.has(FLAG_RAW) { RAW_HEADER_BYTES } else { HEADER_BYTES }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of a slot entry.
    pub fn slot_bytes(&self) -> usize {
        if self.has(FLAG_POSITIONS) { 8 } else { 4 }
    }

    /// Checks the payload's checksum, if the block has one. `src` is what the header was parsed from.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
    pub fn verify_payload(&self, src: &[u8]) -> Result<()> {
        let payload = &src[self.header_bytes()..self.bytes as usize];
        if self.has(FLAG_CHECKSUM) && crc32fast::hash(payload) != self.payload_crc {
            return Err(Error::Corrupt { what: "payload checksum", at: self.header_bytes() });
        }
        Ok(())
    }
}
