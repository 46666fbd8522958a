//! Blocks of rdo at a step.

use super::block::Block;
use super::{agree, exact, mode, same_centre};
use crate::common::blocks::{OBJECTIVES, Side, decode, encode, fit, of_layout, stepped, with_views};
use crate::common::{Joined, clustered, fixture, largest_error, normal};
use kakeyaturbo::reference::{PlainStepped, SteppedCode, certified_error, row_steps};
use kakeyaturbo::{Layout, Segment};
use kakeyaturbo::{Objective, Params, RateControl, Rows, Settings, Skeleton, StreamFitter};

/// Counts over all blocks of a test.
#[derive(Debug, Default)]
struct Tally {
    rows: usize,
    values: usize,
    /// Rows whose gain or centre differs.
    other_gains: usize,
    other_centres: usize,
    /// Values that differ: of the plain quantiser, and of the trellis.
    other_values: usize,
    other_turns: usize,
}

/// What is coded, and how far the certified error may be from that of the plain codec.
struct Data<'d> {
    rows: &'d [f32],
    skeleton: &'d Skeleton,
    layout: &'d Layout,
    apart: f64,
}

/// Holds a block against the plain codec with the same skeleton and step.
fn compare(settings: &Settings, objective: Objective, data: &Data<'_>, weighted: bool, tally: &mut Tally) {
    let Data { rows, skeleton, layout, apart } = *data;
    let (dim, n, trellis) = (layout.dim(), rows.len() / layout.dim(), settings.effort == 1);
    let label = format!("{objective:?}, step {}, trellis {trellis}, dim {dim}", settings.step);
    let codec = of_layout(settings.clone(), objective, layout.clone(), Some(skeleton.clone()));
    let weights: Vec<f32> = (0..n).map(|i| if weighted { (i % 7) as f32 * 0.3 } else { 1.0 }).collect();
    let side = Side { weights: weighted.then_some(&weights[..]), ..Side::default() };
    let block = encode(&codec, rows, side).unwrap();
    let back = decode(&codec, &block, None).unwrap();
    let block = Block::new(&block, skeleton);
    let plain = PlainStepped::new(skeleton, block.header.step, trellis);
    let case = Case::new(&plain, skeleton, block.header.step, trellis);
    let steps = row_steps(&weights);

    let (mut decoded, mut i) = (Vec::new(), 0);
    for (bytes, codes) in block.runs(&plain) {
        let mut run = Vec::new();
        for code in &codes {
            let (x, back) = (&rows[i * dim..][..dim], &back[i * dim..][..dim]);
            let label = format!("{label}, row {i}");
            assert_eq!(code.step, steps[i], "{label}");
            let own = plain.encode(x, steps[i]).expect("values are small");
            case.check_values(x, &own, code, &label, tally);
            case.check_row(code, back, &label);
            decoded.push(plain.decode(&own));
            run.push(own);
            i += 1;
        }
        // The words of the range coder; its eight states hold up to 16 bits each.
        let (length, ideal) = (8.0 * (bytes - 34) as f64, plain.run_bits(&codes));
        assert!(
            (ideal * 0.999 - 128.0..=ideal * 1.001).contains(&length),
            "{label}: {length} bits, ideal {ideal}"
        );
        let own = plain.run_bits(&run);
        assert!((own - ideal).abs() <= 2e-3 * ideal, "{label}: ideal length {own} and {ideal}");
    }
    let certified = |back: &[Vec<f64>]| {
        let rows = rows.chunks(dim).zip(back).zip(&weights);
        certified_error(skeleton, mode(objective), rows.map(|((x, back), &weight)| (x, &back[..], weight)))
    };
    let header = f64::from(block.header.certified_error);
    let of_kernel: Vec<Vec<f64>> = back.chunks(dim).map(exact).collect();
    agree(header, certified(&of_kernel), 1e-5, &format!("{label}: certificate"));
    // The largest error of a block is that of a single value.
    let apart = if objective == Objective::LInf { 10.0 * apart } else { apart };
    agree(header, certified(&decoded), apart, &format!("{label}: error"));
}

struct Case<'c> {
    plain: &'c PlainStepped<'c>,
    mean: &'c [f32],
    /// Largest magnitude in the basis.
    peak: f64,
    step: f64,
    trellis: bool,
}

impl<'c> Case<'c> {
    fn new(plain: &'c PlainStepped<'c>, skeleton: &'c Skeleton, step: f32, trellis: bool) -> Self {
        let peak = skeleton.basis().iter().fold(0.0_f64, |peak, &b| peak.max(f64::from(b).abs()));
        Self { plain, mean: skeleton.mean(), peak, step: f64::from(step), trellis }
    }

    /// The plain quantiser gives the same values, except next to a threshold. The kernel rounds a row to
    /// integers, in units of at most a 64th of its step; that error has a deviation of `1/(64·√12)` steps,
    /// and the bound is six of them. A trellis may take another path at a tie, and then all values after it
    /// differ; but it costs the same.
    fn check_values(&self, x: &[f32], own: &SteppedCode, code: &SteppedCode, label: &str, tally: &mut Tally) {
        const DEVIATION: f64 = 1.0 / 64.0 / 3.4641;
        tally.rows += 1;
        assert!(own.gain.abs_diff(code.gain) <= 1, "{label}: gains {} and {}", own.gain, code.gain);
        tally.other_gains += usize::from(own.gain != code.gain);
        if !same_centre(own.centre, code.centre) {
            tally.other_centres += 1;
            return;
        }
        let (y, _) = self.plain.in_steps(x, code.step);
        tally.values += y.len();
        let others = own.values.iter().zip(&code.values).filter(|(own, value)| own != value).count();
        if self.trellis {
            tally.other_turns += others;
            if own.gain == code.gain {
                // The search looks no further. An error `ε` of a coefficient changes its cost by twice `ε`
                // times what it is off by, a quarter of a step; the bound is four deviations of their sum.
                let searched = &y[..y.iter().rposition(|y| y.abs() > 0.25).map_or(0, |last| last + 1)];
                let off = self.plain.cost(searched, code) - self.plain.cost(searched, own);
                let bound = 2.0 * DEVIATION * (y.len() as f64).sqrt();
                assert!(off.abs() <= bound, "{label}: the path costs {off} more");
            }
            return;
        }
        tally.other_values += others;
        for (j, (&own, &value)) in own.values.iter().zip(&code.values).enumerate() {
            if own != value {
                assert_eq!(own.abs_diff(value), 1, "{label}, component {j}: {own} and {value}");
                let above = y[j].abs() + 0.375;
                let off = (above - above.round()).abs();
                assert!(off <= 6.0 * DEVIATION, "{label}, component {j}: {off} steps off a threshold");
            }
        }
    }

    /// The kernel decodes its code to the plain row, up to six deviations of what it rounds: elements of the
    /// basis to `η`, what a centre predicts to a 64th of a step, and all coefficients of a row with large
    /// ones to an eighth.
    fn check_row(&self, code: &SteppedCode, back: &[f32], label: &str) {
        let plain: Vec<f32> = self.plain.decode(code).iter().map(|&x| x as f32).collect();
        let eta = (self.peak.log2().floor() - 14.0).exp2();
        let step = self.step * (f64::from(code.step) / 4.0).exp2();
        let energy: f64 = plain.iter().zip(self.mean).map(|(x, mean)| f64::from(x - mean).powi(2)).sum();
        let part = match code.centre {
            _ if energy.sqrt() > 100.0 * step => 1.0 / 8.0,
            Some(_) => 1.0 / 64.0,
            None => 0.0,
        };
        let rank = code.values.len() as f64;
        let variance = (eta.powi(2) * energy + (part * step * self.peak).powi(2) * rank) / 12.0;
        let bound = 6.0 * variance.sqrt() + 1e-6 * largest_error(back, &vec![0.0; back.len()]);
        let off = largest_error(&plain, back);
        assert!(off <= bound, "{label}: decoded {off} apart, at most {bound}");
    }
}

impl Tally {
    fn check(&self) {
        println!("{self:?}");
        let few = |others: usize, one_in: usize, of: usize| others * one_in <= of;
        assert!(few(self.other_gains, 50, self.rows) && few(self.other_centres, 500, self.rows), "{self:?}");
        assert!(few(self.other_values, 500, self.values), "{self:?}");
        assert!(few(self.other_turns, 50, self.values), "{self:?}");
    }
}

fn read(name: &str) -> Joined {
    Joined::read(&fixture(&format!("smollm2-135m-{name}.safetensors")), &[14])
}

#[test]
fn real_rows() {
    let mut tally = Tally::default();
    let (train, test) = (read("train"), read("test"));
    let layout = Layout::plain(train.dim).unwrap();
    let (skeleton, _) = fit(&stepped(1.0), &layout, &train.rows, Side::default());
    let data = Data { rows: &test.rows[..200 * test.dim], skeleton: &skeleton, layout: &layout, apart: 2e-3 };
    for (step, effort, weighted) in
        [(0.05, 0, false), (0.5, 0, true), (2.0, 0, false), (0.5, 1, false), (0.05, 1, true)]
    {
        let settings = Settings { effort, rows_per_run: 64, ..stepped(step) };
        let objective = OBJECTIVES[(effort + u32::from(weighted)) as usize];
        compare(&settings, objective, &data, weighted, &mut tally);
    }
    tally.check();
}

#[test]
fn synthetic_rows() {
    let mut tally = Tally::default();
    for dim in [1, 2, 9, 40] {
        let rows: Vec<f32> = normal(300 * dim, dim as u64)
            .iter()
            .enumerate()
            .map(|(i, x)| 0.3 + x * 4.0 * 0.8_f32.powi((i % dim) as i32))
            .collect();
        let layout = Layout::plain(dim).unwrap();
        let (skeleton, _) = fit(&stepped(1.0), &layout, &rows, Side::default());
        let data = Data { rows: &rows, skeleton: &skeleton, layout: &layout, apart: 2e-3 };
        for (i, step) in [1e-3, 0.1, 1.0, 10.0].into_iter().enumerate() {
            for effort in [0, 1] {
                let settings = Settings { effort, rows_per_run: 100, ..stepped(step) };
                compare(&settings, OBJECTIVES[(i + dim) % 3], &data, i % 2 == 1, &mut tally);
            }
        }
    }
    tally.check();
}

#[test]
fn centres() {
    let mut tally = Tally::default();
    for k in [1, 5] {
        let rows = clustered((512, 48), k as usize, 1e-2, 3);
        let layout = Layout::plain(48).unwrap();
        for (step, effort) in [(0.004, 0), (0.02, 0), (0.004, 1)] {
            let settings = Settings { kmeans_k: k, effort, ..stepped(step) };
            let (skeleton, _) = fit(&settings, &layout, &rows, Side::default());
            assert_eq!(skeleton.n_centres(), k as usize);
            // Rows of thousands of steps, which the kernel rounds to eighths.
            let data = Data { rows: &rows, skeleton: &skeleton, layout: &layout, apart: 2e-2 };
            compare(&settings, Objective::Mse, &data, false, &mut tally);
        }
    }
    tally.check();
}

/// Queries that look along some directions more than others.
#[test]
fn query_metric() {
    let mut tally = Tally::default();
    let (train, test) = (read("train"), read("test"));
    let layout = Layout::new(vec![Segment::new(64); train.dim / 64]).unwrap();
    let mut fitter = StreamFitter::new(&Params::new(stepped(1.0)).unwrap(), layout.clone()).unwrap();
    with_views(&layout, &mut train.rows.clone(), |views| {
        let n = train.positions.len();
        fitter.add(&Rows { n, views, positions: None, weights: None, protect: None }).unwrap();
    });
    let queries: Vec<f32> =
        normal(200 * 64, 3).iter().enumerate().map(|(i, x)| x * 0.9_f32.powi((i % 64) as i32)).collect();
    fitter.add_queries(0, &queries, None).unwrap();
    let (skeleton, _) = fitter.finish().unwrap();
    assert!(skeleton.has_metric());
    let data = Data { rows: &test.rows[..100 * test.dim], skeleton: &skeleton, layout: &layout, apart: 2e-3 };
    for (objective, effort) in
        [(Objective::InnerProduct, 0), (Objective::InnerProduct, 1), (Objective::Mse, 0)]
    {
        let settings = Settings { effort, ..stepped(0.5) };
        compare(&settings, objective, &data, true, &mut tally);
    }
    tally.check();
}

#[test]
fn a_largest_size() {
    let mut tally = Tally::default();
    let rows = normal(90 * 30, 4);
    let layout = Layout::plain(30).unwrap();
    let (skeleton, _) = fit(&stepped(1.0), &layout, &rows, Side::default());
    let data = Data { rows: &rows, skeleton: &skeleton, layout: &layout, apart: 2e-3 };
    let settings =
        Settings { rate_control: RateControl::MaxBytes, step: 0.0, max_bytes: 1000, ..stepped(1.0) };
    compare(&settings, Objective::Mse, &data, false, &mut tally);
    tally.check();
}
