//! A stream of a profile: rows of one kind, and how they are coded.
//!
//! Tables of inverse frequencies and skeletons belong to the profile, so that streams share them; a stream
//! names them by their index.

use super::key::StreamKey;
use super::model::check_step;
use super::options::CodecOptions;
use crate::distortion::Objective;
use crate::error::{Count, Error, Result, try_reserve};
use crate::params::{Params, Preset, RateControl};
use crate::tensor::dtype::Dtype;
use crate::tensor::layout::{Layout, Segment};
use crate::tensor::rope::{Pairing, Rope};

/// Largest factor on the step of a stream, and the inverse of the smallest one. A sensible step times it
/// stays a normal number.
pub const MAX_STEP_FACTOR: f32 = 65_536.0;

/// A [`Segment`] whose inverse frequencies lie in a table of the profile: layers mostly share one table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Piece {
    pub dim: usize,
    pub gain: f32,
    pub raw_dtype: Dtype,
    /// Rule, and index of the table.
    pub rope: Option<(Pairing, usize)>,
}

impl Piece {
    /// The segment, with a copy of its table; `tables` are the profile's.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    fn segment(&self, tables: &[Vec<f32>]) -> Result<Segment> {
        let rope = match self.rope {
            None => None,
            Some((pairing, table)) => {
                let table = &tables[table];
                let mut inv_freq = try_reserve(table.len(), "the layout")?;
                inv_freq.extend_from_slice(table);
                Some(Rope { pairing, inv_freq })
            }
        };
        Ok(Segment { dim: self.dim, gain: self.gain, raw_dtype: self.raw_dtype, rope })
    }
}

/// Rows of one kind: which tensors they are made of, and how they are coded.
#[derive(Debug, PartialEq)]
pub struct Stream {
    pub(crate) key: StreamKey,
    pub(crate) params: Params,
    pub(crate) objective: Objective,
    pub(crate) step_factor: f32,
    /// Index of the skeleton in the profile.
    pub(crate) skeleton: Option<usize>,
    /// One for each tensor of the key, in its order.
    pub(crate) pieces: Vec<Piece>,
}

impl Stream {
    /// The tensors that rows are made of.
    pub fn key(&self) -> &StreamKey {
        &self.key
    }

    /// Parameters, before a step or a rate is chosen.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What blocks are optimised for.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// The factor on the model's step for this stream: below 1 for one whose errors hurt more than those of
    /// others.
    pub fn step_factor(&self) -> f32 {
        self.step_factor
    }

    /// Coordinates of a row.
    pub fn dim(&self) -> usize {
        self.pieces.iter().map(|piece| piece.dim).sum()
    }

    /// Bytes of a row that is stored raw.
    pub fn raw_row_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.dim * piece.raw_dtype.size()).sum()
    }

    /// Whether any segment needs positions.
    pub fn needs_positions(&self) -> bool {
        self.pieces.iter().any(|piece| piece.rope.is_some())
    }

    /// A copy. Not `Clone`, which aborts if memory is short.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let mut pieces = try_reserve(self.pieces.len(), "the profile")?;
        pieces.extend_from_slice(&self.pieces);
        Ok(Self { key: self.key.try_clone()?, params: self.params.clone(), pieces, ..*self })
    }

    /// The layout; `tables` are the profile's. It has one segment for every tensor of the key.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there are more or fewer segments, or those of [`Layout::new`].
    pub(crate) fn layout(&self, tables: &[Vec<f32>]) -> Result<Layout> {
        let (got, limit) = (self.pieces.len(), self.key.n_segments());
        if got != limit {
            return Err(Error::BadShape {
                what: "number of segments of a stream",
                got,
                expected: Count::Is(limit),
            });
        }
        let mut segments = try_reserve(got, "the layout")?;
        for piece in &self.pieces {
            segments.push(piece.segment(tables)?);
        }
        Layout::new(segments)
    }

    /// The parameters that options select; `default_step` is the model's, 0 = the stream's own.
    ///
    /// # Errors
    /// [`Error::BadParam`] or [`Error::Unsupported`] for options that do not fit the stream.
    pub(crate) fn params_for(&self, options: CodecOptions, default_step: f32) -> Result<Params> {
        if let CodecOptions::Step(step) | CodecOptions::MaxBytes { finest: Some(step), .. } = options {
            check_step(step, "step")?;
        }
        let mut settings = self.params.settings().clone();
        let rdo = settings.preset == Preset::Rdo;
        let own = if default_step > 0.0 { default_step } else { settings.step };
        // What the options do not name is reset, so that nothing of the stream's own rate control is left.
        let mut at = |step: f32, rate_control, max_bytes| {
            settings.step = step * self.step_factor;
            (settings.rate_control, settings.max_bytes) = (rate_control, max_bytes);
        };
        match options {
            CodecOptions::Default if self.params.settings().rate_control == RateControl::Step => {
                at(own, RateControl::Step, 0);
            }
            CodecOptions::Step(step) if rdo => at(step, RateControl::Step, 0),
            CodecOptions::MaxBytes { bytes, finest } => {
                at(finest.unwrap_or(own), RateControl::MaxBytes, bytes);
            }
            CodecOptions::Bits(bits) => {
                at(0.0, RateControl::Bits, 0);
                (settings.bits, settings.effort) = (bits, 0);
            }
            // Streams without a step are left as they are, so that one call can set a whole profile.
            CodecOptions::Default | CodecOptions::Step(_) => {}
        }
        Params::new(settings)
    }
}

/// Checks the factor on a stream's step.
///
/// # Errors
/// [`Error::BadParam`]
pub(crate) fn check_factor(factor: f32) -> Result<()> {
    if (1.0 / MAX_STEP_FACTOR..=MAX_STEP_FACTOR).contains(&factor) {
        return Ok(());
    }
    let expected = "a number from 1/65536 to 65536";
    Err(Error::BadParam { what: "step_factor", got: f64::from(factor), expected })
}
