//! Writing the saved form of a profile, piece by piece.

use super::{CRC_BYTES, HEADER_BYTES, MAGIC, NONE, SECTION_BYTES, TAGS};
use crate::error::{Result, try_vec};
use crate::format::FORMAT_VERSION;
use crate::params::{NanPolicy, Settings};
use crate::profile::{Contents, Piece, Stream};
use crate::rope::Pairing;

/// Place of the section of skeletons.
const SKELETONS: usize = 2;

impl Contents {
    /// BLAKE3 of the saved form.
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

    /// Sizes of the contents of the sections.
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

    /// Hands the saved form to `put`.
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

    /// The contents of the section of skeletons. They are saved one at a time in memory of their own.
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

    /// The contents of a section other than that of the skeletons.
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

fn write_settings(settings: &Settings, put: &mut impl FnMut(&[u8])) {
    let nan_policy = u8::from(settings.nan_policy == NanPolicy::Raw);
    put(&[settings.preset.code(), settings.rate_control.code(), nan_policy, u8::from(settings.checksum)]);
    for value in [settings.bits, settings.step, settings.max_abs_error, settings.variance_ratio] {
        put(&value.to_le_bytes());
    }
    for value in [settings.rows_per_run, settings.max_rank, settings.kmeans_k, settings.kmeans_iters] {
        put(&value.to_le_bytes());
    }
    put(&settings.effort.to_le_bytes());
    put(&(settings.max_bytes as u64).to_le_bytes());
    put(&(settings.max_protected as u64).to_le_bytes());
    put(&settings.seed.to_le_bytes());
}

fn write_piece(piece: &Piece, put: &mut impl FnMut(&[u8])) {
    let (rope, table) = match piece.rope {
        None => (0, NONE),
        Some((Pairing::Neox, table)) => (1, table as u32),
        Some((Pairing::Interleaved, table)) => (2, table as u32),
    };
    put(&(piece.dim as u32).to_le_bytes());
    put(&piece.gain.to_le_bytes());
    put(&[piece.raw_dtype.code() as u8, rope]);
    put(&table.to_le_bytes());
}

fn put_count(count: usize, put: &mut impl FnMut(&[u8])) {
    put(&(count as u32).to_le_bytes());
}
