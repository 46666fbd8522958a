//! A profile: all that was fitted and measured for one model, in one piece.
//!
//! It has the streams into which the model's keys and values are divided, each with its layout, parameters
//! and skeleton. For the model as a whole it has a default step, a table of named qualities and a policy that
//! says what is not coded. From a stream and [`CodecOptions`] it makes a [`Codec`](crate::Codec). It is
//! immutable; a [`Builder`] makes it, or a changed copy of one. How it is saved is in `saved`.
//!
//! Tables of frequencies and skeletons are kept once, however many streams use them, and are named by index.
//! Whether such indices are in range is checked when a stream is added or read, and not again.

mod builder;
mod key;
mod model;
mod options;
mod saved;
mod stream;

pub use builder::Builder;
pub use key::{MAX_NUMBER, Part, StreamKey, Tensor};
pub use model::{MAX_DESCRIPTION, MAX_QUALITIES, NAME_BYTES, Policy, Quality};
pub(crate) use model::{check_step, description};
pub use options::CodecOptions;
pub use stream::{MAX_STEP_FACTOR, Stream};
pub(crate) use stream::{Piece, check_factor};

use crate::codec::check;
use crate::error::{Count, Error, Result, try_reserve};
use crate::shared::Shared;
use crate::skeleton::Skeleton;
use crate::tensor::layout::Layout;

/// A skeleton that streams share, with its [`Skeleton::id`], by which equal ones are found.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedSkeleton {
    /// BLAKE3 of its saved form.
    pub id: [u8; 32],
    /// The skeleton.
    pub skeleton: Shared<Skeleton>,
}

/// The contents of a profile, under construction or finished. A builder changes it, a [`Profile`] does not.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    /// Fingerprint of the model, made by whoever builds the profile; zeros if there is none.
    pub model: [u8; 32],
    pub description: String,
    /// 0 = that of each stream's parameters.
    pub default_step: f32,
    /// Inverse frequencies of rotary embeddings.
    pub tables: Vec<Vec<f32>>,
    pub skeletons: Vec<SharedSkeleton>,
    pub streams: Vec<Stream>,
    pub qualities: Vec<Quality>,
    pub policy: Policy,
}

impl Contents {
    /// Checks a stream on its own: a codec can be made from it. Its indices have to be in range.
    ///
    /// # Errors
    /// [`Error::BadParam`], [`Error::BadShape`], [`Error::Unsupported`], [`Error::OutOfMemory`]
    ///
    /// # Panics
    /// If an index of a table or a skeleton is out of range.
    pub fn check_stream(&self, stream: &Stream) -> Result<()> {
        check_factor(stream.step_factor)?;
        let layout = stream.layout(&self.tables)?;
        let skeleton = stream.skeleton.map(|index| &*self.skeletons[index].skeleton);
        check(&stream.params, stream.objective, layout.dim(), skeleton)
    }

    /// Checks what concerns more than one stream or quality: there is a stream, no tensor is in two of them,
    /// no stream is partly raw, and no two qualities have the same name.
    ///
    /// # Errors
    /// [`Error::BadShape`], [`Error::BadParam`], [`Error::OutOfMemory`]
    pub fn check(&self) -> Result<()> {
        if self.streams.is_empty() {
            return Err(Error::BadShape { what: "number of streams", got: 0, expected: Count::AtLeast(1) });
        }
        let n_tensors = self.streams.iter().map(|stream| stream.pieces.len()).sum();
        let mut tensors = try_reserve(n_tensors, "the profile")?;
        for stream in &self.streams {
            tensors.extend(stream.key.tensors().map(Tensor::order));
        }
        // Sorted, equal ones are neighbours. A forged profile may name millions, too many for comparing all
        // pairs.
        tensors.sort_unstable();
        if let Some(twice) = tensors.windows(2).find(|pair| pair[0] == pair[1]) {
            let expected = "layers whose tensors no other stream has";
            return Err(Error::BadParam {
                what: "layer of a stream",
                got: Tensor::layer_of_order(twice[0]) as f64,
                expected,
            });
        }
        // An engine keeps raw layers out of blocks. It cannot keep out a part of a row.
        for stream in &self.streams {
            let raw = |layer: &u32| self.policy.raw_layers().binary_search(layer).is_ok();
            let layers = stream.key.layers();
            if let Some(layer) = layers.iter().find(|layer| raw(layer) != raw(&layers[0])) {
                let expected = "raw together with the layers that it shares a stream with, or not raw";
                return Err(Error::BadParam { what: "a raw layer", got: f64::from(*layer), expected });
            }
        }
        if self.qualities.len() > MAX_QUALITIES {
            let (what, got) = ("number of qualities", self.qualities.len());
            return Err(Error::BadShape { what, got, expected: Count::AtMost(MAX_QUALITIES) });
        }
        for (index, quality) in self.qualities.iter().enumerate() {
            if self.qualities[..index].iter().any(|other| other.name() == quality.name()) {
                let expected = "a name that no other quality has";
                return Err(Error::BadParam { what: "name of quality", got: index as f64, expected });
            }
        }
        Ok(())
    }

    /// A copy, in which skeletons are shared. Not `Clone`, which aborts if memory is short.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    fn try_clone(&self) -> Result<Self> {
        let mut copy = Self {
            model: self.model,
            description: description(&self.description)?,
            default_step: self.default_step,
            tables: try_reserve(self.tables.len(), "the profile")?,
            skeletons: try_reserve(self.skeletons.len(), "the profile")?,
            streams: try_reserve(self.streams.len(), "the profile")?,
            qualities: try_reserve(self.qualities.len(), "the profile")?,
            policy: self.policy.try_clone()?,
        };
        for table in &self.tables {
            let mut values = try_reserve(table.len(), "the profile")?;
            values.extend_from_slice(table);
            copy.tables.push(values);
        }
        copy.skeletons.extend_from_slice(&self.skeletons);
        for stream in &self.streams {
            copy.streams.push(stream.try_clone()?);
        }
        copy.qualities.extend_from_slice(&self.qualities);
        Ok(copy)
    }
}

/// Everything that was fitted and measured for one model. Immutable, so threads can share it.
#[derive(Debug, PartialEq)]
pub struct Profile {
    pub(crate) contents: Contents,
    pub(crate) fingerprint: [u8; 32],
}

impl Profile {
    /// What ties the profile to its model, as given to the builder; zeros if nothing was.
    pub fn model(&self) -> &[u8; 32] {
        &self.contents.model
    }

    /// BLAKE3 of the saved form: equal profiles have equal fingerprints.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// A human-readable description.
    pub fn description(&self) -> &str {
        &self.contents.description
    }

    /// The step of streams if no other one is requested; 0 = that of their own parameters.
    pub fn default_step(&self) -> f32 {
        self.contents.default_step
    }

    /// The streams.
    pub fn streams(&self) -> &[Stream] {
        &self.contents.streams
    }

    /// The table of qualities.
    pub fn qualities(&self) -> &[Quality] {
        &self.contents.qualities
    }

    /// What is not coded.
    pub fn policy(&self) -> &Policy {
        &self.contents.policy
    }

    /// Stream `index`.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there is no such stream.
    pub fn stream(&self, index: usize) -> Result<&Stream> {
        let limit = self.streams().len();
        self.streams().get(index).ok_or(Error::BadShape {
            what: "index of a stream",
            got: index,
            expected: Count::Below(limit),
        })
    }

    /// The layout of the rows of a stream, with copies of its tables.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there is no such stream, [`Error::OutOfMemory`].
    pub fn layout(&self, stream: usize) -> Result<Layout> {
        self.stream(stream)?.layout(&self.contents.tables)
    }

    /// The skeleton of a stream; `None` if it has none.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there is no such stream.
    pub fn skeleton(&self, stream: usize) -> Result<Option<&SharedSkeleton>> {
        Ok(self.stream(stream)?.skeleton.map(|index| &self.contents.skeletons[index]))
    }

    /// A segment of a stream, and its inverse frequencies; none without a rotary embedding.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there is no such stream or segment.
    pub(crate) fn piece(&self, stream: usize, segment: usize) -> Result<(Piece, &[f32])> {
        let pieces = &self.stream(stream)?.pieces;
        let outside = Error::BadShape {
            what: "index of a segment",
            got: segment,
            expected: Count::Below(pieces.len()),
        };
        let piece = *pieces.get(segment).ok_or(outside)?;
        let table = piece.rope.map_or(&[][..], |(_, table)| &self.contents.tables[table]);
        Ok((piece, table))
    }

    /// The stream and the segment that hold a tensor.
    ///
    /// # Errors
    /// [`Error::NotInProfile`]
    pub fn find(&self, tensor: Tensor) -> Result<(usize, usize)> {
        let found = self.streams().iter().enumerate();
        let mut found = found.filter_map(|(index, stream)| Some((index, stream.key.segment_of(tensor)?)));
        found.next().ok_or(Error::NotInProfile { what: "tensor" })
    }
}
