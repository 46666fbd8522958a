//! The rate controls of rdo that fix the size: bits by component, and the largest size of a block.

mod common;

use common::blocks::{OBJECTIVES, RAW_HEADER_BYTES, Side, decode, encode, fit, of_layout, stepped};
use common::{clustered, largest_error, normal, relative_error};
use kakeyaturbo::Layout;
use kakeyaturbo::internals::Allocation;
use kakeyaturbo::{Codec, Error, Objective, Preset, RateControl, Settings, Skeleton, verify};

/// Normal rows whose components have standard deviations from 4 down by a factor of `fall` each.
fn falling((n, dim): (usize, usize), fall: f32, seed: u64) -> Vec<f32> {
    let mut rows = normal(n * dim, seed);
    for row in rows.chunks_exact_mut(dim) {
        row.iter_mut().enumerate().for_each(|(j, x)| *x *= 4.0 * fall.powi(j as i32));
    }
    rows
}

fn skeleton(rows: &[f32], dim: usize, settings: &Settings) -> Skeleton {
    fit(settings, &Layout::plain(dim).unwrap(), rows, Side::default()).0
}

fn shared(settings: Settings, objective: Objective, skeleton: &Skeleton) -> Codec {
    of_layout(settings, objective, Layout::plain(skeleton.dim()).unwrap(), Some(skeleton.clone()))
}

fn fixed(bits: f32) -> Settings {
    Settings { preset: Preset::Rdo, bits, kmeans_k: 0, ..Settings::default() }
}

fn capped(max_bytes: usize) -> Settings {
    Settings { rate_control: RateControl::MaxBytes, max_bytes, step: 0.0, ..stepped(1.0) }
}

/// The distortion of reverse water-filling with Lloyd–Max quantisers. A scale of its own brings a row a little below.
#[test]
fn bits_lose_what_theory_says() {
    // So many rows to fit to that the variances are not those of chance.
    for (dim, fall) in [(256, 1.0), (256, 0.985)] {
        let rows = falling((41_024, dim), fall, 80);
        let (sample, rows) = rows.split_at(40_000 * dim);
        let variances: Vec<f32> = (0..dim).map(|j| 16.0 * fall.powi(2 * j as i32)).collect();
        for bits in [0.7, 1.0, 2.0, 2.5, 4.0, 6.0] {
            let skeleton = skeleton(sample, dim, &fixed(bits));
            let codec = shared(fixed(bits), Objective::Mse, &skeleton);
            let block = encode(&codec, rows, Side::default()).unwrap();
            let error = relative_error(rows, &decode(&codec, &block, None).unwrap());
            let theory = Allocation::new(&variances, bits).unwrap().distortion();
            println!("{dim} components, fall {fall}, {bits} bits: {:.4} of theory", error / theory);
            assert!((0.96..=1.01).contains(&(error / theory)), "{dim}, {fall}, {bits}: {error}, {theory}");
            let row_bits = (f64::from(bits) * dim as f64) as usize;
            assert_eq!(block.len(), 92 + 1024 * 2 + (1024 * row_bits).div_ceil(8));
            let certified = f64::from(verify(&block).unwrap().certified_error);
            assert!((certified / error - 1.0).abs() < 1e-3, "certified {certified}, measured {error}");
        }
    }
}

#[test]
fn a_block_has_the_size_that_was_announced() {
    let dim = 40;
    let sample = falling((400, dim), 0.9, 81);
    for bits in [0.02, 0.3, 1.37, 3.0, 8.0] {
        let settings = Settings { max_protected: 2, ..fixed(bits) };
        let skeleton = skeleton(&sample, dim, &settings);
        for objective in OBJECTIVES {
            let codec = shared(settings.clone(), objective, &skeleton);
            for n in [1, 2, 7, 33] {
                let mut protect = vec![0; n];
                protect[n / 2] = 1;
                let inputs = [
                    falling((n, dim), 0.9, 82),
                    normal(n * dim, 83),
                    vec![0.0; n * dim],
                    vec![1e30; n * dim],
                    normal(n * dim, 84).iter().map(|x| x * 1e-30).collect(),
                ];
                for rows in inputs {
                    for protect in [None, Some(&protect[..])] {
                        let block = encode(&codec, &rows, Side { protect, ..Side::default() }).unwrap();
                        assert_eq!(block.len(), codec.encode_bound(n).unwrap());
                        let back = decode(&codec, &block, None).unwrap();
                        assert!(back.iter().all(|x| x.is_finite()));
                        if protect.is_some() {
                            let row = n / 2 * dim..(n / 2 + 1) * dim;
                            assert_eq!(back[row.clone()], rows[row]);
                        }
                    }
                }
            }
        }
    }
}

/// The bits of a row go where they lower the error: at the same size, less is lost than with equal bits.
#[test]
fn bits_by_component_beat_equal_bits() {
    let dim = 128;
    let rows = falling((2048, dim), 0.96, 85);
    let (sample, rows) = rows.split_at(1024 * dim);
    let settings = fixed(2.0);
    let codec = shared(settings.clone(), Objective::Mse, &skeleton(sample, dim, &settings));
    let rdo = encode(&codec, rows, Side::default()).unwrap();
    let turbo = common::blocks::codec(Settings { bits: 2.0, ..Settings::default() }, Objective::Mse, dim);
    let equal = encode(&turbo, rows, Side::default()).unwrap();
    assert_eq!(rdo.len(), equal.len());
    let [rdo, equal] = [(&codec, rdo), (&turbo, equal)]
        .map(|(codec, block)| relative_error(rows, &decode(codec, &block, None).unwrap()));
    assert!(rdo < 0.15 * equal, "{rdo} against {equal}");
}

/// Centres are kept where they lower the error at the same bits by more than their own bits would.
#[test]
fn centres_pay_at_a_fixed_rate_on_clustered_rows_alone() {
    let (n, dim, k) = (1024, 32, 24);
    let rows = clustered((2 * n, dim), k, 0.1, 89);
    let (sample, rows) = rows.split_at(n * dim);
    let with = |k: usize, sample: &[f32], rows: &[f32]| {
        let settings = Settings { kmeans_k: k as u32, ..fixed(2.0) };
        let skeleton = skeleton(sample, dim, &settings);
        let codec = shared(settings, Objective::Mse, &skeleton);
        let block = encode(&codec, rows, Side::default()).unwrap();
        (skeleton.n_centres(), block.len(), relative_error(rows, &decode(&codec, &block, None).unwrap()))
    };
    let (plain, kept) = (with(0, sample, rows), with(k, sample, rows));
    println!("without {plain:?}, with {kept:?}");
    assert_eq!((plain.0, kept.0), (0, k));
    // A reach of 8 bits and an index of 5 a row.
    assert_eq!(kept.1, plain.1 + n + (5 * n).div_ceil(8));
    assert!(kept.2 < 0.3 * plain.2);
    let noise = normal(2 * n * dim, 90);
    assert_eq!(with(k, &noise[..n * dim], &noise[n * dim..]).0, 0, "noise has no centres");
}

#[test]
fn the_finest_step_that_fits_is_found() {
    let (n, dim) = (300, 48);
    let rows = falling((n + 1000, dim), 0.9, 86);
    let (sample, rows) = rows.split_at(1000 * dim);
    let skeleton = skeleton(sample, dim, &stepped(0.5));
    for effort in [0, 1] {
        let mut last = f64::INFINITY;
        for max_bytes in [700, 1_000, 2_000, 5_000, 12_000, 20_000] {
            let codec = shared(Settings { effort, ..capped(max_bytes) }, Objective::Mse, &skeleton);
            let block = encode(&codec, rows, Side::default()).unwrap();
            assert!(block.len() <= max_bytes && codec.encode_bound(n).unwrap() == max_bytes);
            let error = relative_error(rows, &decode(&codec, &block, None).unwrap());
            assert!(error < last, "{max_bytes} bytes: {error}, fewer bytes: {last}");
            last = error;
            // Another 1.1 % finer is too much.
            let step = verify(&block).unwrap().step;
            let finer = Settings { effort, ..stepped(step * (-1.0_f32 / 64.0).exp2()) };
            let finer = encode(&shared(finer, Objective::Mse, &skeleton), rows, Side::default()).unwrap();
            assert!(finer.len() > max_bytes, "{} bytes at a finer step, {max_bytes} allowed", finer.len());
        }
    }
}

#[test]
fn a_size_and_a_bound_are_both_kept_where_they_can_be() {
    let (n, dim) = (300, 48);
    let rows = falling((n + 1000, dim), 0.9, 92);
    let (sample, rows) = rows.split_at(1000 * dim);
    let skeleton = skeleton(sample, dim, &stepped(0.5));
    let bound = 0.5_f32;
    let with = |settings: Settings| {
        shared(Settings { max_abs_error: bound, ..settings }, Objective::LInf, &skeleton)
    };
    // The smallest block that keeps the bound: a coarser step stores more rows raw.
    let size = |step: f32| encode(&with(stepped(step)), rows, Side::default()).unwrap().len();
    let sizes: Vec<usize> = (0..64).map(|k| size(0.05 * (k as f32 / 16.0).exp2())).collect();
    let smallest = *sizes.iter().min().unwrap();
    assert!(*sizes.last().unwrap() > 2 * smallest, "the coarsest step stores rows raw");
    for max_bytes in [smallest + smallest / 50, 2 * smallest] {
        let codec = with(capped(max_bytes));
        let block = encode(&codec, rows, Side::default()).unwrap();
        assert!(block.len() <= max_bytes && block.len() > max_bytes * 9 / 10, "{} bytes", block.len());
        let error = largest_error(rows, &decode(&codec, &block, None).unwrap());
        assert!(error <= f64::from(bound), "{error}");
    }
    let nothing = with(capped(smallest - smallest / 20));
    let error = encode(&nothing, rows, Side::default()).unwrap_err();
    assert!(matches!(error, Error::MaxBytesNotMet { .. }), "{error}");
}

#[test]
fn a_size_that_nothing_fits_in_is_an_error() {
    let (n, dim) = (64, 24);
    let rows = falling((n, dim), 0.9, 87);
    let skeleton = skeleton(&falling((500, dim), 0.9, 88), dim, &stepped(0.5));
    let codec = shared(capped(130), Objective::Mse, &skeleton);
    let error = encode(&codec, &rows, Side::default()).unwrap_err();
    assert_eq!(error, Error::MaxBytesNotMet { max_bytes: 130 });
    assert!(error.to_string().contains("130 bytes"));
    // Without a limit on the fineness, what may be as large as the rows is the rows; with one, it ends there.
    let raw = RAW_HEADER_BYTES + 4 * n * dim;
    for (step, limit) in [(0.0, raw), (0.25, raw / 4)] {
        let settings = Settings { step, ..capped(2 * raw) };
        let codec = shared(settings, Objective::Mse, &skeleton);
        let block = encode(&codec, &rows, Side::default()).unwrap();
        assert!(block.len() <= limit, "{} bytes", block.len());
        let error = relative_error(&rows, &decode(&codec, &block, None).unwrap());
        assert!(if step == 0.0 { error < 1e-6 } else { error > 1e-4 }, "{error}");
    }
    // The destination must have room for what is allowed, whatever the data.
    let codec = shared(capped(1000), Objective::Mse, &skeleton);
    common::blocks::with_views(codec.layout(), &mut rows.clone(), |views| {
        let mut workspace = kakeyaturbo::Workspace::new(&codec, n).unwrap();
        let rows = kakeyaturbo::Rows { n, views, positions: None, weights: None, protect: None };
        let error = codec.encode(&mut workspace, &rows, &mut [0; 999]).unwrap_err();
        assert_eq!(error, Error::DstTooSmall { need: 1000, got: 999 });
    });
}
