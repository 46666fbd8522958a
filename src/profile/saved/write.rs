//! Writes the saved form of a profile, piece by piece.
//!
//! One function writes it to a closure, and serves three purposes: to copy the pieces, to hash them, and to
//! count their bytes. So size, bytes and fingerprint cannot disagree, and no buffer for the whole is needed.

use super::{CRC_BYTES, HEADER_BYTES, MAGIC, NONE, SECTION_BYTES, TAGS};
use crate::error::{Result, try_vec};
use crate::format::FORMAT_VERSION;
use crate::params::Settings;
use crate::profile::{Contents, Piece, Stream};

/// Index of the section of skeletons among [`TAGS`].
const SKELETONS: usize = 2;

impl Contents {
    /// BLAKE3 of the saved form.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        self.write(|bytes| {
            hasher.update(bytes);
        })?;
        Ok(*hasher.finalize().as_bytes())
    }

    /// Size of the saved form.
    pub fn saved_bytes(&self) -> usize {
        HEADER_BYTES + self.sections().iter().map(|size| SECTION_BYTES + size).sum::<usize>() + CRC_BYTES
    }

    /// Sizes of the contents of the sections. That of the skeletons is computed, because saving them
    /// allocates; the others are small enough to be written just to count.
    fn sections(&self) -> [usize; TAGS.len()] {
        std::array::from_fn(|index| {
            if index == SKELETONS {
                let saved = self.skeletons.iter().map(|shared| 8 + shared.skeleton.saved_bytes());
                return 4 + saved.sum::<usize>();
            }
            let mut size = 0;
            self.write_small(index, &mut |bytes| size += bytes.len());
            size
        })
    }

    /// Hands the saved form to `put`, in pieces.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn write(&self, mut put: impl FnMut(&[u8])) -> Result<()> {
        let mut crc = crc32fast::Hasher::new();
        let mut both = |bytes: &[u8]| {
            crc.update(bytes);
            put(bytes);
        };
        both(&MAGIC);
        both(&FORMAT_VERSION.to_le_bytes());
        both(&[0; 2]);
        both(&(self.saved_bytes() as u64).to_le_bytes());
        for (index, (tag, size)) in TAGS.iter().zip(self.sections()).enumerate() {
            both(tag);
            both(&(size as u64).to_le_bytes());
            match index {
                SKELETONS => self.write_skeletons(&mut both)?,
                _ => self.write_small(index, &mut both),
            }
        }
        put(&crc.finalize().to_le_bytes());
        Ok(())
    }

    /// The contents of the section of skeletons. They are saved one at a time, so memory for one of them is
    /// enough.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    fn write_skeletons(&self, put: &mut impl FnMut(&[u8])) -> Result<()> {
        put_count(self.skeletons.len(), put);
        for shared in &self.skeletons {
            let size = shared.skeleton.saved_bytes();
            let mut saved = try_vec(size, 0, "the saved skeleton")?;
            shared.skeleton.save(&mut saved)?;
            put(&(size as u64).to_le_bytes());
            put(&saved);
        }
        Ok(())
    }

    /// The contents of a section other than that of the skeletons. Cannot fail.
    fn write_small(&self, index: usize, put: &mut impl FnMut(&[u8])) {
        match &TAGS[index] {
            b"MODL" => {
                put(&self.model);
                put(&self.default_step.to_le_bytes());
                put_count(self.description.len(), put);
                put(self.description.as_bytes());
            }
            b"FREQ" => {
                put_count(self.tables.len(), put);
                for table in &self.tables {
                    put_count(table.len(), put);
                    table.iter().for_each(|value| put(&value.to_le_bytes()));
                }
            }
            b"STRM" => {
                put_count(self.streams.len(), put);
                self.streams.iter().for_each(|stream| write_stream(stream, put));
            }
            b"QUAL" => {
                put_count(self.qualities.len(), put);
                for quality in &self.qualities {
                    put(quality.name_bytes());
                    put(&quality.step.to_le_bytes());
                    put(&quality.mean_kld.to_le_bytes());
                    put(&quality.bpv.to_le_bytes());
                }
            }
            _ => {
                put(&self.policy.n_sinks.to_le_bytes());
                put(&self.policy.n_recent.to_le_bytes());
                put_count(self.policy.raw_layers().len(), put);
                self.policy.raw_layers().iter().for_each(|layer| put(&layer.to_le_bytes()));
            }
        }
    }
}

/// A stream: key, objective, parameters, factor, skeleton, segments.
fn write_stream(stream: &Stream, put: &mut impl FnMut(&[u8])) {
    put(&[stream.key.part().code()]);
    put_count(stream.key.layers().len(), put);
    put_count(stream.key.heads().len(), put);
    stream.key.layers().iter().chain(stream.key.heads()).for_each(|number| put(&number.to_le_bytes()));
    put(&[stream.objective.code()]);
    write_settings(stream.params.settings(), put);
    put(&stream.step_factor.to_le_bytes());
    put(&stream.skeleton.map_or(NONE, |index| index as u32).to_le_bytes());
    stream.pieces.iter().for_each(|piece| write_piece(piece, put));
}

/// Parameters. The numbers are in the order of the fingerprint of a codec.
fn write_settings(settings: &Settings, put: &mut impl FnMut(&[u8])) {
    let codes = [settings.preset.code(), settings.rate_control.code(), settings.nan_policy.code()];
    put(&codes);
    put(&[u8::from(settings.checksum)]);
    settings.write_numbers(put);
}

/// A segment, of 14 bytes. Without a rotary embedding its rule is 0 and its table is [`NONE`].
fn write_piece(piece: &Piece, put: &mut impl FnMut(&[u8])) {
    let (rope, table) = piece.rope.map_or((0, NONE), |(pairing, table)| (pairing.code(), table as u32));
    put(&(piece.dim as u32).to_le_bytes());
    put(&piece.gain.to_le_bytes());
    put(&[piece.raw_dtype.code() as u8, rope]);
    put(&table.to_le_bytes());
}

/// A count, as u32. All counts are bounded by what memory holds and by the limits of the constructors.
fn put_count(count: usize, put: &mut impl FnMut(&[u8])) {
    put(&(count as u32).to_le_bytes());
}
