//! Rows of rdo at a step: the error is given, the size follows.
//!
//! With the coefficients `r = T(x − μ) − t·c`, a skeleton of full rank, and the row's step `δ = Δ·2^(s/4)`:
//!
//! ```text
//! v_j = sign(r_j)·⌊|r_j|/δ + ½ − θ⌋        θ = 1/8, the dead zone
//! r̂_j = (v_j + o·sign(v_j))·δ              o follows from the rate model, 0 ≤ o ≤ 2θ
//! ```
//!
//! So no coefficient is off by more than `(½ + θ)·δ`, whatever the data. With effort 1 a trellis chooses the
//! values (see `trellis`), and none is off by more than `δ`. Values are coded with the tables of the rate
//! model, rows of a block in runs; components of a run after the last value that is not 0 cost nothing.
//!
//! The kernel transforms in integers of 16 bits. So it rounds the basis, `t·c` to a 64th of a step, and
//! coefficients of many steps to an eighth of one; `docs/FORMAT.md` has it bit by bit.

use super::range::CodeReader;
use super::rate::{RateBin, Rates};
use super::trellis::{self, Turns};
use super::{Centre, residual, restore};
use crate::skeleton::Skeleton;

/// `θ`: how far values are rounded towards zero, in steps. At low rates a zero costs fewer bits than the
/// error is worth.
const DEAD_ZONE: f64 = 0.125;
/// Largest magnitude of a value; a row with a larger one is stored raw.
const LARGEST: f64 = 16_777_216.0;
/// Most quarter octaves by which the weight of a row changes its step.
const WIDEST_STEP: f64 = 16.0;

/// A row as it is coded at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct SteppedCode {
    /// How much larger than at fitting the row is, in quarter octaves from −8 to 7 (stored plus 8). It
    /// selects tables of the rate model and scales nothing.
    pub gain: i32,
    /// `s`: quarter octaves by which the row's step exceeds the block's, −16 to 16.
    pub step: i32,
    /// The centre.
    pub centre: Centre,
    /// Value of each component.
    pub values: Vec<i32>,
}

/// Codes rows at a step.
#[derive(Debug, Clone)]
pub struct PlainStepped<'a> {
    skeleton: &'a Skeleton,
    /// `Δ`, in units of the rows.
    step: f32,
    trellis: bool,
    rates: Rates,
}

impl<'a> PlainStepped<'a> {
    /// At the step of a block, in units of the rows, against a skeleton of full rank with variances; effort 1
    /// has a trellis.
    pub fn new(skeleton: &'a Skeleton, step: f32, trellis: bool) -> Self {
        Self { skeleton, step, trellis, rates: Rates::new() }
    }

    /// Encodes a row whose step is `step` quarter octaves above the block's, see [`row_steps`]; `None` if it
    /// has to be stored raw.
    pub fn encode(&self, x: &[f32], step: i32) -> Option<SteppedCode> {
        let (r, centre) = residual(self.skeleton, x);
        let gain = self.gain(&r);
        let in_steps: Vec<f64> = r.iter().map(|r| r / self.row_step(step)).collect();
        let size = |y: &f64| (y.abs() + 0.5 - DEAD_ZONE).floor();
        // A trellis may choose the point one further out.
        let largest = if self.trellis { LARGEST - 1.0 } else { LARGEST };
        if in_steps.iter().any(|y| size(y) > largest) {
            return None;
        }
        let values = if self.trellis {
            let bits = |j, quantiser, size| self.rates.bits(quantiser + 1, self.bin(j, gain, step), size);
            trellis::search(&in_steps, bits)
        } else {
            in_steps.iter().map(|y| (size(y) * y.signum()) as i32).collect()
        };
        Some(SteppedCode { gain, step, centre, values })
    }

    /// Decodes a row.
    pub fn decode(&self, code: &SteppedCode) -> Vec<f64> {
        let quantisers = self.quantisers(&code.values);
        let point = |(j, (&value, quantiser)): (usize, (&i32, usize))| match quantiser {
            0 => self.rates.point(self.bin(j, code.gain, code.step), value),
            of_trellis => trellis::point(of_trellis - 1, value),
        };
        let points = code.values.iter().zip(quantisers).enumerate().map(point);
        let r: Vec<f64> = points.map(|point| point * self.row_step(code.step)).collect();
        restore(self.skeleton, &r, code.centre)
    }

    /// Ideal length in bits of the first `live` values of a row.
    pub fn bits(&self, code: &SteppedCode, live: usize) -> f64 {
        let values = code.values[..live].iter().zip(self.quantisers(&code.values)).enumerate();
        values
            .map(|(j, (&value, quantiser))| {
                self.rates.bits(quantiser, self.bin(j, code.gain, code.step), value)
            })
            .sum()
    }

    /// Ideal length in bits of the rows of a run.
    pub fn run_bits(&self, run: &[SteppedCode]) -> f64 {
        let last =
            |code: &SteppedCode| code.values.iter().rposition(|&value| value != 0).map_or(0, |j| j + 1);
        let live = run.iter().map(last).max().unwrap_or(0);
        run.iter().map(|code| self.bits(code, live)).sum()
    }

    /// Reads the values of a run into rows of which all else is known: a `u16` with the number of components
    /// that are coded, then what the range coder wrote, row by row. `None` if an encoder cannot have written
    /// it.
    pub fn read_run(&self, run: &[u8], rows: &mut [SteppedCode]) -> Option<()> {
        let (live, coded) = run.split_first_chunk()?;
        let live = usize::from(u16::from_le_bytes(*live));
        let mut reader = CodeReader::new(coded)?;
        for row in rows {
            let mut turns = Turns::new();
            row.values = vec![0; self.skeleton.rank()];
            for j in 0..live {
                let quantiser = if self.trellis { turns.quantiser() + 1 } else { 0 };
                let bin = self.bin(j, row.gain, row.step);
                let value = reader.value(j, &self.rates, quantiser, bin)?;
                *row.values.get_mut(j)? = value;
                turns.pass(value);
            }
        }
        reader.ended().then_some(())
    }

    /// What is quantised of a row, in units of its step, and its centre.
    pub fn in_steps(&self, x: &[f32], step: i32) -> (Vec<f64>, Centre) {
        let (r, centre) = residual(self.skeleton, x);
        (r.iter().map(|r| r / self.row_step(step)).collect(), centre)
    }

    /// What the search of a trellis minimises: squared error in steps, plus what the bits are worth.
    /// `in_steps` is what the values stand for.
    pub fn cost(&self, in_steps: &[f64], code: &SteppedCode) -> f64 {
        let quantisers = self.quantisers(&code.values);
        let terms = in_steps.iter().zip(&code.values).zip(quantisers).enumerate();
        terms
            .map(|(j, ((&y, &value), quantiser))| {
                let bits = self.rates.bits(quantiser, self.bin(j, code.gain, code.step), value.abs());
                trellis::cost(y, quantiser - 1, value, bits)
            })
            .sum()
    }

    /// The gain of a row: the root of its energy over that of a row with the variances of the skeleton. A
    /// component counts by its share of signal in `σ² + Δ²/12`, signal and noise of the quantiser.
    fn gain(&self, r: &[f64]) -> i32 {
        let noise = f64::from(self.step).powi(2) / 12.0;
        let variances = || self.skeleton.variances().iter().map(|&variance| f64::from(variance));
        let energy: f64 = r.iter().zip(variances()).map(|(r, variance)| r * r / (variance + noise)).sum();
        let usual: f64 = variances().map(|variance| variance / (variance + noise)).sum();
        // `4·log₂ √ratio`.
        let quarters = 2.0 * (energy / usual.max(1e-30)).log2();
        quarters.round().clamp(-8.0, 7.0) as i32
    }

    /// `δ`.
    fn row_step(&self, step: i32) -> f64 {
        f64::from(self.step) * (f64::from(step) / 4.0).exp2()
    }

    fn bin(&self, j: usize, gain: i32, step: i32) -> RateBin {
        RateBin::new(self.skeleton.variances()[j].sqrt(), self.step, gain, step)
    }

    /// Which tables each value of a row is coded with.
    fn quantisers(&self, values: &[i32]) -> Vec<usize> {
        let mut turns = Turns::new();
        let quantiser = |&value: &i32| {
            let quantiser = if self.trellis { turns.quantiser() + 1 } else { 0 };
            turns.pass(value);
            quantiser
        };
        values.iter().map(quantiser).collect()
    }
}

/// `s` of each row of a block with these weights: a squared error counts `w` times, so the step is that of
/// the block times `(w/w̄)^(−½)`, with `w̄` the geometric mean of the weights above 0. A weight of 0 has the
/// coarsest step.
pub fn row_steps(weights: &[f32]) -> Vec<i32> {
    let logarithms = weights.iter().filter(|&&weight| weight > 0.0).map(|&weight| f64::from(weight).log2());
    let logarithms: Vec<f64> = logarithms.collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len().max(1) as f64;
    let step = |&weight: &f32| {
        let quarters = -2.0 * (f64::from(weight).log2() - mean);
        quarters.round().clamp(-WIDEST_STEP, WIDEST_STEP) as i32
    };
    weights.iter().map(step).collect()
}
