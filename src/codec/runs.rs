//! Blocks at a step: runs of entropy-coded rows.
//!
//! A run is a `u16`, the number of components that are coded in it, then what the range coder wrote. Components
//! are sorted by their variance, so those whose values are all zero in a run lie at its end and cost nothing.
//! Within a row component `j` goes to lane `j mod 8`; rows follow each other.

use super::angles::Turn;
use super::row::{Kernel, RowCode, RowError, Scratch};
use super::search::{Attempt, finest_that_fits};
use super::transform::{PANEL, Panel, Passage, Transform};
use super::workspace::RunRoom;
use super::{Codec, Rows, Tally, Workspace};
use crate::distortion::{Distortion, NormMode};
use crate::error::{Error, Result, try_vec};
use crate::format::block::{FLAG_CHECKSUM, FLAG_POSITIONS, FLAG_WEIGHTS, Header, Sections};
use crate::format::bytes::Section;
use crate::pack::BitPacker;
use crate::params::RateControl;
use crate::rans::Encoder;
use crate::simd::dispatch;
use crate::skeleton::index_bits;
use crate::stepped::{BlockStep, RowStep, Stepper, log_mean, step_of_weight};
use crate::trellis::Stage;
use crc32fast::Hasher;
use fearless_simd::Simd;
use std::ops::Range;

impl Codec {
    /// Encodes a block at the codec's step, or at the finest step at which it is not larger than allowed; raw, if
    /// it would come out larger than that.
    pub(super) fn encode_runs<R: Distortion>(
        &self,
        (stepper, transform): (&Stepper, &Transform),
        workspace: &mut Workspace,
        rows: &Rows<'_>,
        dst: &mut [u8],
    ) -> Result<usize> {
        let skeleton = self.skeleton.as_deref().expect("rdo codes against a shared skeleton");
        let mut header = self.header(rows.n, skeleton.rank(), skeleton.n_centres())?;
        let mean = log_mean(rows.weights.unwrap_or_default());
        let step_of_row = |i: usize| rows.weights.map_or(0, |weights| step_of_weight(weights[i], mean));
        if (0..rows.n).any(|i| step_of_row(i) != 0) {
            header.flags |= FLAG_WEIGHTS;
        }
        // Without a rotary embedding positions mean nothing, even where the caller has some.
        let raw = header.to_raw(rows.positions.filter(|_| self.layout.needs_positions()));
        let (limit, got) = (raw.bytes as usize, dst.len());
        let kernel = self.shared_kernel(skeleton);
        let attempt = |step: f32, workspace: &mut Workspace, dst: &mut [u8]| {
            let quantizer = stepper.at(step);
            let pass = Pass { codec: self, transform, quantizer, kernel, rows, step_of_row: &step_of_row };
            let header = Header { step, ..header.clone() };
            let room = workspace.runs.as_mut().expect("the workspace was checked");
            stepper.whiten(step, &mut room.whiten[..skeleton.rank()]);
            dispatch!(self.tier.level(), simd => pass.run::<_, R>(simd, header, workspace, dst))
        };
        let settings = self.params.settings();
        let largest = self.largest_block();
        if settings.rate_control == RateControl::MaxBytes && got < largest.min(limit) {
            return Err(Error::DstTooSmall { need: largest.min(limit), got });
        }
        let first = if settings.step > 0.0 { settings.step } else { stepper.finest() };
        let coded = &mut dst[..limit.min(got).min(largest)];
        if let Some(size) = attempt(first, workspace, coded)?.size {
            return Ok(size);
        }
        if limit > largest {
            let encode = |step: f32| attempt(step, workspace, coded);
            return finest_that_fits(first, encode)?.ok_or(Error::MaxBytesNotMet { max_bytes: largest });
        }
        // What does not fit in as many bytes as the rows take raw is stored raw.
        let dst = dst.get_mut(..limit).ok_or(Error::DstTooSmall { need: limit, got })?;
        self.store_raw_block(raw, workspace, rows, dst)
    }
}

/// One pass over the rows of a block.
struct Pass<'a, F> {
    codec: &'a Codec,
    transform: &'a Transform,
    quantizer: BlockStep<'a>,
    kernel: Kernel<'a>,
    rows: &'a Rows<'a>,
    step_of_row: F,
}

impl<F: Fn(usize) -> i8> Pass<'_, &F> {
    /// Writes the block to the start of `dst`, if it fits.
    #[inline(always)]
    fn run<S: Simd, R: Distortion>(
        &self,
        simd: S,
        mut header: Header,
        workspace: &mut Workspace,
        dst: &mut [u8],
    ) -> Result<Attempt> {
        let mut attempt = Attempt::default();
        let n = self.rows.n;
        let rank = self.kernel.skeleton.rank();
        let Workspace { row, scratch, bytes, runs, turn, .. } = workspace;
        let row = &mut row[..self.codec.layout.dim()];
        let room = runs.as_mut().expect("the workspace was checked");
        room.raw[..n].fill(false);
        // The sizes of the parts in front do not depend on what comes after them.
        header.bytes = dst.len() as u64;
        let Some(sections) = Sections::of(&header) else { return Ok(attempt) };
        let (head, mut payload) = dst.split_at_mut(header.header_bytes());
        let checksum = header.has(FLAG_CHECKSUM);
        let mut split = |len: usize| Section::split(&mut payload, len, checksum);
        let (mut gains, mut steps) = (split(sections.gains.len()), split(sections.steps.len()));
        let (mut reaches, mut indices) = (split(sections.reaches.len()), split(sections.indices.len()));
        let mut ends = split(sections.run_ends.len());
        let mut rest = split(sections.runs.len() + sections.slots.len() + sections.raw.len());

        let width = index_bits(usize::from(header.n_centres).max(1));
        let (mut packed_gains, mut packed_indices) = (BitPacker::default(), BitPacker::default());
        let mut tally = Tally::default();
        let per_run = usize::from(header.rows_per_run);
        let mut at = 0_u32;
        for first in (0..n).step_by(per_run) {
            let count = per_run.min(n - first);
            let mut live = 0;
            for begin in (first..first + count).step_by(PANEL) {
                let rows = begin..(begin + PANEL).min(first + count);
                let at = begin - first;
                let scratch = (&mut *scratch, &mut *turn);
                self.panel::<S, R>(simd, rows.clone(), at, room, scratch, &mut attempt, &mut tally)?;
                for (r, i) in rows.enumerate() {
                    let values = &room.values[(at + r) * rank..(at + r + 1) * rank];
                    live = live.max(values.iter().rposition(|&value| value != 0).map_or(0, |last| last + 1));
                    let (step, code) = (room.steps[at + r], room.panel.codes[r]);
                    let code = if room.raw[i] { RowCode::default() } else { code };
                    let len = packed_gains.push(&[step.gain], 4, bytes);
                    gains.put(&bytes[..len]);
                    if header.has(FLAG_WEIGHTS) {
                        steps.put(&step.step.to_le_bytes());
                    }
                    if header.n_centres > 0 {
                        reaches.put(&[code.reach]);
                        let len =
                            if width > 0 { packed_indices.push(&[code.centre], width, bytes) } else { 0 };
                        indices.put(&bytes[..len]);
                    }
                }
            }
            attempt.live |= live > 0;
            let Some(run) = self.code(room, count, live) else { return Ok(attempt) };
            if rest.room() < run.len() + 2 {
                return Ok(attempt);
            }
            rest.put(&(live as u16).to_le_bytes());
            rest.put(run);
            let Some(end) = at.checked_add(run.len() as u32 + 2) else { return Ok(attempt) };
            at = end;
            ends.put(&at.to_le_bytes());
        }
        packed_gains.finish().iter().for_each(|byte| gains.put(&[*byte]));
        packed_indices.finish().iter().for_each(|byte| indices.put(&[*byte]));

        let raw = &room.raw[..n];
        header.slots = raw.iter().filter(|&&raw| raw).count() as u32;
        header.n_protected = header.slots;
        let after = header.slots as usize * (header.slot_bytes() + header.raw_row_bytes as usize);
        if rest.room() < after {
            return Ok(attempt);
        }
        for i in (0..n).filter(|&i| raw[i]) {
            rest.put(&(i as u32).to_le_bytes());
            if header.has(FLAG_POSITIONS) {
                rest.put(&self.rows.positions.map_or(0, |positions| positions[i]).to_le_bytes());
            }
        }
        for i in (0..n).filter(|&i| raw[i]) {
            let error = self.codec.assembly().put_raw(simd, self.rows, i, row, bytes, &mut rest);
            self.codec.check_rounding(self.rows, i, error)?;
        }
        header.bytes = (sections.runs.start + rest.written()) as u64;
        header.certified_error = tally.certificate(self.codec.objective);
        let mut crc = Hasher::new();
        for section in [gains, steps, reaches, indices, ends] {
            section.finish(0, &mut crc);
        }
        rest.end(&mut crc);
        header.payload_crc = crc.finalize();
        header.write(head);
        attempt.size = Some(header.bytes as usize);
        Ok(attempt)
    }

    /// Quantises a panel of rows, whose values are those from row `at` of the run on. What cannot be coded, or misses the
    /// bound that was asked for, is marked raw.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "what a pass has at hand")]
    fn panel<S: Simd, R: Distortion>(
        &self,
        simd: S,
        rows: Range<usize>,
        at: usize,
        room: &mut RunRoom,
        (scratch, turn): (&mut Scratch, &mut Turn),
        attempt: &mut Attempt,
        tally: &mut Tally,
    ) -> Result<()> {
        let (rank, count) = (self.kernel.skeleton.rank(), rows.len());
        let RunRoom { values, steps, raw, whiten, stages, panel, .. } = room;
        let passage = Passage { transform: self.transform, kernel: self.kernel, quantizer: self.quantizer };
        let (values, steps) = (&mut values[at * rank..][..count * rank], &mut steps[at..][..count]);
        let raw = &mut raw[rows.clone()];
        let mut coded = [false; PANEL];
        for (r, i) in rows.clone().enumerate() {
            coded[r] = self.codec.assembly().load(simd, self.rows, i, passage.row(panel, r), turn)?;
            raw[r] = !coded[r];
            steps[r] = RowStep { gain: 0, step: (self.step_of_row)(i) };
        }
        passage.analyse(simd, panel, (&coded[..count], steps), scratch);
        passage.begin(panel);
        for (r, values) in values.chunks_exact_mut(rank).enumerate() {
            if coded[r] {
                let (z, unit) = passage.coefficients(panel, r);
                steps[r].gain = self.quantizer.gain(simd, z, unit, whiten, &mut scratch.q);
                coded[r] = self.quantizer.quantize(z, unit, steps[r], values, stages).is_some();
            }
            if coded[r] {
                let live = values.iter().rposition(|&value| value != 0).map_or(0, |last| last + 1);
                let (bins, points) = (&mut panel.bins[..live], &mut panel.points[..live]);
                self.quantizer.codes(steps[r], bins);
                self.quantizer.points(&values[..live], bins, points);
                passage.put(panel, r, steps[r], panel.codes[r], live);
            }
        }
        passage.synthesise(simd, panel, &coded[..count]);
        for (r, (i, values)) in rows.zip(values.chunks_exact_mut(rank)).enumerate() {
            if coded[r] {
                let (x, back) = passage.both(panel, r);
                let error = self.kernel.measure::<R>(x, back, &mut scratch.deviation);
                if self.missed::<R>(error) {
                    (attempt.missed, coded[r]) = (true, false);
                } else {
                    tally.add(self.rows.weight(i), error);
                }
            }
            if !coded[r] {
                raw[r] = true;
                values.fill(0);
                steps[r].gain = 0;
            }
        }
        Ok(())
    }

    /// Whether a row misses the bound that was asked for; it is then stored raw.
    fn missed<R: Distortion>(&self, error: RowError) -> bool {
        let bound = f64::from(self.codec.params.settings().max_abs_error);
        R::NORM_MODE == NormMode::Search && bound > 0.0 && error.absolute > bound
    }

    /// Entropy-codes `count` rows of values, `live` of each; `None` where they outgrow the buffer.
    #[inline(always)]
    fn code<'r>(&self, room: &'r mut RunRoom, count: usize, live: usize) -> Option<&'r [u8]> {
        let rank = self.kernel.skeleton.rank();
        let mut encoder = Encoder::new(&mut room.coded);
        let mut binned = None;
        for r in (0..count).rev() {
            let bins = &mut room.panel.bins[..live];
            if binned != Some(room.steps[r]) {
                self.quantizer.codes(room.steps[r], bins);
                binned = Some(room.steps[r]);
            }
            self.quantizer.put(&mut encoder, &room.values[r * rank..][..live], bins, &mut room.sets)?;
        }
        Some(encoder.finish())
    }
}

impl RunRoom {
    /// Room for the runs of a codec.
    pub fn new(
        transform: &Transform,
        rank: usize,
        rows_per_run: usize,
        max_rows: usize,
        trellis: bool,
    ) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let rows = rows_per_run.min(max_rows);
        let stages = if trellis { rank } else { 0 };
        Ok(Self {
            whiten: try_vec(rank, 0.0, WHAT)?,
            stages: try_vec(stages, Stage::default(), WHAT)?,
            sets: try_vec(stages, 0, WHAT)?,
            values: try_vec(rows * rank, 0, WHAT)?,
            steps: try_vec(rows, RowStep::default(), WHAT)?,
            coded: try_vec(Self::coded_bytes(rows, rank), 0, WHAT)?,
            raw: try_vec(max_rows, false, WHAT)?,
            panel: Panel::new(transform, max_rows)?,
        })
    }

    /// Bytes of [`RunRoom::new`].
    pub fn bytes(
        transform: &Transform,
        rank: usize,
        rows_per_run: usize,
        max_rows: usize,
        trellis: bool,
    ) -> Option<usize> {
        let rows = rows_per_run.min(max_rows);
        let stages = if trellis { rank * (size_of::<Stage>() + 1) } else { 0 };
        let row = 4 * rank + stages + Panel::bytes(transform, max_rows);
        (row + rows * (4 * rank + size_of::<RowStep>()) + Self::coded_bytes(rows, rank)).checked_add(max_rows)
    }

    /// Four bytes a value is what it takes raw; a run that needs more is not worth coding.
    fn coded_bytes(rows: usize, rank: usize) -> usize {
        4 * rows * rank + 128
    }
}
