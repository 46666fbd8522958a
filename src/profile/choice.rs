//! From a stream and a wish to a codec.

use super::{Profile, Quality};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::params::Params;
use crate::simd::Tier;

/// What a caller wants of the streams of a profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// The rate control of the stream's parameters, at the profile's default step where that is a step.
    Default,
    /// This step, times the factor of the stream. Streams of preset turbo or kakeya have none and stay as they are.
    Step(f32),
    /// A fixed rate of this many bits per component.
    Bits(f32),
    /// Blocks of at most `bytes` bytes, at the finest step that fits from `finest` on, times the factor of the stream.
    MaxBytes {
        /// Largest size of a block.
        bytes: usize,
        /// Finest step; `None` = the one of [`Choice::Default`], or as fine as fits where that is none.
        finest: Option<f32>,
    },
}

impl Profile {
    /// The entry that the table of qualities has under a name.
    pub fn quality(&self, name: &str) -> Result<&Quality> {
        let found = self.qualities().iter().find(|quality| quality.name() == name);
        found.ok_or(Error::NotInProfile { what: "quality" })
    }

    /// The parameters of the codec that [`Profile::codec`] makes.
    pub fn chosen_params(&self, stream: usize, choice: Choice) -> Result<Params> {
        self.stream(stream)?.chosen(choice, self.default_step())
    }

    /// A codec for the rows of stream `stream`: the one that [`Codec::new`] makes of its parameters, layout and
    /// skeleton.
    pub fn codec(&self, stream: usize, choice: Choice, tier: Tier) -> Result<Codec> {
        let params = self.chosen_params(stream, choice)?;
        let objective = self.stream(stream)?.objective;
        let skeleton = self.skeleton(stream)?.map(|shared| shared.skeleton.clone());
        Codec::new(params, objective, self.layout(stream)?, skeleton, tier)
    }
}
