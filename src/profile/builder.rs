//! Putting a profile together, or a changed copy of one.

use super::{Contents, MAX_QUALITIES, Piece, Policy, Profile, Quality, SharedSkeleton, Stream, StreamKey};
use super::{check_step, description};
use crate::Shared;
use crate::codec::Objective;
use crate::error::{Count, Error, Result, try_reserve};
use crate::layout::{Layout, Segment};
use crate::params::Params;
use crate::skeleton::Skeleton;

/// A profile under construction. A call that fails leaves it as it was.
#[derive(Debug, Default)]
pub struct Builder {
    contents: Contents,
}

impl Builder {
    /// A builder without streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder that has all that `profile` has. Skeletons are shared, not copied.
    pub fn from_profile(profile: &Profile) -> Result<Self> {
        Ok(Self { contents: profile.contents.try_clone()? })
    }

    /// Adds a stream with a step factor of 1 and returns its index.
    ///
    /// `layout` has one segment for every tensor of `key`, in its order; layout, parameters, objective and skeleton
    /// are what the codec would be made from. Equal tables of frequencies and equal skeletons are kept once.
    pub fn add(
        &mut self,
        key: StreamKey,
        layout: &Layout,
        skeleton: Option<Shared<Skeleton>>,
        params: Params,
        objective: Objective,
    ) -> Result<usize> {
        let before = (self.contents.tables.len(), self.contents.skeletons.len());
        let added = self.try_add(key, layout, skeleton, params, objective);
        if added.is_err() {
            self.contents.tables.truncate(before.0);
            self.contents.skeletons.truncate(before.1);
        }
        added
    }

    fn try_add(
        &mut self,
        key: StreamKey,
        layout: &Layout,
        skeleton: Option<Shared<Skeleton>>,
        params: Params,
        objective: Objective,
    ) -> Result<usize> {
        let mut pieces = try_reserve(layout.segments().len(), "the profile")?;
        for segment in layout.segments() {
            pieces.push(self.piece(segment)?);
        }
        let skeleton = skeleton.map(|skeleton| self.share(skeleton)).transpose()?;
        let stream = Stream { key, params, objective, step_factor: 1.0, skeleton, pieces };
        self.contents.check_stream(&stream)?;
        push(&mut self.contents.streams, stream)?;
        Ok(self.contents.streams.len() - 1)
    }

    /// The segment, with its table of frequencies among those of the profile.
    fn piece(&mut self, segment: &Segment) -> Result<Piece> {
        let tables = &mut self.contents.tables;
        let mut rope = None;
        if let Some(rule) = &segment.rope {
            // Bit by bit: a zero has two signs.
            let bits = |table: &Vec<f32>| {
                table.iter().map(|f| f.to_bits()).eq(rule.inv_freq.iter().map(|f| f.to_bits()))
            };
            let known = tables.iter().position(bits);
            let index = known.unwrap_or(tables.len());
            if known.is_none() {
                let mut table = try_reserve(rule.inv_freq.len(), "the profile")?;
                table.extend_from_slice(&rule.inv_freq);
                push(tables, table)?;
            }
            rope = Some((rule.pairing, index));
        }
        Ok(Piece { dim: segment.dim, gain: segment.gain, raw_dtype: segment.raw_dtype, rope })
    }

    /// The index of the skeleton among those of the profile.
    fn share(&mut self, skeleton: Shared<Skeleton>) -> Result<usize> {
        let skeletons = &mut self.contents.skeletons;
        if let Some(index) = skeletons.iter().position(|shared| Shared::ptr_eq(&shared.skeleton, &skeleton)) {
            return Ok(index);
        }
        let id = skeleton.id()?;
        if let Some(index) = skeletons.iter().position(|shared| shared.id == id) {
            return Ok(index);
        }
        push(skeletons, SharedSkeleton { id, skeleton })?;
        Ok(skeletons.len() - 1)
    }

    /// Changes parameters and objective of a stream, or the factor on its step; `None` leaves either as it is.
    pub fn set_stream(
        &mut self,
        index: usize,
        params: Option<(Params, Objective)>,
        step_factor: Option<f32>,
    ) -> Result<()> {
        let limit = self.contents.streams.len();
        let stream = self.contents.streams.get(index);
        let stream = stream.ok_or(Error::BadShape {
            what: "index of a stream",
            got: index,
            expected: Count::Below(limit),
        })?;
        let mut changed = stream.try_clone()?;
        if let Some(params) = params {
            (changed.params, changed.objective) = params;
        }
        changed.step_factor = step_factor.unwrap_or(changed.step_factor);
        self.contents.check_stream(&changed)?;
        self.contents.streams[index] = changed;
        Ok(())
    }

    /// Ties the profile to a model.
    pub fn set_model(&mut self, fingerprint: [u8; 32]) {
        self.contents.model = fingerprint;
    }

    /// Replaces the text for people.
    pub fn set_description(&mut self, text: &str) -> Result<()> {
        self.contents.description = description(text)?;
        Ok(())
    }

    /// Replaces the default step; 0 = that of each stream's parameters.
    pub fn set_step(&mut self, step: f32) -> Result<()> {
        if step.to_bits() != 0 {
            check_step(step, "default step")?;
        }
        self.contents.default_step = step;
        Ok(())
    }

    /// Replaces the table of qualities.
    pub fn set_qualities(&mut self, qualities: &[Quality]) -> Result<()> {
        if qualities.len() > MAX_QUALITIES {
            let (what, got) = ("number of qualities", qualities.len());
            return Err(Error::BadShape { what, got, expected: Count::AtMost(MAX_QUALITIES) });
        }
        let mut table = try_reserve(qualities.len(), "the profile")?;
        table.extend_from_slice(qualities);
        self.contents.qualities = table;
        Ok(())
    }

    /// Replaces the policy.
    pub fn set_policy(&mut self, policy: Policy) {
        self.contents.policy = policy;
    }

    /// The profile; the builder keeps what it has. There must be a stream, no tensor may be in two of them, a
    /// stream is of raw layers or of others, and names of qualities differ.
    pub fn finish(&self) -> Result<Profile> {
        self.contents.check()?;
        let contents = self.contents.try_clone()?;
        let fingerprint = contents.fingerprint()?;
        Ok(Profile { contents, fingerprint })
    }
}

/// Appends, or reports that memory is short.
fn push<T>(to: &mut Vec<T>, value: T) -> Result<()> {
    if to.try_reserve(1).is_err() {
        return Err(Error::OutOfMemory { what: "the profile", bytes: size_of::<T>() });
    }
    to.push(value);
    Ok(())
}
