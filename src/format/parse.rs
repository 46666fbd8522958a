//! Reading the header of a block: nothing in it is believed before it has been checked.

use super::FORMAT_VERSION;
use super::bytes::Fields;
use super::header::{
    FLAG_ALLOCATED, FLAG_CHECKSUM, FLAG_OWN_SKELETON, FLAG_POSITIONS, FLAG_RAW, FLAG_RUNS, FLAG_TRELLIS,
    FLAG_WEIGHTS, HEADER_BYTES, Header, MAGIC, RAW_HEADER_BYTES, RAW_MAGIC,
};
use super::sections::Sections;
use crate::distortion::Objective;
use crate::error::{Error, Result};
use crate::params::{MAX_BITS, MAX_CENTRES, Preset};
use crate::tensor::layout::MAX_DIM;

impl Header {
    /// Parses and checks a header: magic, version, its checksum, and that the sizes it implies add up to
    /// `bytes`. Does not look past the header, except at the length. The version is checked before the
    /// checksum, so that a block of another version is not reported as damaged.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Truncated`] if `src` is shorter than the block, [`Error::WrongVersion`].
    pub fn parse(src: &[u8]) -> Result<Self> {
        let magic = &src[..src.len().min(4)];
        if !MAGIC.starts_with(magic) && !RAW_MAGIC.starts_with(magic) {
            return Err(Error::Corrupt { what: "magic of a block", at: 0 });
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

    /// The fields of a coded block, in the order of the format. They are not checked yet.
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
            fingerprint: fields.take_array(),
        };
        if header.has(FLAG_ALLOCATED) {
            (header.rows_per_run, header.row_bits) = (0, header.rows_per_run);
        }
        header
    }

    /// The fields of a raw block. Those that it does not store are 0, or follow from the others.
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
            fingerprint: fields.take_array(),
        };
        header.bytes = header.raw_bytes();
        header
    }

    /// Checks that the fields can belong together.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first field at fault.
    fn check(&self) -> Result<()> {
        let (raw, runs, allocated) = (self.has(FLAG_RAW), self.has(FLAG_RUNS), self.has(FLAG_ALLOCATED));
        let raw_flags = FLAG_CHECKSUM | FLAG_POSITIONS | FLAG_RAW;
        let (rank, n_centres) = (u32::from(self.rank), u32::from(self.n_centres));
        // Each entry: whether a field is wrong, its name, and its offset in the header of a coded block.
        let wrong = [
            (Preset::from_code(u32::from(self.preset)).is_err(), "preset", 6),
            (Objective::from_code(u32::from(self.distortion)).is_err(), "distortion", 7),
            (raw && self.flags & !raw_flags != 0, "flags", 8),
            (!runs && (self.has(FLAG_WEIGHTS) || self.has(FLAG_TRELLIS)), "flags", 8),
            (allocated && (runs || self.has(FLAG_OWN_SKELETON)), "flags", 8),
            (self.bits > MAX_BITS || (self.bits == 0) != (raw || runs || allocated), "bits", 9),
            (u32::from(self.row_bits) > u32::from(MAX_BITS) * rank, "bits of a row", 22),
            (rank > self.dim, "rank", 10),
            (self.n_rows == 0, "number of rows", 12),
            (self.dim == 0 || self.dim as usize > MAX_DIM, "dim", 16),
            (n_centres > MAX_CENTRES || (n_centres > 0 && rank == 0), "number of centres", 20),
            ((self.rows_per_run > 0) != runs, "rows per run", 22),
            (self.n_protected > self.slots.min(self.n_rows), "number of protected rows", 28),
            (!self.has(FLAG_CHECKSUM) && self.payload_crc != 0, "payload checksum", 36),
            (runs && !(self.step.is_normal() && self.step > 0.0), "step", 52),
            (!runs && self.step.to_bits() != 0, "step", 52),
        ];
        if let Some(&(_, what, at)) = wrong.iter().find(|(wrong, ..)| *wrong) {
            return Err(Error::Corrupt { what, at });
        }
        match Sections::of(self) {
            Some(sections) if sections.raw.end as u64 == self.bytes => Ok(()),
            _ => Err(Error::Corrupt { what: "size", at: 40 }),
        }
    }
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
