//! Builds the codec of a stream from options.
//!
//! Streams differ in how sensitive the model is to their errors, so one step for all of them would waste
//! bits. Options name the step of the model; each stream multiplies it by its factor.

use super::{Profile, Quality};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::params::Params;
use crate::vector::tier::Tier;

/// What a codec is to aim at: an error, a number of bits, or a size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CodecOptions {
    /// The rate control of the stream's parameters; if that is a step, the profile's default step.
    Default,
    /// This step, times the factor of the stream. Streams of preset turbo or kakeya have none and stay as
    /// they are.
    Step(f32),
    /// A fixed rate of this many bits per component. Turns the trellis off, which needs a step.
    Bits(f32),
    /// Blocks of at most `bytes` bytes. The step is the finest one that fits and is not below `finest` times
    /// the factor of the stream.
    MaxBytes {
        /// Largest size of a block.
        bytes: usize,
        /// Finest step; `None` = that of [`CodecOptions::Default`], or as fine as fits if that has none.
        finest: Option<f32>,
    },
}

impl Profile {
    /// The entry of the table of qualities with this name.
    ///
    /// # Errors
    /// [`Error::NotInProfile`]
    pub fn quality(&self, name: &str) -> Result<&Quality> {
        let found = self.qualities().iter().find(|quality| quality.name() == name);
        found.ok_or(Error::NotInProfile { what: "quality" })
    }

    /// The parameters of the codec that [`Profile::codec`] makes.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there is no such stream; [`Error::BadParam`] or [`Error::Unsupported`] for
    /// options that the stream's preset does not have or that are out of range.
    pub fn codec_params(&self, stream: usize, options: CodecOptions) -> Result<Params> {
        self.stream(stream)?.params_for(options, self.default_step())
    }

    /// A codec for the rows of stream `stream`: the one that [`Codec::new`] makes of its parameters, layout
    /// and skeleton. Equal options give codecs that read each other's blocks.
    ///
    /// # Errors
    /// Those of [`Profile::codec_params`]; [`Error::OutOfMemory`].
    pub fn codec(&self, stream: usize, options: CodecOptions, tier: Tier) -> Result<Codec> {
        let params = self.codec_params(stream, options)?;
        let objective = self.stream(stream)?.objective;
        let skeleton = self.skeleton(stream)?.map(|shared| shared.skeleton.clone());
        Codec::new(params, objective, self.layout(stream)?, skeleton, tier)
    }
}
