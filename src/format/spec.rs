//! What a codec fixes for all its blocks. A block's header is made from it before encoding, and checked
//! against it before decoding.
//!
//! Fields that the fingerprint already decides are compared all the same. Decoding trusts them afterwards,
//! and a forged header may carry the right fingerprint.

use super::header::{
    FLAG_ALLOCATED, FLAG_CHECKSUM, FLAG_OWN_SKELETON, FLAG_POSITIONS, FLAG_RAW, FLAG_RUNS, FLAG_TRELLIS,
    FLAG_WEIGHTS, Header,
};
use super::sections::Sections;
use crate::distortion::Objective;
use crate::error::{Count, Error, Result};
use crate::params::{Params, Preset, RateControl};
use crate::tensor::layout::Layout;

/// The size of a block does not fit in a `usize`.
pub(crate) const TOO_LARGE: Error = Error::OutOfRange { what: "the block" };

/// The fields of a header that do not depend on the block, and what bounds the others.
#[derive(Debug, Clone)]
pub(crate) struct BlockSpec {
    preset: u8,
    distortion: u8,
    /// Flags of a coded block, without the one that its rows decide (that weights moved steps).
    flags: u8,
    bits: u8,
    row_bits: u16,
    dim: u32,
    rows_per_run: u16,
    slots: u32,
    raw_row_bytes: u32,
    step: f32,
    /// Whether the encoder searches for the step of each block, so that it is not fixed.
    finds_step: bool,
    /// Largest size of a block.
    pub max_bytes: usize,
    /// Rank and number of centres: those of the shared skeleton, or the largest that a block's own may have.
    shape: (usize, usize),
    /// Whether each block brings its own skeleton.
    own_skeleton: bool,
    fingerprint: [u8; 32],
}

impl BlockSpec {
    /// What parameters, objective and layout fix. `shared` is the rank and number of centres of the skeleton
    /// that blocks share, if they share one; `row_bits` the bits of a row, if components have different
    /// numbers of bits. All of them have been checked to fit their fields.
    pub fn new(
        params: &Params,
        objective: Objective,
        layout: &Layout,
        shared: Option<(usize, usize)>,
        row_bits: Option<usize>,
        fingerprint: [u8; 32],
    ) -> Self {
        let settings = params.settings();
        let runs = settings.preset == Preset::Rdo && settings.rate_control != RateControl::Bits;
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let max_rank = match settings.max_rank {
            0 => layout.dim(),
            limit => layout.dim().min(limit as usize),
        };
        Self {
            preset: settings.preset.code(),
            distortion: objective.code(),
            flags: flag(settings.checksum, FLAG_CHECKSUM)
                | flag(shared.is_none(), FLAG_OWN_SKELETON)
                | flag(layout.needs_positions(), FLAG_POSITIONS)
                | flag(runs, FLAG_RUNS)
                | flag(settings.effort > 0, FLAG_TRELLIS)
                | flag(row_bits.is_some(), FLAG_ALLOCATED),
            bits: params.bits(),
            row_bits: row_bits.unwrap_or(0) as u16,
            dim: layout.dim() as u32,
            rows_per_run: if runs { settings.rows_per_run as u16 } else { 0 },
            slots: if runs { 0 } else { settings.max_protected as u32 },
            raw_row_bytes: layout.raw_row_bytes() as u32,
            step: settings.step,
            finds_step: settings.rate_control == RateControl::MaxBytes,
            max_bytes: if settings.max_bytes == 0 { usize::MAX } else { settings.max_bytes },
            shape: shared.unwrap_or((max_rank, settings.kmeans_k as usize)),
            own_skeleton: shared.is_none(),
            fingerprint,
        }
    }

    /// BLAKE3 of everything that decides what a block means.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether blocks are entropy-coded in runs.
    fn has_runs(&self) -> bool {
        self.flags & FLAG_RUNS != 0
    }

    /// The largest rank and number of centres of the skeleton of a block of `n` rows.
    pub fn largest_shape(&self, n: usize) -> (usize, usize) {
        let (rank, centres) = self.shape;
        // The rows of a block span no more directions than there are rows.
        if self.own_skeleton { (rank.min(n), centres) } else { (rank, centres) }
    }

    /// The header of a block of `n` rows before it is encoded, with a skeleton of the given rank and number
    /// of centres. With runs its size is 0, because it is not known yet.
    ///
    /// # Errors
    /// [`Error::BadShape`] for 0 or more than 2³² − 1 rows, [`Error::OutOfRange`] if the size overflows.
    pub fn header(&self, n: usize, (rank, n_centres): (usize, usize)) -> Result<Header> {
        let count = |expected| Error::BadShape { what: "number of rows", got: n, expected };
        if n == 0 {
            return Err(count(Count::AtLeast(1)));
        }
        let mut header = Header {
            preset: self.preset,
            distortion: self.distortion,
            flags: self.flags,
            bits: self.bits,
            rank: rank as u16,
            n_centres: n_centres as u16,
            n_rows: u32::try_from(n).map_err(|_| count(Count::AtMost(u32::MAX as usize)))?,
            dim: self.dim,
            rows_per_run: self.rows_per_run,
            row_bits: self.row_bits,
            slots: self.slots,
            n_protected: 0,
            raw_row_bytes: self.raw_row_bytes,
            payload_crc: 0,
            bytes: 0,
            certified_error: 0.0,
            step: self.step,
            first_position: 0,
            fingerprint: self.fingerprint,
        };
        if !self.has_runs() {
            header.bytes = Sections::of(&header).ok_or(TOO_LARGE)?.raw.end as u64;
        }
        Ok(header)
    }

    /// Size in bytes of the largest block of `n` rows: its exact size at a fixed rate, unless the block
    /// brings its own skeleton. Never falls as `n` grows, so a buffer for the most rows is large enough for
    /// fewer.
    ///
    /// # Errors
    /// Those of [`BlockSpec::header`].
    pub fn largest_block(&self, n: usize) -> Result<usize> {
        let header = self.header(n, self.largest_shape(n))?;
        if !self.has_runs() {
            return Ok(header.bytes as usize);
        }
        // A block that would be larger than its rows raw is stored raw, at worst with a position for each
        // row.
        let positions = if self.flags & FLAG_POSITIONS != 0 { n.checked_mul(4) } else { Some(0) };
        let raw = usize::try_from(header.to_raw(None).bytes).ok();
        let raw = raw.zip(positions).and_then(|(raw, positions)| raw.checked_add(positions));
        Ok(raw.ok_or(TOO_LARGE)?.min(self.max_bytes))
    }
}

impl Header {
    /// Checks that a codec of this specification wrote the block.
    ///
    /// # Errors
    /// [`Error::WrongCodec`] if the fingerprint differs, with the first eight bytes of both. The fingerprint
    /// decides most other fields: if one of those differs although it is equal, the header was forged, and
    /// the block is [`Error::Corrupt`].
    pub(crate) fn matches(&self, spec: &BlockSpec) -> Result<()> {
        if self.fingerprint != spec.fingerprint {
            let start = |id: &[u8; 32]| id[..8].iter().fold(0, |start, &byte| start << 8 | u64::from(byte));
            let (got, want) = (start(&self.fingerprint), start(&spec.fingerprint));
            return Err(Error::WrongCodec { what: "fingerprint", got, want });
        }
        let same = self.preset == spec.preset
            && self.distortion == spec.distortion
            && self.dim == spec.dim
            && self.raw_row_bytes == spec.raw_row_bytes;
        let fits = if self.has(FLAG_RAW) { self.fits_raw(spec) } else { self.fits_coded(spec) };
        if same && fits {
            return Ok(());
        }
        Err(Error::Corrupt { what: "a header that its codec would not write", at: 0 })
    }

    /// Whether the codec would write such a raw block. Only rows and positions are free; only codecs with
    /// runs store whole blocks raw.
    fn fits_raw(&self, spec: &BlockSpec) -> bool {
        let free = spec.flags & FLAG_POSITIONS;
        spec.has_runs() && self.flags & !free == (spec.flags & FLAG_CHECKSUM) | FLAG_RAW
    }

    /// Whether the fields of a coded block are those of the codec. What depends on the rows is free: their
    /// number, how many are raw, error and checksum. With runs, also the size, whether weights moved the
    /// steps, and the step if the encoder searches for it. With an own skeleton, also its shape, up to the
    /// largest one.
    fn fits_coded(&self, spec: &BlockSpec) -> bool {
        let shape = (usize::from(self.rank), usize::from(self.n_centres));
        let most = spec.largest_shape(self.n_rows as usize);
        let shape_fits =
            if spec.own_skeleton { shape.0 <= most.0 && shape.1 <= most.1 } else { shape == most };
        let free = if spec.has_runs() { FLAG_WEIGHTS } else { 0 };
        shape_fits
            && self.flags & !free == spec.flags
            && self.bits == spec.bits
            && self.row_bits == spec.row_bits
            && self.rows_per_run == spec.rows_per_run
            && (spec.has_runs() || self.slots == spec.slots)
            && (spec.finds_step || self.step == spec.step)
    }
}
