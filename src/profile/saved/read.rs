//! Reads the saved form of a profile: every index, count and value is checked before it is used.
//!
//! Values go through the constructors that callers of the library use, so a file cannot contain what the
//! builder would refuse. Only the error differs: bytes that are refused are corrupt.

use super::{NONE, TAGS};
use crate::distortion::Objective;
use crate::error::{Error, Result, try_reserve};
use crate::format::reader::Reader;
use crate::params::{NanPolicy, Params, Preset, RateControl, Settings};
use crate::profile::{Contents, Part, Piece, Policy, Quality, SharedSkeleton, Stream, StreamKey};
use crate::profile::{check_step, description};
use crate::shared::Shared;
use crate::skeleton::Skeleton;
use crate::tensor::dtype::Dtype;
use crate::tensor::layout::MAX_DIM;
use crate::tensor::rope::Pairing;

/// Bytes of a segment of a stream.
const SEGMENT_BYTES: usize = 14;
/// Bytes of the smallest stream: key, parameters, factor and skeleton, one segment. Such smallest sizes bound
/// the memory that a count can reserve.
const SMALLEST_STREAM: usize = 17 + 65 + 8 + SEGMENT_BYTES;
/// Bytes of a quality.
const QUALITY_BYTES: usize = 52;
/// Bytes of the smallest skeleton: its size and its header.
const SMALLEST_SKELETON: usize = 8 + 24;

impl Contents {
    /// Reads the sections, in their order: streams refer to tables and skeletons that were read before them.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::OutOfMemory`]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut contents = Self::default();
        for tag in &TAGS {
            if reader.take_array()? != *tag {
                return reader.corrupt("tag of a section");
            }
            let size = reader.size()?;
            let at = reader.offset();
            let section = &mut Reader::new(reader.bytes(size)?, at);
            match tag {
                b"MODL" => contents.read_model(section)?,
                b"FREQ" => contents.read_tables(section)?,
                b"SKEL" => contents.read_skeletons(section)?,
                b"STRM" => contents.read_streams(section)?,
                b"QUAL" => contents.read_qualities(section)?,
                _ => contents.read_policy(section)?,
            }
            // A section that is longer than its contents is refused, like one that is shorter.
            section.end()?;
        }
        reader.end()?;
        reader.checked(contents.check(), "streams or qualities that contradict each other")?;
        Ok(contents)
    }

    /// Section MODL: fingerprint of the model, default step, description.
    fn read_model(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.model = reader.take_array()?;
        self.default_step = reader.f32()?;
        // By bits: −0 is not a way to write 0.
        if self.default_step.to_bits() != 0 {
            reader.checked(check_step(self.default_step, "default step"), "default step")?;
        }
        let len = reader.count(1)?;
        let bytes = reader.bytes(len)?;
        let Ok(text) = std::str::from_utf8(bytes) else { return reader.corrupt("description") };
        self.description = reader.checked(description(text), "description")?;
        Ok(())
    }

    /// Section FREQ: tables of inverse frequencies. A table has at most one per two coordinates of the
    /// longest row.
    fn read_tables(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (n_tables, tables) = reader.room(4)?;
        self.tables = tables;
        for _ in 0..n_tables {
            let len = reader.count(4)?;
            if len > MAX_DIM / 2 {
                return reader.corrupt("size of a table of frequencies");
            }
            let mut table = try_reserve(len, "the profile")?;
            table
                .extend(reader.bytes(4 * len)?.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)));
            if table.iter().any(|frequency: &f32| !frequency.is_finite()) {
                return reader.corrupt("a frequency");
            }
            self.tables.push(table);
        }
        Ok(())
    }

    /// Section SKEL: saved skeletons, each with its size. Their own checksums are checked as well.
    fn read_skeletons(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (n_skeletons, skeletons) = reader.room(SMALLEST_SKELETON)?;
        self.skeletons = skeletons;
        for _ in 0..n_skeletons {
            let size = reader.size()?;
            let saved = reader.bytes(size)?;
            let skeleton = Shared::new(reader.checked(Skeleton::load(saved), "a skeleton")?)?;
            self.skeletons.push(SharedSkeleton { id: skeleton.id()?, skeleton });
        }
        Ok(())
    }

    /// Section STRM: streams, each with its segments.
    fn read_streams(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (n_streams, streams) = reader.room(SMALLEST_STREAM)?;
        self.streams = streams;
        for _ in 0..n_streams {
            let key = read_key(reader)?;
            let (params, objective) = read_params(reader)?;
            let step_factor = reader.f32()?;
            let skeleton = read_index(reader, self.skeletons.len(), "index of a skeleton")?;
            let mut pieces = try_reserve(key.n_segments(), "the profile")?;
            for _ in 0..key.n_segments() {
                pieces.push(self.read_piece(reader)?);
            }
            let stream = Stream { key, params, objective, step_factor, skeleton, pieces };
            reader.checked(self.check_stream(&stream), "a stream that contradicts itself")?;
            self.streams.push(stream);
        }
        Ok(())
    }

    /// A segment of a stream. It has a rule for pairs if and only if it has a table of frequencies.
    fn read_piece(&self, reader: &mut Reader<'_>) -> Result<Piece> {
        let (dim, gain) = (reader.u32()? as usize, reader.f32()?);
        let raw_dtype = Dtype::from_code(u32::from(reader.u8()?), "raw type");
        let raw_dtype = reader.checked(raw_dtype, "raw type of a segment")?;
        let pairing = match reader.u8()? {
            0 => None,
            code => {
                let pairing = Pairing::from_code(u32::from(code));
                Some(reader.checked(pairing, "rotary embedding of a segment")?)
            }
        };
        let table = read_index(reader, self.tables.len(), "index of a table of frequencies")?;
        if pairing.is_some() != table.is_some() {
            return reader.corrupt("rotary embedding of a segment");
        }
        Ok(Piece { dim, gain, raw_dtype, rope: pairing.zip(table) })
    }

    /// Section QUAL: the table of qualities.
    fn read_qualities(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (n_qualities, qualities) = reader.room(QUALITY_BYTES)?;
        self.qualities = qualities;
        for _ in 0..n_qualities {
            let quality = Quality::new(reader.take_array()?, reader.f32()?, reader.f64()?, reader.f64()?);
            self.qualities.push(reader.checked(quality, "a quality")?);
        }
        Ok(())
    }

    /// Section PLCY: sinks, recent rows, raw layers.
    fn read_policy(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let (n_sinks, n_recent) = (reader.u32()?, reader.u32()?);
        let n_raw = reader.count(4)?;
        let policy = Policy::new(n_sinks, n_recent, &reader.numbers(n_raw)?);
        self.policy = reader.checked(policy, "raw layers")?;
        Ok(())
    }
}

/// An index below `len`, or none.
///
/// # Errors
/// [`Error::Corrupt`]
fn read_index(reader: &mut Reader<'_>, len: usize, what: &'static str) -> Result<Option<usize>> {
    match reader.u32()? {
        NONE => Ok(None),
        index if (index as usize) < len => Ok(Some(index as usize)),
        _ => reader.corrupt(what),
    }
}

/// The tensors of a stream.
fn read_key(reader: &mut Reader<'_>) -> Result<StreamKey> {
    let part = Part::from_code(u32::from(reader.u8()?));
    let part = reader.checked(part, "part of a stream")?;
    let (n_layers, n_heads) = (reader.u32()? as usize, reader.u32()? as usize);
    let (layers, heads) = (reader.numbers(n_layers)?, reader.numbers(n_heads)?);
    reader.checked(StreamKey::new(&layers, &heads, part), "layers or heads of a stream")
}

/// Objective and parameters of a stream. Fields are evaluated in the order in which they are stored.
fn read_params(reader: &mut Reader<'_>) -> Result<(Params, Objective)> {
    let objective = Objective::from_code(u32::from(reader.u8()?));
    let objective = reader.checked(objective, "distortion of a stream")?;
    let preset = Preset::from_code(u32::from(reader.u8()?));
    let preset = reader.checked(preset, "preset of a stream")?;
    let rate_control = RateControl::from_code(u32::from(reader.u8()?));
    let rate_control = reader.checked(rate_control, "rate control of a stream")?;
    let nan_policy = if read_flag(reader)? { NanPolicy::Raw } else { NanPolicy::Reject };
    let settings = Settings {
        preset,
        rate_control,
        nan_policy,
        checksum: read_flag(reader)?,
        bits: reader.f32()?,
        step: reader.f32()?,
        max_abs_error: reader.f32()?,
        variance_ratio: reader.f32()?,
        rows_per_run: reader.u32()?,
        max_rank: reader.u32()?,
        kmeans_k: reader.u32()?,
        kmeans_iters: reader.u32()?,
        effort: reader.u32()?,
        max_bytes: reader.size()?,
        max_protected: reader.size()?,
        seed: reader.u64()?,
    };
    Ok((reader.checked(Params::new(settings), "parameters of a stream")?, objective))
}

/// A byte that is 0 or 1. Other values would be a second way to write `true`.
///
/// # Errors
/// [`Error::Corrupt`]
fn read_flag(reader: &mut Reader<'_>) -> Result<bool> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::Corrupt { what: "a flag", at: reader.offset() }),
    }
}
