//! Puts a profile together, or a changed copy of one.
//!
//! Streams are checked one by one as they are added, so an error names the call at fault. What concerns
//! several of them is checked at the end, because calls may come in any order: raw layers may be named before
//! their streams.

use super::{Contents, MAX_QUALITIES, Piece, Policy, Profile, Quality, SharedSkeleton, Stream, StreamKey};
use super::{check_step, description};
use crate::distortion::Objective;
use crate::error::{Count, Error, Result, try_reserve};
use crate::params::Params;
use crate::shared::Shared;
use crate::skeleton::Skeleton;
use crate::tensor::layout::{Layout, Segment};

/// A profile under construction. A call that fails leaves it as it was, also if memory was short.
#[derive(Debug, Default)]
pub struct Builder {
    contents: Contents,
}

impl Builder {
    /// A builder without streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder that starts with the contents of `profile`. Skeletons are shared, not copied.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub fn from_profile(profile: &Profile) -> Result<Self> {
        Ok(Self { contents: profile.contents.try_clone()? })
    }

    /// Adds a stream with a step factor of 1 and returns its index.
    ///
    /// `layout` has one segment for every tensor of `key`, in its order. Layout, parameters, objective and
    /// skeleton are those that the codec would be made from. Equal tables of frequencies and equal skeletons
    /// are kept once.
    ///
    /// # Errors
    /// [`Error::BadShape`], [`Error::BadParam`] or [`Error::Unsupported`] if they do not fit together;
    /// [`Error::OutOfMemory`].
    pub fn add(
        &mut self,
        key: StreamKey,
        layout: &Layout,
        skeleton: Option<Shared<Skeleton>>,
        params: Params,
        objective: Objective,
    ) -> Result<usize> {
        // Tables and skeletons have to be in place before the stream can be checked, since it names them by
        // index. If it is refused, those that came with it are taken out again. New ones are always at the
        // end, and the stream itself is added last, so cutting off the ends undoes everything.
        let before = (self.contents.tables.len(), self.contents.skeletons.len());
        let added = self.try_add(key, layout, skeleton, params, objective);
        if added.is_err() {
            self.contents.tables.truncate(before.0);
            self.contents.skeletons.truncate(before.1);
        }
        added
    }

    /// [`Builder::add`], which after an error may leave tables and skeletons that no stream uses.
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
            pieces.push(self.piece_of(segment)?);
        }
        let skeleton = skeleton.map(|skeleton| self.share_skeleton(skeleton)).transpose()?;
        let stream = Stream { key, params, objective, step_factor: 1.0, skeleton, pieces };
        self.contents.check_stream(&stream)?;
        try_push(&mut self.contents.streams, stream)?;
        Ok(self.contents.streams.len() - 1)
    }

    /// The segment as a piece. Its table of frequencies is added to those of the profile unless an equal one
    /// exists.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    fn piece_of(&mut self, segment: &Segment) -> Result<Piece> {
        let tables = &mut self.contents.tables;
        let mut rope = None;
        if let Some(rule) = &segment.rope {
            // Compared bit by bit: −0 equals 0 but is not saved alike.
            let bits = |table: &Vec<f32>| {
                table.iter().map(|f| f.to_bits()).eq(rule.inv_freq.iter().map(|f| f.to_bits()))
            };
            let known = tables.iter().position(bits);
            let index = known.unwrap_or(tables.len());
            if known.is_none() {
                let mut table = try_reserve(rule.inv_freq.len(), "the profile")?;
                table.extend_from_slice(&rule.inv_freq);
                try_push(tables, table)?;
            }
            rope = Some((rule.pairing, index));
        }
        Ok(Piece { dim: segment.dim, gain: segment.gain, raw_dtype: segment.raw_dtype, rope })
    }

    /// The index of the skeleton among those of the profile, to which it is added unless an equal one exists.
    /// The same object passed again is found without hashing it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    fn share_skeleton(&mut self, skeleton: Shared<Skeleton>) -> Result<usize> {
        let skeletons = &mut self.contents.skeletons;
        if let Some(index) = skeletons.iter().position(|shared| Shared::ptr_eq(&shared.skeleton, &skeleton)) {
            return Ok(index);
        }
        let id = skeleton.id()?;
        if let Some(index) = skeletons.iter().position(|shared| shared.id == id) {
            return Ok(index);
        }
        try_push(skeletons, SharedSkeleton { id, skeleton })?;
        Ok(skeletons.len() - 1)
    }

    /// Changes parameters and objective of a stream, or the factor on its step. `None` leaves them as they
    /// are.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there is no such stream; [`Error::BadParam`] or [`Error::Unsupported`] if the
    /// new values do not fit it; [`Error::OutOfMemory`].
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
        // A copy is changed and checked, so that the stream stays as it is if the check fails.
        let mut changed = stream.try_clone()?;
        if let Some(params) = params {
            (changed.params, changed.objective) = params;
        }
        changed.step_factor = step_factor.unwrap_or(changed.step_factor);
        self.contents.check_stream(&changed)?;
        self.contents.streams[index] = changed;
        Ok(())
    }

    /// Ties the profile to a model. The library does not compute the fingerprint; engines compare it.
    pub fn set_model(&mut self, fingerprint: [u8; 32]) {
        self.contents.model = fingerprint;
    }

    /// Replaces the human-readable description.
    ///
    /// # Errors
    /// [`Error::BadShape`] if it is too long, [`Error::BadParam`] for a zero byte, [`Error::OutOfMemory`].
    pub fn set_description(&mut self, text: &str) -> Result<()> {
        self.contents.description = description(text)?;
        Ok(())
    }

    /// Replaces the default step; 0 = that of each stream's parameters.
    ///
    /// # Errors
    /// [`Error::BadParam`]
    pub fn set_step(&mut self, step: f32) -> Result<()> {
        if step.to_bits() != 0 {
            check_step(step, "default step")?;
        }
        self.contents.default_step = step;
        Ok(())
    }

    /// Replaces the table of qualities.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there are too many, [`Error::OutOfMemory`].
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

    /// The profile. The builder keeps its contents, and can be changed and finished again. There must be a
    /// stream, no tensor may be in two streams, the layers of a stream are all raw or none is, and names of
    /// qualities differ.
    ///
    /// # Errors
    /// [`Error::BadShape`], [`Error::BadParam`], [`Error::OutOfMemory`]
    pub fn finish(&self) -> Result<Profile> {
        self.contents.check()?;
        let contents = self.contents.try_clone()?;
        let fingerprint = contents.fingerprint()?;
        Ok(Profile { contents, fingerprint })
    }
}

/// Appends a value. `Vec::push` would abort if memory is short.
///
/// # Errors
/// [`Error::OutOfMemory`]
fn try_push<T>(to: &mut Vec<T>, value: T) -> Result<()> {
    if to.try_reserve(1).is_err() {
        return Err(Error::OutOfMemory { what: "the profile", bytes: size_of::<T>() });
    }
    to.push(value);
    Ok(())
}
