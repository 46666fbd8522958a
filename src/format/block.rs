//! The block: a header, then sections whose sizes follow from it.
//!
//! ```text
//! header          92 bytes
//! own skeleton    if flagged: reach f32, mean f32[dim], basis f16[rank, dim], centres f16[n_centres, rank]
//! scales          u16[n_rows]
//! reaches         u8[n_rows]                        only with centres
//! centre indices  ⌈log₂ n_centres⌉ bits each        only with two or more centres
//! symbols         bits · rank bits a row
//! slots           u32 row index (+ i32 position if flagged), ascending; unused ones are all ones
//! raw rows        slots × raw_row_bytes
//! ```

use super::FORMAT_VERSION;
use super::bytes::Fields;
use crate::error::{Error, Result};
use crate::pack::bytes_for;
use crate::params::Preset;
use crate::skeleton::index_bits;
use std::ops::Range;

/// First bytes of a block.
pub(crate) const MAGIC: [u8; 4] = *b"KKYB";
/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 92;
/// Bytes of a header before its own checksum.
const CHECKED_BYTES: usize = HEADER_BYTES - 4;
/// Row index of a slot that is not used.
pub(crate) const UNUSED_SLOT: u32 = u32::MAX;

/// The payload is covered by a checksum.
pub(crate) const FLAG_CHECKSUM: u8 = 1;
/// The block carries its own skeleton.
pub(crate) const FLAG_OWN_SKELETON: u8 = 2;
/// Slots carry positions.
pub(crate) const FLAG_POSITIONS: u8 = 4;

/// What the header of a block says.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Code of the preset.
    pub preset: u8,
    /// Code of the distortion.
    pub distortion: u8,
    /// Bit 0: payload checksum; bit 1: own skeleton; bit 2: slots carry positions.
    pub flags: u8,
    /// Bits per component.
    pub bits: u8,
    /// Components per row.
    pub rank: u16,
    /// K-means centres.
    pub n_centres: u32,
    /// Rows.
    pub n_rows: u32,
    /// Coordinates per row.
    pub dim: u32,
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
    pub certified_error: f64,
    /// Fingerprint of the codec.
    pub fingerprint: [u8; 32],
}

impl Header {
    /// Parses and checks a header: magic, version, its checksum, and that the sizes it implies are `bytes`.
    /// Does not look past the header, except at the length.
    pub fn parse(src: &[u8]) -> Result<Self> {
        let header = Self::parse_alone(src)?;
        if (src.len() as u64) < header.bytes {
            return Err(Error::Truncated { need: header.bytes as usize, got: src.len() });
        }
        Ok(header)
    }

    /// [`Header::parse`] without the length of what follows.
    fn parse_alone(src: &[u8]) -> Result<Self> {
        let magic = src.len().min(4);
        if src[..magic] != MAGIC[..magic] {
            return Err(Error::Corrupt { what: "not a block: the first bytes", at: 0 });
        }
        if src.len() < HEADER_BYTES {
            return Err(Error::Truncated { need: HEADER_BYTES, got: src.len() });
        }
        let (checked, crc) = src[..HEADER_BYTES].split_at(CHECKED_BYTES);
        let mut fields = Fields(&checked[4..]);
        let version = fields.u16();
        if version != FORMAT_VERSION {
            return Err(Error::WrongVersion { got: u32::from(version), want: u32::from(FORMAT_VERSION) });
        }
        if crc32fast::hash(checked) != Fields(crc).u32() {
            return Err(Error::Corrupt { what: "header checksum", at: CHECKED_BYTES });
        }
        let header = Self {
            preset: fields.u8(),
            distortion: fields.u8(),
            flags: fields.u8(),
            bits: fields.u8(),
            rank: fields.u16(),
            n_rows: fields.u32(),
            dim: fields.u32(),
            n_centres: fields.u32(),
            slots: fields.u32(),
            n_protected: fields.u32(),
            raw_row_bytes: fields.u32(),
            payload_crc: fields.u32(),
            bytes: fields.u64(),
            certified_error: fields.f64(),
            fingerprint: fields.take(),
        };
        header.check()?;
        Ok(header)
    }

    /// Whether the fields can belong together.
    fn check(&self) -> Result<()> {
        let corrupt = |what, at| Err(Error::Corrupt { what, at });
        match () {
            () if Preset::from_code(u32::from(self.preset)).is_err() => corrupt("preset", 6),
            () if self.distortion > 2 => corrupt("distortion", 7),
            () if self.flags & !(FLAG_CHECKSUM | FLAG_OWN_SKELETON | FLAG_POSITIONS) != 0 => {
                corrupt("flags", 8)
            }
            () if !(1..=8).contains(&self.bits) => corrupt("bits", 9),
            () if u32::from(self.rank) > self.dim => corrupt("rank", 10),
            () if self.n_rows == 0 => corrupt("number of rows", 12),
            () if self.dim == 0 || self.dim as usize > crate::layout::MAX_DIM => corrupt("dim", 16),
            () if self.n_centres > crate::params::MAX_CENTRES => corrupt("number of centres", 20),
            () if self.n_centres > 0 && self.rank == 0 => corrupt("number of centres", 20),
            () if self.n_protected > self.slots || self.n_protected > self.n_rows => {
                corrupt("number of protected rows", 28)
            }
            () if self.flags & FLAG_CHECKSUM == 0 && self.payload_crc != 0 => corrupt("payload checksum", 36),
            () => match Sections::of(self) {
                Some(sections) if sections.raw.end as u64 == self.bytes => Ok(()),
                _ => corrupt("size", 40),
            },
        }
    }

    /// The bytes of the header.
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC);
        put(&FORMAT_VERSION.to_le_bytes());
        put(&[self.preset, self.distortion, self.flags, self.bits]);
        put(&self.rank.to_le_bytes());
        put(&self.n_rows.to_le_bytes());
        put(&self.dim.to_le_bytes());
        put(&self.n_centres.to_le_bytes());
        put(&self.slots.to_le_bytes());
        put(&self.n_protected.to_le_bytes());
        put(&self.raw_row_bytes.to_le_bytes());
        put(&self.payload_crc.to_le_bytes());
        put(&self.bytes.to_le_bytes());
        put(&self.certified_error.to_le_bytes());
        put(&self.fingerprint);
        let crc = crc32fast::hash(&out[..CHECKED_BYTES]);
        out[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
        out
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
        let payload = &src[HEADER_BYTES..self.bytes as usize];
        if self.has(FLAG_CHECKSUM) && crc32fast::hash(payload) != self.payload_crc {
            return Err(Error::Corrupt { what: "payload checksum", at: HEADER_BYTES });
        }
        Ok(())
    }
}

/// Where the sections of a block lie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sections {
    pub skeleton: Range<usize>,
    pub scales: Range<usize>,
    pub reaches: Range<usize>,
    pub indices: Range<usize>,
    pub symbols: Range<usize>,
    pub slots: Range<usize>,
    pub raw: Range<usize>,
}

impl Sections {
    /// The sections that the counts in a header imply; `None` where a size overflows.
    pub fn of(header: &Header) -> Option<Self> {
        let (n, rank, k) = (header.n_rows as usize, usize::from(header.rank), header.n_centres as usize);
        let slots = header.slots as usize;
        let own =
            if header.has(FLAG_OWN_SKELETON) { own_skeleton_bytes(header.dim as usize, rank, k) } else { 0 };
        let mut at = HEADER_BYTES;
        let mut next = |len: usize| {
            let start = at;
            at = at.checked_add(len)?;
            Some(start..at)
        };
        Some(Self {
            skeleton: next(own)?,
            scales: next(n.checked_mul(2)?)?,
            reaches: next(if k > 0 { n } else { 0 })?,
            indices: next(bytes_for(n, index_bits(k.max(1)))?)?,
            symbols: next(bytes_for(n.checked_mul(rank)?, header.bits)?)?,
            slots: next(slots.checked_mul(header.slot_bytes())?)?,
            raw: next(slots.checked_mul(header.raw_row_bytes as usize)?)?,
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
            certified_error: 0.25,
            fingerprint: [9; 32],
        };
        header.bytes = Sections::of(&header).unwrap().raw.end as u64;
        header
    }

    fn padded(header: &Header) -> Vec<u8> {
        let mut bytes = header.write().to_vec();
        bytes.resize(header.bytes as usize, 0);
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
            ("flags", |h| h.flags |= 8),
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
