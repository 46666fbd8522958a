//! Encodes rows of engine tensors into a block: checks, then the coder.
//!
//! The distortion is a type parameter of the fixed-rate kernel, because it decides the inner loop of each
//! row's scale. At a step it decides only what is measured, so one instance serves all three.

use super::coder::Coder;
use super::{Codec, Workspace};
use crate::distortion::{Distortion, InnerProduct, LInf, MSE, Objective};
use crate::error::{Count, Error, Result};
use crate::fixed::Fixed;
use crate::fixed::encode::{FixedEncode, PassScratch};
use crate::fixed::kernel::Kernel;
use crate::format::BlockWriter;
use crate::format::header::{FLAG_WEIGHTS, Header};
use crate::params::RateControl;
use crate::skeleton::Skeleton;
use crate::stepped::Stepped;
use crate::stepped::encode::{StepEncode, StepScratch};
use crate::stepped::search::finest_that_fits;
use crate::tensor::rows::Rows;

impl Codec {
    /// Encodes `rows` to the start of `dst` and returns the size of the block. `dst` is written, never read.
    ///
    /// Allocates nothing, except if the block brings its own skeleton.
    ///
    /// # Errors
    /// [`Error::BadShape`], [`Error::BadWeight`], [`Error::Missing`] or [`Error::OtherWorkspace`] for
    /// arguments that do not fit; [`Error::DstTooSmall`]; [`Error::NotFinite`], [`Error::NoRawSlot`],
    /// [`Error::BoundNotMet`], [`Error::RawNotExact`] or [`Error::MaxBytesNotMet`] for rows that cannot be
    /// coded as the parameters ask.
    pub fn encode(&self, workspace: &mut Workspace, rows: &Rows<'_>, dst: &mut [u8]) -> Result<usize> {
        if rows.n == 0 {
            return Err(Error::BadShape { what: "number of rows", got: 0, expected: Count::AtLeast(1) });
        }
        workspace.check(self, rows.n, self.spec.largest_shape(rows.n))?;
        workspace.turn.reset();
        rows.check(&self.layout)?;
        match (&self.coder, self.objective) {
            (Coder::Stepped(stepped, skeleton), _) => {
                self.encode_stepped(stepped, skeleton, workspace, rows, dst)
            }
            (Coder::Fixed(fixed, skeleton), Objective::Mse) => {
                self.encode_fixed::<MSE>(fixed, skeleton.as_deref(), workspace, rows, dst)
            }
            (Coder::Fixed(fixed, skeleton), Objective::InnerProduct) => {
                self.encode_fixed::<InnerProduct>(fixed, skeleton.as_deref(), workspace, rows, dst)
            }
            (Coder::Fixed(fixed, skeleton), Objective::LInf) => {
                self.encode_fixed::<LInf>(fixed, skeleton.as_deref(), workspace, rows, dst)
            }
        }
    }

    /// Encodes at a fixed rate. The size of the block is known before the first row, unless the block brings
    /// its own skeleton, which is then fitted first.
    ///
    /// # Errors
    /// Those of [`Codec::encode`], except for [`Error::MaxBytesNotMet`].
    fn encode_fixed<R: Distortion>(
        &self,
        fixed: &Fixed,
        skeleton: Option<&Skeleton>,
        workspace: &mut Workspace,
        rows: &Rows<'_>,
        dst: &mut [u8],
    ) -> Result<usize> {
        let Workspace { row, scratch, turn, bytes, group, room, .. } = workspace;
        let row = &mut row[..self.layout.dim()];
        let (level, settings) = (self.tier.level(), self.params.settings());
        let kernel = match skeleton {
            Some(skeleton) => self.shared_kernel(fixed, skeleton),
            None => {
                let own = room.own_skeleton()?;
                own.fit(level, self.access(), &self.params, rows, (row, turn))?;
                Kernel { frame: self.frame(&own.skeleton), rotation: &own.rotation, grid: &fixed.grid }
            }
        };
        let used = kernel.frame.skeleton;
        let header = self.spec.header(rows.n, (used.rank(), used.n_centres()))?;
        let too_small = Error::DstTooSmall { need: header.bytes as usize, got: dst.len() };
        let mut writer = BlockWriter::new(header, dst).ok_or(too_small)?;
        if skeleton.is_none() {
            used.write_parts(|part| writer.skeleton.put_bytes(part));
        }
        let (bound, slots) = (settings.max_abs_error, settings.max_protected);
        let pass = FixedEncode::new(self.access(), kernel, rows, bound, slots);
        let tally = pass.run::<R>(level, PassScratch { row, scratch, bytes, turn, group }, &mut writer)?;
        Ok(writer.finish(&tally, self.objective))
    }

    /// Encodes at the codec's step or, if the size is limited, at the finest step that keeps to it. A block
    /// that would be larger than its rows raw is stored raw.
    ///
    /// # Errors
    /// Those of [`Codec::encode`], except for [`Error::NoRawSlot`] and [`Error::BoundNotMet`]: runs have as
    /// many slots as they need.
    fn encode_stepped(
        &self,
        stepped: &Stepped,
        skeleton: &Skeleton,
        workspace: &mut Workspace,
        rows: &Rows<'_>,
        dst: &mut [u8],
    ) -> Result<usize> {
        let Workspace { row, scratch, turn, bytes, room, .. } = workspace;
        let (row, runs) = (&mut row[..self.layout.dim()], room.runs()?);
        let settings = self.params.settings();
        let (access, frame) = (self.access(), self.frame(skeleton));
        let bound = settings.max_abs_error;
        let encode = StepEncode::new(access, stepped, frame, self.objective, rows, bound);
        let mut header = self.spec.header(rows.n, (skeleton.rank(), skeleton.n_centres()))?;
        if encode.has_weights() {
            header.flags |= FLAG_WEIGHTS;
        }
        // Without a rotary embedding positions mean nothing, even if the caller has some.
        let raw = header.to_raw(rows.positions.filter(|_| self.layout.needs_positions()));
        let (limit, got, largest) = (raw.bytes as usize, dst.len(), self.spec.max_bytes);
        // Checked before anything is tried: what fits must not depend on how large the buffer happens to be.
        if settings.rate_control == RateControl::MaxBytes && got < largest.min(limit) {
            return Err(Error::DstTooSmall { need: largest.min(limit), got });
        }
        let first = if settings.step > 0.0 { settings.step } else { stepped.stepper.finest() };
        // An attempt that leaves this slice gives up early, since the block would be stored raw or coarser
        // anyway.
        let coded = &mut dst[..limit.min(got).min(largest)];
        let mut attempt = |step: f32| {
            let scratch = StepScratch { row, scratch, bytes, turn, runs };
            encode.attempt(self.tier.level(), Header { step, ..header.clone() }, scratch, coded)
        };
        if let Some(size) = attempt(first)?.size {
            return Ok(size);
        }
        if limit > largest {
            return finest_that_fits(first, attempt)?.ok_or(Error::MaxBytesNotMet { max_bytes: largest });
        }
        // It was larger than the rows raw, or than the destination, which this call then reports.
        self.store_raw_block(raw, rows, (row, bytes, turn), dst)
    }
}
