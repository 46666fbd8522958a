//! The block: a header, then sections whose sizes follow from it.
//!
//! ```text
//! header          92 bytes
//! own skeleton    if flagged: reach f32, mean f32[dim], basis f16[rank, dim], centres f16[n_centres, rank]
//! scales          u16[n_rows]                       fixed rate only
//! gains           4 bits each                       runs only
//! steps           i8[n_rows]                        runs, if flagged: how the weight changed the row's step
//! reaches         u8[n_rows]                        only with centres
//! centre indices  ⌈log₂ n_centres⌉ bits each        only with two or more centres
//! symbols         the components' bits, row by row   fixed rate only
//! run ends        u32[⌈n_rows / rows_per_run⌉]      runs only: where each run ends, from the first one's start
//! runs            what is left                      runs only
//! slots           u32 row index (+ i32 position if flagged), ascending; unused ones are all ones
//! raw rows        slots × raw_row_bytes
//! ```
//!
//! A block that would come out larger than its rows stored raw is stored raw: a header of 64 bytes, then the
//! rows.

use super::FORMAT_VERSION;
use super::bytes::Fields;
use crate::error::{Error, Result};
use crate::pack::bytes_for;
use crate::params::Preset;
use crate::skeleton::index_bits;
use std::ops::Range;

/// First bytes of a coded block.
const MAGIC: [u8; 4] = *b"KKYB";
/// First bytes of a block stored raw.
const RAW_MAGIC: [u8; 4] = *b"KKYR";
/// Bytes of the header of a coded block, and of a raw one. The last four are its checksum.
pub(crate) const HEADER_BYTES: usize = 92;
pub(crate) const RAW_HEADER_BYTES: usize = 64;
/// Row index of a slot that is not used.
pub(crate) const UNUSED_SLOT: u32 = u32::MAX;

/// The payload is covered by a checksum.
pub(crate) const FLAG_CHECKSUM: u8 = 1;
/// The block carries its own skeleton.
pub(crate) const FLAG_OWN_SKELETON: u8 = 2;
/// Slots carry positions.
pub(crate) const FLAG_POSITIONS: u8 = 4;
/// Symbols are entropy-coded, in runs of rows.
pub(crate) const FLAG_RUNS: u8 = 8;
/// Rows have weights that changed their steps.
pub(crate) const FLAG_WEIGHTS: u8 = 16;
/// All rows are stored raw. Says the magic, not a bit in the header.
pub(crate) const FLAG_RAW: u8 = 32;
/// Components have bits of their own, at a fixed rate.
pub(crate) const FLAG_ALLOCATED: u8 = 64;
/// Values of the runs are those of a trellis.
pub(crate) const FLAG_TRELLIS: u8 = 128;

/// What the header of a block says.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Code of the preset.
    pub preset: u8,
    /// Code of the distortion.
    pub distortion: u8,
    /// Bit 0: payload checksum; 1: own skeleton; 2: slots carry positions; 3: entropy-coded runs; 4: row steps;
    /// 5: all rows raw; 6: bits that differ by component; 7: runs of trellis-coded values.
    pub flags: u8,
    /// Bits per component; 0 where they differ, with runs and in a raw block.
    pub bits: u8,
    /// Components per row.
    pub rank: u16,
    /// K-means centres.
    pub n_centres: u16,
    /// Rows.
    pub n_rows: u32,
    /// Coordinates per row.
    pub dim: u32,
    /// Rows that are coded together; 0 at fixed rate.
    pub rows_per_run: u16,
    /// Bits of a row's symbols where they differ by component; else 0. Takes the place of `rows_per_run`.
    pub row_bits: u16,
    /// Rows that could be stored raw.
    pub slots: u32,
    /// Rows that are.
    pub n_protected: u32,
    /// Bytes of a raw row.
    pub raw_row_bytes: u32,
    /// CRC-32 of everything after the header, or 0.
    pub payload_crc: u32,
    /// Size of the block.
    pub bytes: u64,
    /// What the encoder measured.
    pub certified_error: f32,
    /// Step of the uniform quantiser; 0 at fixed rate.
    pub step: f32,
    /// Raw block: position of its first row, where those of the others follow one by one; else 0.
    pub first_position: i32,
    /// Fingerprint of the codec.
    pub fingerprint: [u8; 32],
}

impl Header {
    /// Parses and checks a header: magic, version, its checksum, and that the sizes it implies are `bytes`.
    /// Does not look past the header, except at the length.
    pub fn parse(src: &[u8]) -> Result<Self> {
        let magic = &src[..src.len().min(4)];
        if !MAGIC.starts_with(magic) && !RAW_MAGIC.starts_with(magic) {
            return Err(Error::Corrupt { what: "not a block: the first bytes", at: 0 });
        }
        let raw = magic == RAW_MAGIC;
        let need = if raw { RAW_HEADER_BYTES } else { HEADER_BYTES };
        if src.len() < need {
            return Err(Error::Truncated { need, got: src.len() });
        }
        let (checked, crc) = src[..need].split_at(need - 4);
        let mut fields = Fields(&checked[4..]);
        let version = fields.u16();
        if version != FORMAT_VERSION {
            return Err(Error::WrongVersion { got: u32::from(version), want: u32::from(FORMAT_VERSION) });
        }
        if crc32fast::hash(checked) != Fields(crc).u32() {
            return Err(Error::Corrupt { what: "header checksum", at: need - 4 });
        }
        let header = if raw { Self::raw_fields(fields) } else { Self::coded_fields(fields) };
        if header.has(FLAG_RAW) != raw {
            return Err(Error::Corrupt { what: "flags", at: 8 });
        }
        header.check()?;
        if (src.len() as u64) < header.bytes {
            return Err(Error::Truncated { need: header.bytes as usize, got: src.len() });
        }
        Ok(header)
    }

    fn coded_fields(mut fields: Fields<'_>) -> Self {
        let mut header = Self {
            preset: fields.u8(),
            distortion: fields.u8(),
            flags: fields.u8(),
            bits: fields.u8(),
            rank: fields.u16(),
            n_rows: fields.u32(),
            dim: fields.u32(),
            n_centres: fields.u16(),
            rows_per_run: fields.u16(),
            row_bits: 0,
            slots: fields.u32(),
            n_protected: fields.u32(),
            raw_row_bytes: fields.u32(),
            payload_crc: fields.u32(),
            bytes: fields.u64(),
            certified_error: fields.f32(),
            step: fields.f32(),
            first_position: 0,
            fingerprint: fields.take(),
        };
        if header.has(FLAG_ALLOCATED) {
            (header.rows_per_run, header.row_bits) = (0, header.rows_per_run);
        }
        header
    }

    fn raw_fields(mut fields: Fields<'_>) -> Self {
        let kind = fields.u8();
        let mut header = Self {
            preset: kind & 15,
            distortion: kind >> 4,
            // The bit is implied by the magic: one that is set makes the header contradict itself.
            flags: fields.u8() ^ FLAG_RAW,
            bits: 0,
            rank: 0,
            dim: u32::from(fields.u16()),
            raw_row_bytes: u32::from(fields.u16()),
            n_rows: fields.u32(),
            n_centres: 0,
            rows_per_run: 0,
            row_bits: 0,
            slots: 0,
            n_protected: 0,
            payload_crc: fields.u32(),
            bytes: 0,
            certified_error: fields.f32(),
            step: 0.0,
            first_position: fields.u32() as i32,
            fingerprint: fields.take(),
        };
        header.bytes = header.raw_bytes();
        header
    }

    /// Size of a raw block with these rows.
    fn raw_bytes(&self) -> u64 {
        let position = if self.has(FLAG_POSITIONS) { 4 } else { 0 };
        RAW_HEADER_BYTES as u64 + u64::from(self.n_rows) * (u64::from(self.raw_row_bytes) + position)
    }

    /// The header of the same rows stored raw, at the given positions.
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

    /// Whether the fields can belong together.
    fn check(&self) -> Result<()> {
        let corrupt = |what, at| Err(Error::Corrupt { what, at });
        let (raw, runs) = (self.has(FLAG_RAW), self.has(FLAG_RUNS));
        let allocated = self.has(FLAG_ALLOCATED);
        match () {
            () if Preset::from_code(u32::from(self.preset)).is_err() => corrupt("preset", 6),
            () if self.distortion > 2 => corrupt("distortion", 7),
            () if raw && self.flags & !(FLAG_CHECKSUM | FLAG_POSITIONS | FLAG_RAW) != 0 => {
                corrupt("flags", 8)
            }
            () if !runs && (self.has(FLAG_WEIGHTS) || self.has(FLAG_TRELLIS)) => corrupt("flags", 8),
            () if allocated && (runs || self.has(FLAG_OWN_SKELETON)) => corrupt("flags", 8),
            () if self.bits > 8 || (self.bits == 0) != (raw || runs || allocated) => corrupt("bits", 9),
            () if u32::from(self.row_bits) > 8 * u32::from(self.rank) => corrupt("bits of a row", 22),
            () if u32::from(self.rank) > self.dim => corrupt("rank", 10),
            () if self.n_rows == 0 => corrupt("number of rows", 12),
            () if self.dim == 0 || self.dim as usize > crate::layout::MAX_DIM => corrupt("dim", 16),
            () if u32::from(self.n_centres) > crate::params::MAX_CENTRES => corrupt("number of centres", 20),
            () if self.n_centres > 0 && self.rank == 0 => corrupt("number of centres", 20),
            () if (self.rows_per_run > 0) != runs => corrupt("rows per run", 22),
            () if self.n_protected > self.slots || self.n_protected > self.n_rows => {
                corrupt("number of protected rows", 28)
            }
            () if !self.has(FLAG_CHECKSUM) && self.payload_crc != 0 => corrupt("payload checksum", 36),
            () if runs && !(self.step.is_normal() && self.step > 0.0) => corrupt("step", 52),
            () if !runs && self.step.to_bits() != 0 => corrupt("step", 52),
            () => match Sections::of(self) {
                Some(sections) if sections.raw.end as u64 == self.bytes => Ok(()),
                _ => corrupt("size", 40),
            },
        }
    }

    /// Writes the header to the start of `out` and returns its size.
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

    /// Bits per coded component, on average where they differ; 0 with runs and in a raw block.
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
    pub fn verify_payload(&self, src: &[u8]) -> Result<()> {
        let payload = &src[self.header_bytes()..self.bytes as usize];
        if self.has(FLAG_CHECKSUM) && crc32fast::hash(payload) != self.payload_crc {
            return Err(Error::Corrupt { what: "payload checksum", at: self.header_bytes() });
        }
        Ok(())
    }
}

/// Where the sections of a block lie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sections {
    pub skeleton: Range<usize>,
    pub scales: Range<usize>,
    pub gains: Range<usize>,
    pub steps: Range<usize>,
    pub reaches: Range<usize>,
    pub indices: Range<usize>,
    pub symbols: Range<usize>,
    pub run_ends: Range<usize>,
    pub runs: Range<usize>,
    pub slots: Range<usize>,
    pub raw: Range<usize>,
}

impl Sections {
    /// The sections that the counts in a header imply; `None` where a size overflows.
    pub fn of(header: &Header) -> Option<Self> {
        let (n, rank, k) = (header.n_rows as usize, usize::from(header.rank), usize::from(header.n_centres));
        let (raw, runs) = (header.has(FLAG_RAW), header.has(FLAG_RUNS));
        let slots = if raw { n } else { header.slots as usize };
        let own =
            if header.has(FLAG_OWN_SKELETON) { own_skeleton_bytes(header.dim as usize, rank, k) } else { 0 };
        let only = |on: bool, len: usize| if on { len } else { 0 };
        let fixed = !raw && !runs;
        let mut at = header.header_bytes();
        let mut next = |len: usize| {
            let start = at;
            at = at.checked_add(len)?;
            Some(start..at)
        };
        let skeleton = next(own)?;
        let scales = next(only(fixed, n.checked_mul(2)?))?;
        let gains = next(only(runs, n.div_ceil(2)))?;
        let steps = next(only(header.has(FLAG_WEIGHTS), n))?;
        let reaches = next(only(k > 0, n))?;
        let indices = next(bytes_for(n, index_bits(k.max(1)))?)?;
        let row_bits = usize::from(header.row_bits) + rank * usize::from(header.bits);
        let symbols = next(only(fixed, n.checked_mul(row_bits)?.div_ceil(8)))?;
        let n_runs = if runs { n.div_ceil(usize::from(header.rows_per_run)) } else { 0 };
        let run_ends = next(n_runs.checked_mul(4)?)?;
        let slot_bytes = if raw {
            only(header.has(FLAG_POSITIONS), n * 4)
        } else {
            slots.checked_mul(header.slot_bytes())?
        };
        let raw_bytes = slots.checked_mul(header.raw_row_bytes as usize)?;
        // Runs fill what the other sections leave.
        let others = run_ends.end.checked_add(slot_bytes)?.checked_add(raw_bytes)?;
        let left = usize::try_from(header.bytes).ok().and_then(|bytes| bytes.checked_sub(others));
        let run_bytes = if runs { left? } else { 0 };
        Some(Self {
            skeleton,
            scales,
            gains,
            steps,
            reaches,
            indices,
            symbols,
            run_ends,
            runs: next(run_bytes)?,
            slots: next(slot_bytes)?,
            raw: next(raw_bytes)?,
        })
    }
}

/// Bytes of a skeleton inside a block.
pub(crate) fn own_skeleton_bytes(dim: usize, rank: usize, n_centres: usize) -> usize {
    4 + 4 * dim + 2 * rank * dim + 2 * n_centres * rank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let mut header = Header {
            preset: 1,
            distortion: 2,
            flags: FLAG_CHECKSUM | FLAG_OWN_SKELETON | FLAG_POSITIONS,
            bits: 3,
            rank: 5,
            n_centres: 3,
            n_rows: 7,
            dim: 9,
            slots: 2,
            n_protected: 1,
            raw_row_bytes: 18,
            payload_crc: 0x0102_0304,
            bytes: 0,
            rows_per_run: 0,
            row_bits: 0,
            certified_error: 0.25,
            step: 0.0,
            first_position: 0,
            fingerprint: [9; 32],
        };
        header.bytes = Sections::of(&header).unwrap().raw.end as u64;
        header
    }

    fn padded(header: &Header) -> Vec<u8> {
        let mut bytes = vec![0; header.bytes as usize];
        header.write(&mut bytes);
        bytes
    }

    #[test]
    fn headers_come_back() {
        let header = header();
        assert_eq!(Header::parse(&padded(&header)).unwrap(), header);
        // 4 + 36 + 90 + 30 skeleton, 14 scales, 7 reaches, 2 indices, 14 symbols, 16 slots, 36 raw.
        assert_eq!(header.bytes, 92 + 160 + 14 + 7 + 2 + 14 + 16 + 36);
    }

    #[test]
    fn every_contradiction_is_found() {
        type Change = (&'static str, fn(&mut Header));
        let changes: [Change; 14] = [
            ("preset", |h| h.preset = 9),
            ("distortion", |h| h.distortion = 3),
            ("flags", |h| h.flags |= 128),
            ("bits", |h| h.bits = 0),
            ("bits", |h| h.bits = 9),
            ("rank", |h| h.rank = 10),
            ("number of rows", |h| h.n_rows = 0),
            ("dim", |h| h.dim = 5000),
            ("number of centres", |h| h.n_centres = 300),
            ("number of centres", |h| h.rank = 0),
            ("number of protected rows", |h| h.n_protected = 3),
            ("payload checksum", |h| h.flags &= !FLAG_CHECKSUM),
            ("size", |h| h.bytes += 1),
            ("size", |h| h.n_rows = u32::MAX),
        ];
        for (field, change) in changes {
            let mut header = header();
            change(&mut header);
            match Header::parse(&padded(&header)) {
                Err(Error::Corrupt { what, .. }) => assert_eq!(what, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn short_and_foreign_bytes_are_told_apart() {
        let bytes = padded(&header());
        for len in 0..bytes.len() {
            assert!(matches!(Header::parse(&bytes[..len]), Err(Error::Truncated { .. })), "{len} bytes");
        }
        assert!(matches!(Header::parse(b"nope"), Err(Error::Corrupt { at: 0, .. })));
        let mut other = bytes.clone();
        other[4] = 1;
        assert_eq!(Header::parse(&other).unwrap_err(), Error::WrongVersion { got: 1, want: 0 });
    }
}
