//! Blocks at a fixed step: runs of entropy-coded rows.
//!
//! A run is a `u16`, the number of components that are coded in it, then what the range coder wrote. Components
//! are sorted by their variance, so those whose values are all zero in a run lie at its end and cost nothing.
//! Within a row component `j` goes to lane `j mod 8`; rows follow each other.

use super::row::{Kernel, RowCode, RowError, Scratch};
use super::stepped::{RowStep, Stepper, log_mean, step_of_weight};
use super::workspace::RunRoom;
use super::{Codec, Rows, Tally, Workspace};
use crate::distortion::{Distortion, NormMode};
use crate::error::{Error, Result, try_vec};
use crate::format::block::{FLAG_CHECKSUM, FLAG_POSITIONS, FLAG_WEIGHTS, Header, Sections};
use crate::format::bytes::{Fields, Section};
use crate::layout::Views;
use crate::pack::BitPacker;
use crate::rans::{Decoder, Encoder, LANES};
use crate::skeleton::index_bits;
use crc32fast::Hasher;
use fearless_simd::dispatch;
use std::ops::Range;

impl Codec {
    /// Encodes a block at the codec's step; raw, if it would come out larger than that.
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
        let limit = raw.bytes as usize;
        let got = dst.len();
        let coded = &mut dst[..limit.min(got)];
        let pass = Pass { codec: self, stepper, kernel: self.shared_kernel(skeleton), rows, step_of_row };
        let written = dispatch!(self.tier.level(), _token => pass.run::<R>(header, workspace, coded))?;
        if let Some(size) = written {
            return Ok(size);
        }
        // What does not fit in as many bytes as the rows take raw is stored raw.
        let dst = dst.get_mut(..limit).ok_or(Error::DstTooSmall { need: limit, got })?;
        self.store_raw_block(raw, workspace, rows, dst)
    }

    fn store_raw_block<V: Views + ?Sized>(
        &self,
        mut header: Header,
        workspace: &mut Workspace,
        rows: &Rows<'_, V>,
        dst: &mut [u8],
    ) -> Result<usize> {
        let Workspace { row, bytes, .. } = workspace;
        let row = &mut row[..self.layout.dim()];
        let (head, mut payload) = dst.split_at_mut(header.header_bytes());
        let sections = Sections::of(&header).expect("the size of the block was computed from them");
        let checksum = header.has(FLAG_CHECKSUM);
        let mut split = |range: Range<usize>| Section::split(&mut payload, range.len(), checksum);
        let (mut positions, mut raw) = (split(sections.slots), split(sections.raw));
        if header.has(FLAG_POSITIONS) {
            rows.positions
                .unwrap_or_default()
                .iter()
                .for_each(|position| positions.put(&position.to_le_bytes()));
        }
        let mut tally = Tally::default();
        for i in 0..rows.n {
            // Raw is how rows that cannot be coded are stored, but they are refused all the same.
            self.assembly().load(rows, i, row)?;
            let error = self.assembly().put_raw(rows, i, row, bytes, &mut raw)?;
            // A row that is not finite has no relative error.
            if error.energy.is_finite() {
                tally.add(rows.weight(i), error);
            }
        }
        header.certified_error = tally.certificate(self.objective);
        let mut crc = Hasher::new();
        positions.finish(0, &mut crc);
        raw.finish(0, &mut crc);
        header.payload_crc = crc.finalize();
        header.write(head);
        Ok(header.bytes as usize)
    }
}

/// One pass over the rows of a block.
struct Pass<'a, V: ?Sized, S> {
    codec: &'a Codec,
    stepper: &'a Stepper,
    kernel: Kernel<'a>,
    rows: &'a Rows<'a, V>,
    step_of_row: S,
}

impl<V: Views + ?Sized, S: Fn(usize) -> i8> Pass<'_, V, S> {
    /// Writes the block to the start of `dst` and returns its size; `None` where it does not fit.
    #[inline(always)]
    fn run<R: Distortion>(
        &self,
        mut header: Header,
        workspace: &mut Workspace,
        dst: &mut [u8],
    ) -> Result<Option<usize>> {
        let n = self.rows.n;
        let rank = self.kernel.skeleton.rank();
        let Workspace { row, scratch, bytes, runs, .. } = workspace;
        let row = &mut row[..self.codec.layout.dim()];
        let room = runs.as_mut().expect("the workspace was checked");
        room.raw[..n].fill(false);
        // The sizes of the parts in front do not depend on what comes after them.
        header.bytes = dst.len() as u64;
        let Some(sections) = Sections::of(&header) else { return Ok(None) };
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
                    match self.quantize::<R>(row, &mut step, scratch, values) {
                        None => room.raw[i] = true,
                        Some((used, error)) => {
                            code = used;
                            room.raw[i] = self.missed::<R>(error);
                            if !room.raw[i] {
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
            let Some(run) = self.code(room, count, live) else { return Ok(None) };
            if rest.room() < run.len() + 2 {
                return Ok(None);
            }
            rest.put(&(live as u16).to_le_bytes());
            rest.put(run);
            let Some(end) = at.checked_add(run.len() as u32 + 2) else { return Ok(None) };
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
            return Ok(None);
        }
        for i in (0..n).filter(|&i| raw[i]) {
            rest.put(&(i as u32).to_le_bytes());
            if header.has(FLAG_POSITIONS) {
                rest.put(&self.rows.positions.map_or(0, |positions| positions[i]).to_le_bytes());
            }
        }
        for i in (0..n).filter(|&i| raw[i]) {
            self.codec.assembly().put_raw(self.rows, i, row, bytes, &mut rest)?;
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
        Ok(Some(header.bytes as usize))
    }

    /// Quantises a row; `None` where that is beyond the coder, and the row is stored raw.
    #[inline(always)]
    fn quantize<R: Distortion>(
        &self,
        x: &[f32],
        step: &mut RowStep,
        scratch: &mut Scratch,
        values: &mut [i32],
    ) -> Option<(RowCode, RowError)> {
        let rank = values.len();
        let (unit, code) = self.kernel.analyse(x, scratch);
        let z = &mut scratch.z[..rank];
        step.gain = self.stepper.gain(z, unit, &mut scratch.q);
        self.stepper.quantize(z, unit, *step, values)?;
        self.kernel.decode_stepped(self.stepper, *step, code, values, &mut scratch.q, &mut scratch.back);
        Some((code, self.kernel.measure::<R>(x, &scratch.back)))
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
            for (j, &value) in values.iter().enumerate().rev() {
                // More than any one value can take.
                if encoder.room() < 32 {
                    return None;
                }
                self.stepper.model.put(&mut encoder, j % LANES, self.stepper.bin(j, room.steps[r]), value);
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
        stepper: &Stepper,
        step: RowStep,
        code: RowCode,
        values: &[i32],
        q: &mut [f32],
        x: &mut [f32],
    ) {
        let q = &mut q[..values.len()];
        let largest = values.iter().fold(0, |largest, value| largest.max(value.unsigned_abs()));
        let peak =
            (f64::from(stepper.step_of(step)) * (f64::from(largest) + 1.0)).min(f64::from(f32::MAX)) as f32;
        let t = self.skeleton.reach().decode(code.reach).abs();
        let unit = super::unit_of(peak.max(t).max(self.skeleton.peak()));
        stepper.dequantize(values, step, unit, q);
        self.synthesise(code, q, unit, x);
    }
}

/// Decodes runs row by row.
pub(super) struct RunReader<'a> {
    stepper: &'a Stepper,
    header: &'a Header,
    /// The run ends and the runs.
    ends: &'a [u8],
    runs: &'a [u8],
    gains: &'a [u8],
    steps: &'a [u8],
    /// The run that is being read, and the row that comes next.
    run: Option<(Decoder<'a>, usize)>,
    next: usize,
}

impl<'a> RunReader<'a> {
    pub fn new(stepper: &'a Stepper, header: &'a Header, sections: &Sections, src: &'a [u8]) -> Self {
        let part = |range: &Range<usize>| &src[range.clone()];
        Self {
            stepper,
            header,
            ends: part(&sections.run_ends),
            runs: part(&sections.runs),
            gains: part(&sections.gains),
            steps: part(&sections.steps),
            run: None,
            next: 0,
        }
    }

    /// Gain and step of a row, as stored.
    #[inline(always)]
    pub fn step(&self, row: usize) -> RowStep {
        let gain = (self.gains[row / 2] >> (4 * (row % 2))) & 15;
        let step = if self.header.has(FLAG_WEIGHTS) { self.steps[row] as i8 } else { 0 };
        RowStep { gain, step }
    }

    /// Decodes the values of `row`, skipping what lies before it in its run. Rows come in ascending order.
    #[inline(always)]
    pub fn values(&mut self, row: usize, values: &mut [i32]) -> Result<()> {
        let per_run = usize::from(self.header.rows_per_run);
        let first = row / per_run * per_run;
        if self.run.is_none() || self.next < first {
            self.open(row / per_run, values.len())?;
            self.next = first;
        }
        while self.next <= row {
            let step = self.step(self.next);
            let Some((decoder, live)) = &mut self.run else { return Err(self.corrupt("a run")) };
            for (j, value) in values[..*live].iter_mut().enumerate() {
                *value = self.stepper.model.take(decoder, j % LANES, self.stepper.bin(j, step));
            }
            values[*live..].fill(0);
            self.next += 1;
            if self.next.is_multiple_of(per_run) || self.next == self.header.n_rows as usize {
                // The whole run was read: its end must be what the encoder began with.
                self.run.take().map_or(Ok(()), |(decoder, _)| decoder.finish())?;
            }
        }
        Ok(())
    }

    fn open(&mut self, run: usize, rank: usize) -> Result<()> {
        let end = |run: usize| Fields(&self.ends[4 * run..]).u32() as usize;
        let start = if run == 0 { 0 } else { end(run - 1) };
        let bytes = self.runs.get(start..end(run)).and_then(|run| run.split_first_chunk::<2>());
        let Some((live, coded)) = bytes else { return Err(self.corrupt("the end of a run")) };
        let live = usize::from(u16::from_le_bytes(*live));
        if live > rank {
            return Err(self.corrupt("the components of a run"));
        }
        self.run = Some((Decoder::new(coded)?, live));
        Ok(())
    }

    fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt { what, at: self.header.header_bytes() }
    }
}

impl RunRoom {
    /// Room for the runs of a codec.
    pub fn new(rank: usize, rows_per_run: usize, max_rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let rows = rows_per_run.min(max_rows);
        Ok(Self {
            values: try_vec(rows * rank, 0, WHAT)?,
            steps: try_vec(rows, RowStep::default(), WHAT)?,
            coded: try_vec(Self::coded_bytes(rows, rank), 0, WHAT)?,
            raw: try_vec(max_rows, false, WHAT)?,
        })
    }

    /// Bytes of [`RunRoom::new`].
    pub fn bytes(rank: usize, rows_per_run: usize, max_rows: usize) -> Option<usize> {
        let rows = rows_per_run.min(max_rows);
        (rows * (4 * rank + size_of::<RowStep>()) + Self::coded_bytes(rows, rank)).checked_add(max_rows)
    }

    /// Four bytes a value is what it takes raw; a run that needs more is not worth coding.
    fn coded_bytes(rows: usize, rank: usize) -> usize {
        4 * rows * rank + 128
    }
}
