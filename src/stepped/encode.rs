//! Encodes blocks at a step: runs of entropy-coded rows.
//!
//! A run is a `u16`, the number of components coded in it, followed by the output of the range coder.
//! Components are sorted by their variance, so those that are zero in every row of a run lie at its end and
//! cost nothing. Within a row component `j` goes to lane `j mod 8`; rows follow each other.
//!
//! The encoder decodes every row it quantises, with the arithmetic of the decoder. The error in the header is
//! therefore measured, not estimated, and a row that misses its bound is found before the block is finished.
//! That costs one more transform per row.

use super::Stepped;
use super::panel::{PANEL_ROWS, Panel, StepTransform};
use super::quantizer::{RowRate, log_mean, step_of_weight};
use super::rans::Encoder;
use super::scratch::RunScratch;
use super::search::Attempt;
use crate::distortion::{NormMode, Objective, RowError, Tally};
use crate::error::{Error, Result};
use crate::fixed::kernel::RowScratch;
use crate::format::header::Header;
use crate::format::{BlockWriter, RowCode};
use crate::skeleton::Frame;
use crate::tensor::angles::PairAngles;
use crate::tensor::rows::{RowAccess, Rows};
use crate::vector::tier::dispatch;
use fearless_simd::{Level, Simd};
use std::ops::Range;

/// Encodes the rows of one block, at any step. Several attempts may share one of these: the search for a size
/// tries a dozen or so steps on the same rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepEncode<'a> {
    access: RowAccess<'a>,
    coder: &'a Stepped,
    frame: Frame<'a>,
    objective: Objective,
    rows: &'a Rows<'a>,
    /// Largest absolute error; 0 = no bound was requested.
    bound: f64,
    /// `log₂` of the geometric mean of the positive weights. Only ratios to it matter, so weights have no
    /// unit, and weights that are all equal change nothing.
    mean_weight: f64,
}

/// Scratch of a pass over rows. Its contents at the start do not matter.
#[derive(Debug)]
pub(crate) struct StepScratch<'a> {
    /// A raw row as it was read, `[dim]`.
    pub row: &'a mut [f32],
    pub scratch: &'a mut RowScratch,
    /// Bytes of a raw row.
    pub bytes: &'a mut [u8],
    pub turn: &'a mut PairAngles,
    pub runs: &'a mut RunScratch,
}

impl<'a> StepEncode<'a> {
    /// Attempts for these rows.
    pub fn new(
        access: RowAccess<'a>,
        coder: &'a Stepped,
        frame: Frame<'a>,
        objective: Objective,
        rows: &'a Rows<'a>,
        bound: f32,
    ) -> Self {
        let mean_weight = log_mean(rows.weights.unwrap_or_default());
        Self { access, coder, frame, objective, rows, bound: f64::from(bound), mean_weight }
    }

    /// Whether weights change the step of any row. If they do not, the block needs no section of steps.
    pub fn has_weights(&self) -> bool {
        (0..self.rows.n).any(|i| self.step_shift(i) != 0)
    }

    /// Quarter octaves by which the step of row `i` exceeds the block's; 0 without weights.
    fn step_shift(&self, i: usize) -> i8 {
        self.rows.weights.map_or(0, |weights| step_of_weight(weights[i], self.mean_weight))
    }

    /// Writes the block at the step of its header to the start of `dst`, if it fits. If it does not, `dst` is
    /// left half-written and the result has no size: that is an outcome of the search, not an error.
    ///
    /// # Errors
    /// [`Error::NotFinite`], or [`Error::RawNotExact`] for a raw row that misses the bound.
    pub fn attempt(
        &self,
        level: Level,
        header: Header,
        mut scratch: StepScratch<'_>,
        dst: &mut [u8],
    ) -> Result<Attempt> {
        let StepScratch { runs, .. } = &mut scratch;
        let rank = self.frame.skeleton.rank();
        self.coder.stepper.whiten(header.step, &mut runs.whiten[..rank]);
        // An earlier attempt, at another step, may have marked other rows.
        runs.raw[..self.rows.n].fill(false);
        let quantizer = self.coder.stepper.with_step(header.step);
        let transform = StepTransform { transform: &self.coder.transform, frame: self.frame, quantizer };
        let (tally, attempt) = (Tally::default(), Attempt::default());
        let mut pass = StepPass { encode: self, transform, tally, attempt };
        let per_run = usize::from(header.rows_per_run);
        let Some(writer) = BlockWriter::new(header, dst) else { return Ok(pass.attempt) };
        dispatch!(level, simd => pass.run(simd, per_run, &mut scratch, writer))?;
        Ok(pass.attempt)
    }
}

/// One pass over the rows of a block, with what it has found so far.
#[derive(Debug)]
struct StepPass<'a> {
    encode: &'a StepEncode<'a>,
    transform: StepTransform<'a>,
    tally: Tally,
    attempt: Attempt,
}

impl StepPass<'_> {
    /// Encodes run by run. Leaves `attempt.size` unset if the block does not fit, and stops as soon as that
    /// is known: attempts at steps that are too fine cost little.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::RawNotExact`]
    #[inline(always)]
    fn run<S: Simd>(
        &mut self,
        simd: S,
        per_run: usize,
        scratch: &mut StepScratch<'_>,
        mut writer: BlockWriter<'_>,
    ) -> Result<()> {
        let n = self.encode.rows.n;
        for first in (0..n).step_by(per_run) {
            let count = per_run.min(n - first);
            let live = self.quantize_run(simd, first..first + count, scratch, &mut writer)?;
            self.attempt.live |= live > 0;
            let Some(run) = self.code_run(scratch.runs, count, live) else { return Ok(()) };
            if writer.put_run(live as u16, run).is_none() {
                return Ok(());
            }
        }
        // Raw rows come last, because only now is it known how many there are.
        let n_raw = scratch.runs.raw[..n].iter().filter(|&&raw| raw).count();
        if writer.end_runs(n_raw).is_none() {
            return Ok(());
        }
        self.store_raw_rows(simd, scratch, &mut writer)?;
        self.attempt.size = Some(writer.finish(&self.tally, self.encode.objective));
        Ok(())
    }

    /// Quantises the rows of a run and writes the rate and centre of each. Returns the number of components
    /// after which all values are 0 in every row.
    ///
    /// # Errors
    /// [`Error::NotFinite`]
    #[inline(always)]
    fn quantize_run<S: Simd>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        scratch: &mut StepScratch<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> Result<usize> {
        let rank = self.transform.frame.skeleton.rank();
        let mut live = 0;
        for begin in rows.clone().step_by(PANEL_ROWS) {
            let panel = begin..(begin + PANEL_ROWS).min(rows.end);
            let at = begin - rows.start;
            self.quantize_panel(simd, panel.clone(), at, scratch)?;
            let RunScratch { values, rates, raw, panel: coded, .. } = &*scratch.runs;
            for (r, i) in panel.enumerate() {
                live = live.max(live_values(&values[(at + r) * rank..][..rank]));
                writer.put_rate(rates[at + r].level, rates[at + r].shift);
                // The code of a raw row means nothing. It is written as zeros, whatever was found before the
                // row was given up, so that a block depends on its rows alone.
                writer.put_centre(if raw[i] { RowCode::default() } else { coded.codes[r] });
            }
        }
        Ok(live)
    }

    /// Quantises a panel of rows. Their values go to row `at` of the run and the rows after it. A row that
    /// cannot be coded, or that misses the bound, is marked raw.
    ///
    /// # Errors
    /// [`Error::NotFinite`]
    #[inline(always)]
    fn quantize_panel<S: Simd>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        at: usize,
        scratch: &mut StepScratch<'_>,
    ) -> Result<()> {
        let StepScratch { scratch, turn, runs, .. } = scratch;
        let (encode, rank, count) = (self.encode, self.transform.frame.skeleton.rank(), rows.len());
        let RunScratch { values, rates, raw, whiten, columns, panel, .. } = &mut **runs;
        let (values, rates) = (&mut values[at * rank..][..count * rank], &mut rates[at..][..count]);
        let raw = &mut raw[rows.clone()];
        let mut coded = [false; PANEL_ROWS];
        for (r, i) in rows.clone().enumerate() {
            coded[r] = encode.access.load(simd, encode.rows, i, self.transform.row(panel, r), turn)?;
            rates[r] = RowRate { level: 0, shift: encode.step_shift(i) };
        }
        self.transform.analyse(simd, panel, (&coded[..count], rates), scratch);
        // The panel is reused on the way out: points replace the rounded rows, whose products are done.
        self.transform.begin_panel(panel);
        let quantizer = self.transform.quantizer;
        for (r, values) in values.chunks_exact_mut(rank).enumerate() {
            if !coded[r] {
                continue;
            }
            let (z, unit) = self.transform.coefficients(panel, r);
            rates[r].level = quantizer.level(simd, z, unit, whiten, &mut scratch.q);
            coded[r] = quantizer.quantize(z, unit, rates[r], values, columns).is_some();
            if coded[r] {
                self.reconstruct(panel, r, rates[r], values);
            }
        }
        self.transform.synthesise(simd, panel, &coded[..count]);
        for (r, (i, values)) in rows.zip(values.chunks_exact_mut(rank)).enumerate() {
            if coded[r] {
                coded[r] = self.measure(simd, panel, (r, i), scratch);
            }
            raw[r] = !coded[r];
            // The run has an entry for every row, so that the decoder needs no list of gaps. Zeros at the
            // lowest level are the cheapest entry there is.
            if raw[r] {
                values.fill(0);
                rates[r].level = 0;
            }
        }
        Ok(())
    }

    /// Puts the reconstruction points of row `r` into the panel, as the decoder will.
    #[inline(always)]
    fn reconstruct(&self, panel: &mut Panel, r: usize, rate: RowRate, values: &[i32]) {
        let live = live_values(values);
        let (bins, points) = (&mut panel.bins[..live], &mut panel.points[..live]);
        self.transform.quantizer.bin_codes(rate, bins);
        self.transform.quantizer.points(&values[..live], bins, points);
        self.transform.put_points_of_row(panel, r, rate, panel.codes[r], live);
    }

    /// Measures the error of row `i` of the block, which is row `r` of the panel, and returns whether it
    /// keeps the bound. A row that misses it is not added to the tally: it is going to be stored raw.
    #[inline(always)]
    fn measure<S: Simd>(
        &mut self,
        simd: S,
        panel: &Panel,
        (r, i): (usize, usize),
        scratch: &mut RowScratch,
    ) -> bool {
        let (x, back) = self.transform.row_and_decoded(panel, r);
        let mode = self.encode.objective.norm_mode();
        let error = self.transform.frame.measure(simd, mode, x, back, &mut scratch.deviation);
        let bound = self.encode.bound;
        if mode == NormMode::Search && bound > 0.0 && error.absolute > bound {
            self.attempt.missed = true;
            return false;
        }
        self.tally.add(self.encode.rows.weight(i), error);
        true
    }

    /// Entropy-codes the first `live` values of each of `count` rows; `None` if they outgrow the buffer. Rows
    /// go in from last to first, because a range coder of this kind decodes in reverse order.
    #[inline(always)]
    fn code_run<'r>(&self, runs: &'r mut RunScratch, count: usize, live: usize) -> Option<&'r [u8]> {
        let RunScratch { values, rates, coded, sets, panel, .. } = runs;
        let rank = self.transform.frame.skeleton.rank();
        let mut encoder = Encoder::new(coded);
        let bins = &mut panel.bins[..live];
        let mut binned = None;
        for r in (0..count).rev() {
            // Neighbouring rows mostly have the same rate, and then the same bins.
            if binned != Some(rates[r]) {
                self.transform.quantizer.bin_codes(rates[r], bins);
                binned = Some(rates[r]);
            }
            self.transform.quantizer.put_row(&mut encoder, &values[r * rank..][..live], bins, sets)?;
        }
        Some(encoder.finish())
    }

    /// Writes the slots of the raw rows, then the rows. Not inlined: few blocks have any, and the code would
    /// only spread the hot loops apart.
    ///
    /// # Errors
    /// [`Error::RawNotExact`]
    #[inline(never)]
    fn store_raw_rows<S: Simd>(
        &self,
        simd: S,
        scratch: &mut StepScratch<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> Result<()> {
        let (rows, bound) = (self.encode.rows, self.encode.bound);
        let StepScratch { row, bytes, runs, .. } = scratch;
        let raw_rows = || (0..rows.n).filter(|&i| runs.raw[i]);
        for i in raw_rows() {
            writer.put_slot(i as u32, rows.position(i));
        }
        for i in raw_rows() {
            let put = |bytes: &[u8]| writer.raw.put_bytes(bytes);
            let error = self.encode.access.read_raw(simd, rows, i, (row, bytes), put);
            check_rounding(rows, i, error, bound)?;
        }
        Ok(())
    }
}

/// The number of values up to and including the last one that is not 0.
#[inline(always)]
fn live_values(values: &[i32]) -> usize {
    values.iter().rposition(|&value| value != 0).map_or(0, |last| last + 1)
}

/// Refuses a row that misses the bound even when stored raw, because its raw type rounds. Protected rows have
/// no bound: the caller asked for them raw, in a type of the caller's choice.
///
/// # Errors
/// [`Error::RawNotExact`]
pub(crate) fn check_rounding(rows: &Rows<'_>, row: usize, error: RowError, bound: f64) -> Result<()> {
    if bound > 0.0 && !rows.is_protected(row) && error.absolute > bound {
        return Err(Error::RawNotExact { row, got: error.absolute, bound });
    }
    Ok(())
}
