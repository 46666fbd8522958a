//! Blocks at a step: runs of entropy-coded rows.
//!
//! A run is a `u16`, the number of components that are coded in it, then what the range coder wrote. Components
//! are sorted by their variance, so those whose values are all zero in a run lie at its end and cost nothing.
//! Within a row component `j` goes to lane `j mod 8`; rows follow each other.

use super::row::{Kernel, RowCode, RowError, Scratch};
use super::search::{Attempt, finest_that_fits};
use super::workspace::RunRoom;
use super::{Codec, Rows, Tally, Workspace};
use crate::distortion::{Distortion, NormMode};
use crate::error::{Error, Result, try_vec};
use crate::format::block::{FLAG_CHECKSUM, FLAG_POSITIONS, FLAG_WEIGHTS, Header, Sections};
use crate::format::bytes::Section;
use crate::layout::Views;
use crate::pack::BitPacker;
use crate::params::RateControl;
use crate::rans::{Encoder, LANES};
use crate::skeleton::index_bits;
use crate::stepped::{BlockStep, RowStep, Stepper, log_mean, step_of_weight};
use crate::trellis::{Stage, Walk};
use crc32fast::Hasher;
use fearless_simd::dispatch;

impl Codec {
    /// Encodes a block at the codec's step, or at the finest step at which it is not larger than allowed; raw, if
    /// it would come out larger than that.
    pub(super) fn encode_runs<R: Distortion, V: Views + ?Sized>(
        &self,
        stepper: &Stepper,
        workspace: &mut Workspace,
        rows: &Rows<'_, V>,
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
            let pass = Pass { codec: self, quantizer, kernel, rows, step_of_row: &step_of_row };
            let header = Header { step, ..header.clone() };
            let room = workspace.runs.as_mut().expect("the workspace was checked");
            stepper.whiten(step, &mut room.whiten[..skeleton.rank()]);
            dispatch!(self.tier.level(), _token => pass.run::<R>(header, workspace, dst))
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
struct Pass<'a, V: ?Sized, S> {
    codec: &'a Codec,
    quantizer: BlockStep<'a>,
    kernel: Kernel<'a>,
    rows: &'a Rows<'a, V>,
    step_of_row: S,
}

impl<V: Views + ?Sized, S: Fn(usize) -> i8> Pass<'_, V, &S> {
    /// Writes the block to the start of `dst`, if it fits.
    #[inline(always)]
    fn run<R: Distortion>(
        &self,
        mut header: Header,
        workspace: &mut Workspace,
        dst: &mut [u8],
    ) -> Result<Attempt> {
        let mut attempt = Attempt::default();
        let n = self.rows.n;
        let rank = self.kernel.skeleton.rank();
        let Workspace { row, scratch, bytes, runs, .. } = workspace;
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
            for r in 0..count {
                let i = first + r;
                let values = &mut room.values[r * rank..(r + 1) * rank];
                let (mut step, mut code) =
                    (RowStep { gain: 0, step: (self.step_of_row)(i) }, RowCode::default());
                if self.codec.assembly().load(self.rows, i, row)? {
                    room.raw[i] = true;
                } else {
                    match self.quantize::<R>(
                        row,
                        &mut step,
                        scratch,
                        values,
                        (&room.whiten, &mut room.stages),
                    ) {
                        None => room.raw[i] = true,
                        Some((used, error)) => {
                            code = used;
                            room.raw[i] = self.missed::<R>(error);
                            if room.raw[i] {
                                attempt.missed = true;
                            } else {
                                tally.add(self.rows.weight(i), error);
                            }
                        }
                    }
                }
                if room.raw[i] {
                    values.fill(0);
                    (step.gain, code) = (0, RowCode::default());
                }
                live = live.max(values.iter().rposition(|&value| value != 0).map_or(0, |last| last + 1));
                room.steps[r] = step;
                let len = packed_gains.push(&[step.gain], 4, bytes);
                gains.put(&bytes[..len]);
                if header.has(FLAG_WEIGHTS) {
                    steps.put(&step.step.to_le_bytes());
                }
                if header.n_centres > 0 {
                    reaches.put(&[code.reach]);
                    let len = if width > 0 { packed_indices.push(&[code.centre], width, bytes) } else { 0 };
                    indices.put(&bytes[..len]);
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
            let error = self.codec.assembly().put_raw(self.rows, i, row, bytes, &mut rest)?;
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

    /// Quantises a row; `None` where that is beyond the coder, and the row is stored raw.
    #[inline(always)]
    fn quantize<R: Distortion>(
        &self,
        x: &[f32],
        step: &mut RowStep,
        scratch: &mut Scratch,
        values: &mut [i32],
        (whiten, stages): (&[f32], &mut [Stage]),
    ) -> Option<(RowCode, RowError)> {
        let rank = values.len();
        let (unit, code) = self.kernel.analyse(x, scratch);
        let z = &mut scratch.z[..rank];
        step.gain = self.quantizer.gain(z, unit, whiten, &mut scratch.q);
        self.quantizer.quantize(z, unit, *step, values, stages)?;
        self.kernel.decode_stepped(self.quantizer, *step, code, values, &mut scratch.q, &mut scratch.back);
        Some((code, self.kernel.measure::<R>(x, &scratch.back, &mut scratch.deviation)))
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
        for r in (0..count).rev() {
            let values = &room.values[r * rank..r * rank + live];
            if self.quantizer.has_trellis() {
                // Symbols are coded last to first, and which quantiser each had is known first to last.
                let mut walk = Walk::default();
                for (set, &value) in room.sets.iter_mut().zip(values) {
                    *set = walk.quantizer() as u8;
                    walk.pass(value);
                }
            }
            for (j, &value) in values.iter().enumerate().rev() {
                // More than any one value can take.
                if encoder.room() < 32 {
                    return None;
                }
                let set = if self.quantizer.has_trellis() { usize::from(room.sets[j]) } else { 0 };
                let bin = self.quantizer.bin(j, room.steps[r]);
                self.quantizer.model().put(&mut encoder, j % LANES, set, bin, value);
            }
        }
        Some(encoder.finish())
    }
}

impl Kernel<'_> {
    /// Decodes a row of values into `x`; `q` is scratch for as many.
    #[inline(always)]
    pub fn decode_stepped(
        &self,
        quantizer: BlockStep<'_>,
        step: RowStep,
        code: RowCode,
        values: &[i32],
        q: &mut [f32],
        x: &mut [f32],
    ) {
        let q = &mut q[..values.len()];
        let largest = values.iter().fold(0, |largest, value| largest.max(value.unsigned_abs()));
        let peak =
            (f64::from(quantizer.step_of(step)) * (f64::from(largest) + 1.0)).min(f64::from(f32::MAX)) as f32;
        let t = self.skeleton.reach().decode(code.reach).abs();
        let unit = super::unit_of(peak.max(t).max(self.skeleton.peak()));
        quantizer.dequantize(values, step, unit, q);
        self.synthesise(code, q, unit, x);
    }
}

impl RunRoom {
    /// Room for the runs of a codec.
    pub fn new(rank: usize, rows_per_run: usize, max_rows: usize, trellis: bool) -> Result<Self> {
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
        })
    }

    /// Bytes of [`RunRoom::new`].
    pub fn bytes(rank: usize, rows_per_run: usize, max_rows: usize, trellis: bool) -> Option<usize> {
        let rows = rows_per_run.min(max_rows);
        let stages = if trellis { rank * (size_of::<Stage>() + 1) } else { 0 };
        let row = 4 * rank + stages;
        (row + rows * (4 * rank + size_of::<RowStep>()) + Self::coded_bytes(rows, rank)).checked_add(max_rows)
    }

    /// Four bytes a value is what it takes raw; a run that needs more is not worth coding.
    fn coded_bytes(rows: usize, rank: usize) -> usize {
        4 * rows * rank + 128
    }
}
