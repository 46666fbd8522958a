//! What the rdo preset promises whatever the data: the error of every coefficient, the size of a block, rows that
//! are stored raw, weights, and random access.

mod common;

use common::blocks::{
    FLAG_RAW, OBJECTIVES, RAW_HEADER_BYTES, Side, bits, decode, decode_rows, encode, fit, of_layout,
    raw_rows, stepped,
};
use common::{clustered, energy, largest_error, normal, relative_error};
use kakeyaturbo::{Codec, NanPolicy, Objective, Pairing, Rope, Settings, Skeleton, Workspace, verify};
use kakeyaturbo::{Layout, Segment};

/// Steps by which a coefficient may be off because the row was rounded before the transform.
const ROUNDED: f64 = 0.04;
const DIM: usize = 48;

/// Rows `[n, DIM]` around a mean, whose components fall off in a direction that is not an axis.
fn correlated(n: usize, seed: u64) -> Vec<f32> {
    let mut rows = normal(n * DIM, seed);
    for row in rows.chunks_mut(DIM) {
        row.iter_mut().enumerate().for_each(|(j, x)| *x *= 3.0 * 0.9_f32.powi(j as i32));
        for j in 1..DIM {
            row[j] += 0.6 * row[j - 1] + 0.1;
        }
    }
    rows
}

fn skeleton(settings: &Settings) -> Skeleton {
    fit(settings, &Layout::plain(DIM).unwrap(), &correlated(1000, 1), Side::default()).0
}

fn plain(settings: Settings, objective: Objective) -> Codec {
    let skeleton = skeleton(&settings);
    of_layout(settings, objective, Layout::plain(DIM).unwrap(), Some(skeleton))
}

/// Coefficients `y` with `x = μ + Tᵀy`, in binary64. Rounding the basis to binary16 makes it not quite orthonormal,
/// `TTᵀ = I + E` with entries of `E` near 1e-4: so `T(x − μ) = y + Ey` is solved for `y`, which leaves nothing of `E`
/// in the tolerances below.
fn of_decoded(skeleton: &Skeleton, x: &[f32]) -> Vec<f64> {
    let projected = of_original(skeleton, x);
    let mut y = projected.clone();
    for _ in 0..6 {
        let x: Vec<f64> = (0..DIM)
            .map(|c| skeleton.basis().chunks(DIM).zip(&y).map(|(axis, y)| f64::from(axis[c]) * y).sum())
            .collect();
        for ((y, axis), projected) in y.iter_mut().zip(skeleton.basis().chunks(DIM)).zip(&projected) {
            *y += projected - axis.iter().zip(&x).map(|(t, x)| f64::from(*t) * x).sum::<f64>();
        }
    }
    y
}

/// `T(x − μ)`, in binary64.
fn of_original(skeleton: &Skeleton, x: &[f32]) -> Vec<f64> {
    let deviation: Vec<f64> =
        x.iter().zip(skeleton.mean()).map(|(x, mean)| f64::from(*x) - f64::from(*mean)).collect();
    let along = |axis: &[f32]| axis.iter().zip(&deviation).map(|(t, x)| f64::from(*t) * x).sum();
    skeleton.basis().chunks(DIM).map(along).collect()
}

/// Largest error of a coefficient in each row, and what binary32 may add to it: 1e-6 of the row's length.
fn coefficient_errors(skeleton: &Skeleton, rows: &[f32], back: &[f32]) -> Vec<(f64, f64)> {
    let error = |(x, back): (&[f32], &[f32])| {
        let (y, back) = (of_original(skeleton, x), of_decoded(skeleton, back));
        let largest = y.iter().zip(&back).map(|(y, back)| (y - back).abs()).fold(0.0, f64::max);
        (largest, 1e-6 * energy(x).sqrt())
    };
    rows.chunks(DIM).zip(back.chunks(DIM)).map(error).collect()
}

fn scaled(rows: Vec<f32>, factor: f32) -> Vec<f32> {
    rows.into_iter().map(|x| x * factor).collect()
}

#[test]
fn every_coefficient_is_within_its_step_whatever_the_data() {
    let n = 150;
    let mut outliers = correlated(n, 3);
    (outliers[7 * DIM + 2], outliers[90 * DIM]) = (1e30, -1e30);
    let data = [
        ("rows like those that were fitted", correlated(n, 2)),
        ("a thousand times larger", scaled(correlated(n, 2), 1e3)),
        ("a thousand times smaller", scaled(correlated(n, 2), 1e-3)),
        ("noise", normal(n * DIM, 4)),
        ("other directions", clustered((n, DIM), 5, 0.1, 5)),
        ("outliers", outliers),
        ("a constant", vec![2.5; n * DIM]),
        ("zeros", vec![0.0; n * DIM]),
    ];
    for step in [0.02, 0.3, 4.0] {
        // The plain quantiser keeps within half a step and its dead zone, the trellis within a step.
        for (objective, effort) in
            OBJECTIVES.into_iter().flat_map(|objective| [(objective, 0), (objective, 1)])
        {
            let settings = Settings { effort, ..stepped(step) };
            let codec = plain(settings.clone(), objective);
            let skeleton = skeleton(&settings);
            // What the rounding of a row to 16 bits adds is some hundredths of a step.
            let steps = if effort == 0 { 0.625 } else { 1.0 } + ROUNDED;
            for (name, rows) in &data {
                let block = encode(&codec, rows, Side::default()).unwrap();
                assert!(block.len() <= RAW_HEADER_BYTES + 4 * rows.len(), "{name}: {} bytes", block.len());
                let back = decode(&codec, &block, None).unwrap();
                let raw = raw_rows(&block);
                let expected = match *name {
                    "outliers" => 2,
                    // More than 32 bits a value.
                    "a thousand times larger" if step < 0.1 => n,
                    _ => 0,
                };
                assert_eq!(raw.iter().filter(|&&raw| raw).count(), expected, "{name}, step {step}");
                for (i, (error, rounding)) in
                    coefficient_errors(&skeleton, rows, &back).into_iter().enumerate()
                {
                    if raw[i] {
                        assert_eq!(bits(&back[i * DIM..][..DIM]), bits(&rows[i * DIM..][..DIM]));
                        continue;
                    }
                    let bound = f64::from(step) * steps + rounding;
                    assert!(error <= bound, "{name}, step {step}, row {i}: {error}, at most {bound}");
                }
            }
        }
    }
}

/// A step far below the deviations: what would outgrow the rows is stored raw, and exact.
#[test]
fn a_tiny_step_stores_the_rows_as_they_are() {
    let n = 60;
    let rows = normal(n * DIM, 6);
    let rope = Some(Rope { pairing: Pairing::Neox, inv_freq: vec![0.1, 0.01] });
    let turned = Layout::new(vec![Segment { rope, ..Segment::new(DIM) }]).unwrap();
    let follow: Vec<i32> = (0..n as i32).map(|i| i + 900).collect();
    let jump: Vec<i32> = (0..n as i32).map(|i| i * i).collect();
    // No positions, positions one after the other, and others, which cost 4 bytes a row.
    let cases = [
        (Layout::plain(DIM).unwrap(), None, 0),
        (turned.clone(), Some(&follow[..]), 0),
        (turned, Some(&jump[..]), 4 * n),
    ];
    for (layout, positions, extra) in cases {
        for step in [1e-30, 1e-9, 1e-7] {
            let side = Side { positions, ..Side::default() };
            let skeleton = fit(&stepped(step), &layout, &rows, side).0;
            let codec = of_layout(stepped(step), Objective::Mse, layout.clone(), Some(skeleton));
            let block = encode(&codec, &rows, side).unwrap();
            assert_eq!(block.len(), RAW_HEADER_BYTES + 4 * rows.len() + extra);
            assert!(block.len() <= codec.encode_bound(n).unwrap());
            let header = codec.verify(&block).unwrap();
            assert!(header.flags & FLAG_RAW != 0 && header.certified_error == 0.0);
            assert_eq!(bits(&decode(&codec, &block, positions).unwrap()), bits(&rows));
        }
    }
}

/// Values next to a mean that the step resolves, of components with deviations far above it.
#[test]
fn rows_near_the_mean_at_a_tiny_step_come_back() {
    let layout = Layout::plain(DIM).unwrap();
    let mut sample = normal(400 * DIM, 7);
    sample.chunks_mut(2 * DIM).for_each(|pair| {
        let (a, b) = pair.split_at_mut(DIM);
        b.iter_mut().zip(a).for_each(|(b, a)| *b = -*a);
    });
    for step in [1e-8, 1e-12, 1e-20] {
        let skeleton = fit(&stepped(step), &layout, &sample, Side::default()).0;
        let mean = skeleton.mean().to_vec();
        assert!(mean.iter().all(|x| x.abs() < 1e-6));
        let codec = of_layout(stepped(step), Objective::Mse, layout.clone(), Some(skeleton.clone()));
        let axis = &skeleton.basis()[..DIM];
        let rows: Vec<f32> = (0..9)
            .flat_map(|i| mean.iter().zip(axis).map(move |(m, t)| m + 100.0 * i as f32 * step * t))
            .collect();
        let back = decode(&codec, &encode(&codec, &rows, Side::default()).unwrap(), None).unwrap();
        assert!(largest_error(&rows, &back) <= 4.0 * f64::from(step), "step {step}");
    }
}

/// Error energy, in coefficients, of every other row from `first` on. (In coordinates the basis, rounded as it is,
/// would add an error of its own, some 1e-7 of the row's energy.)
fn lost(skeleton: &Skeleton, rows: &[f32], back: &[f32], first: usize) -> f64 {
    let error = |(x, back): (&[f32], &[f32])| -> f64 {
        let (y, back) = (of_original(skeleton, x), of_decoded(skeleton, back));
        y.iter().zip(&back).map(|(y, back)| (y - back).powi(2)).sum()
    };
    rows.chunks(DIM).zip(back.chunks(DIM)).skip(first).step_by(2).map(error).sum()
}

#[test]
fn a_weight_of_four_halves_the_step_of_a_row() {
    let (n, step) = (400, 4e-3);
    let (codec, rows) = (plain(stepped(step), Objective::Mse), correlated(n, 8));
    let skeleton = skeleton(&stepped(step));
    // Their geometric mean is 2, so rows of weight 1 and 4 lie half an octave to either side of the step.
    let weights: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 4.0 } else { 1.0 }).collect();
    let block = encode(&codec, &rows, Side { weights: Some(&weights), ..Side::default() }).unwrap();
    let back = decode(&codec, &block, None).unwrap();
    let ratio = lost(&skeleton, &rows, &back, 0) / lost(&skeleton, &rows, &back, 1);
    assert!((ratio - 0.25).abs() < 0.02, "{ratio} of the error");
    let errors = coefficient_errors(&skeleton, &rows, &back);
    for (i, (error, rounding)) in errors.into_iter().enumerate() {
        let octaves = if i % 2 == 0 { -0.5_f64 } else { 0.5 };
        let bound = f64::from(step) * octaves.exp2() * (0.625 + ROUNDED) + rounding;
        assert!(error <= bound, "row {i}: {error}, at most {bound}");
    }
}

#[test]
fn equal_weights_are_no_weights() {
    let (codec, rows) = (plain(stepped(0.1), Objective::Mse), correlated(130, 9));
    let block = encode(&codec, &rows, Side::default()).unwrap();
    for weight in [1.0, 0.3, 1e-30, 7e30] {
        let weights = vec![weight; 130];
        let weighted = encode(&codec, &rows, Side { weights: Some(&weights), ..Side::default() }).unwrap();
        assert!(weighted == block, "weight {weight}");
    }
}

/// Four octaves above the others, and no weight at all asks for more.
#[test]
fn rows_without_weight_are_coded_coarsest() {
    let (n, step) = (400, 5e-4);
    let (codec, rows) = (plain(stepped(step), Objective::Mse), correlated(n, 10));
    let skeleton = skeleton(&stepped(step));
    let back = |none: f32| {
        let weights: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { none } else { 1.0 }).collect();
        let block = encode(&codec, &rows, Side { weights: Some(&weights), ..Side::default() }).unwrap();
        decode(&codec, &block, None).unwrap()
    };
    let nothing = back(0.0);
    let ratio = lost(&skeleton, &rows, &nothing, 0) / lost(&skeleton, &rows, &nothing, 1);
    assert!((ratio / 256.0 - 1.0).abs() < 0.1, "{ratio} times the error");
    let little = back(1e-6);
    assert!(lost(&skeleton, &rows, &little, 0) <= 1.01 * lost(&skeleton, &rows, &nothing, 0));
}

/// Certified and measured error of the rows that are coded.
fn check_certificate(codec: &Codec, block: &[u8], rows: &[f32], back: &[f32]) {
    let (mut squared, mut whole, mut absolute) = (0.0, 0.0, 0.0_f64);
    for ((x, back), raw) in rows.chunks(DIM).zip(back.chunks(DIM)).zip(raw_rows(block)) {
        if raw {
            assert_eq!(bits(x), bits(back), "a raw row");
        } else {
            squared += relative_error(x, back) * energy(x);
            whole += energy(x);
            absolute = absolute.max(largest_error(x, back));
        }
    }
    let relative = if whole > 0.0 { squared / whole } else { 0.0 };
    let measured = if codec.objective() == Objective::LInf { absolute } else { relative };
    let certified = f64::from(verify(block).unwrap().certified_error);
    let close = measured * (1.0 - 1e-9)..=measured * (1.0 + 1e-6);
    assert!(close.contains(&certified), "certified {certified}, measured {measured}");
}

#[test]
fn raw_rows_are_exact_and_may_be_any_number() {
    let n = 100;
    let settings = Settings { nan_policy: NanPolicy::Raw, ..stepped(0.2) };
    for objective in OBJECTIVES {
        let codec = plain(settings.clone(), objective);
        for raw in [0, 1, 2, 50, 90, 99, 100] {
            let chosen = |i: usize| (i * 37) % n < raw;
            let protect: Vec<u8> = (0..n).map(|i| u8::from(chosen(i))).collect();
            let mut broken = correlated(n, 11);
            for i in (0..n).filter(|&i| chosen(i)) {
                broken[i * DIM + i % DIM] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][i % 3];
            }
            let cases = [(correlated(n, 11), Some(&protect[..])), (broken, None)];
            for (rows, protect) in cases {
                let block = encode(&codec, &rows, Side { protect, ..Side::default() }).unwrap();
                let back = decode(&codec, &block, None).unwrap();
                let stored = raw_rows(&block);
                let whole = verify(&block).unwrap().flags & FLAG_RAW != 0;
                assert!((0..n).all(|i| stored[i] == (whole || chosen(i))), "{raw} raw rows");
                assert_eq!(whole, raw >= 99, "{raw} raw rows");
                check_certificate(&codec, &block, &rows, &back);
            }
        }
    }
}

#[test]
fn a_bound_on_the_largest_error_is_kept_on_every_row() {
    let (n, rows) = (300, correlated(300, 12));
    for (step, bound) in [(0.2, 0.2_f32), (0.2, 0.17), (0.05, 1.0), (0.2, 1e-6)] {
        let codec = plain(Settings { max_abs_error: bound, ..stepped(step) }, Objective::LInf);
        let block = encode(&codec, &rows, Side::default()).unwrap();
        let back = decode(&codec, &block, None).unwrap();
        assert!(largest_error(&rows, &back) <= f64::from(bound));
        check_certificate(&codec, &block, &rows, &back);
        let raw = raw_rows(&block).iter().filter(|&&raw| raw).count();
        println!("step {step}, bound {bound}: {raw} of {n} rows raw");
        match bound {
            1.0 => assert_eq!(raw, 0),
            1e-6 => assert_eq!(raw, n),
            _ => assert!((1..n).contains(&raw), "{raw} rows raw"),
        }
    }
}

#[test]
fn every_range_of_rows_decodes_alone() {
    let n = 150;
    let rows = correlated(n, 13);
    let (weights, mut protect) = ([1.0, 5.0, 0.2].repeat(50), vec![0; n]);
    // The ends of runs among them, and a run that has no other rows.
    [0, 6, 13, 50, 127, 128, 149].iter().chain(&[70, 71, 72, 73, 74, 75, 76]).for_each(|&i| protect[i] = 1);
    let side = Side { weights: Some(&weights), protect: Some(&protect), positions: None };
    let mut first: Option<Vec<u32>> = None;
    for rows_per_run in [1, 7, 128, 65_535] {
        let codec = plain(Settings { rows_per_run, ..stepped(0.2) }, Objective::Mse);
        let block = encode(&codec, &rows, side).unwrap();
        assert_eq!(verify(&block).unwrap().n_protected, 14);
        let back = decode(&codec, &block, None).unwrap();
        check_certificate_of_weighted(&block, &rows, &back, &weights);
        assert_eq!(*first.get_or_insert_with(|| bits(&back)), bits(&back), "runs change no value");
        let mut workspace = Workspace::new(&codec, n).unwrap();
        for start in 0..n {
            for count in [0, 1, 2, 6, 7, 8, 64, n].map(|count: usize| count.min(n - start)) {
                let part = decode_rows(&codec, &mut workspace, &block, (start, count), None).unwrap();
                assert_eq!(bits(&part), bits(&back[start * DIM..][..count * DIM]), "{count} from {start}");
            }
        }
    }
}

/// The certificate of weighted rows is the weighted error.
fn check_certificate_of_weighted(block: &[u8], rows: &[f32], back: &[f32], weights: &[f32]) {
    let (mut squared, mut whole) = (0.0, 0.0);
    for (i, (x, back)) in rows.chunks(DIM).zip(back.chunks(DIM)).enumerate() {
        if !raw_rows(block)[i] {
            squared += f64::from(weights[i]) * relative_error(x, back) * energy(x);
            whole += f64::from(weights[i]) * energy(x);
        }
    }
    let certified = f64::from(verify(block).unwrap().certified_error);
    assert!((certified * whole / squared - 1.0).abs() < 1e-6, "certified {certified}");
}

/// Bytes and relative error of rows, the centres that were kept, and what was fitted to other rows.
fn with_centres(k: u32, sample: &[f32], rows: &[f32], dim: usize) -> (usize, f64, usize) {
    let settings = Settings { kmeans_k: k, ..stepped(0.3) };
    let layout = Layout::plain(dim).unwrap();
    let (skeleton, report) = fit(&settings, &layout, sample, Side::default());
    let codec = of_layout(settings, Objective::Mse, layout, Some(skeleton));
    let block = encode(&codec, rows, Side::default()).unwrap();
    (block.len(), relative_error(rows, &decode(&codec, &block, None).unwrap()), report.n_centres)
}

#[test]
fn centres_are_kept_where_they_save_bytes() {
    let (n, dim, k) = (1024, 32, 24);
    // More directions than a few components could span.
    let rows = clustered((2 * n, dim), k, 0.1, 14);
    let (sample, rows) = rows.split_at(n * dim);
    let (plain, plain_error, none) = with_centres(0, sample, rows, dim);
    let (bytes, error, kept) = with_centres(k as u32, sample, rows, dim);
    println!("{kept} centres: {bytes} bytes at {error:.2e}; without {plain} at {plain_error:.2e}");
    assert_eq!((none, kept), (0, k));
    assert!(error <= 1.03 * plain_error && bytes as f64 <= 0.8 * plain as f64);

    let noise = normal(2 * n * dim, 15);
    let (sample, rows) = noise.split_at(n * dim);
    let without = with_centres(0, sample, rows, dim);
    assert_eq!(with_centres(16, sample, rows, dim), without, "noise has no centres");
}

/// Normal rows: the fit codes some of them.
#[test]
fn the_fit_predicts_what_normal_rows_cost() {
    let (rows, layout) = (correlated(2000, 16), Layout::plain(DIM).unwrap());
    for step in [0.05, 0.2, 0.6] {
        let (skeleton, report) = fit(&stepped(step), &layout, &rows, Side::default());
        let codec = of_layout(stepped(step), Objective::Mse, layout.clone(), Some(skeleton));
        let block = encode(&codec, &rows, Side::default()).unwrap();
        let bytes = report.predicted_bpv * rows.len() as f64 / (8.0 * block.len() as f64);
        let error = report.predicted_error / f64::from(verify(&block).unwrap().certified_error);
        println!("step {step}: {bytes:.3} of the bytes, {error:.3} of the error");
        assert!((bytes - 1.0).abs() <= 0.04 && (error - 1.0).abs() <= 0.03, "{bytes} and {error}");
    }
}
