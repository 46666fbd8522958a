//! Faults that a codec of this kind is prone to, each with the test that would find it.
//!
//! Bounds come from theory: on normal rows the relative error is the Lloyd–Max distortion `D` for MSE and
//! `D/(1 − D)` for inner products, within what a sample of this size allows.

use crate::common::blocks::{HEADER_BYTES, Side, bits, codec, decode, encode, shared};
use crate::common::counting::{Counting, counted};
use crate::common::{normal, relative_error};
use kakeyaturbo::internals::DISTORTION;
use kakeyaturbo::{
    Distortion, Error, FORMAT_VERSION, Fitter, InnerProduct, LInf, MSE, Objective, Params, Preset, Settings,
    Skeleton, decode_block, encode_block, verify,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn settings(preset: Preset, bits: u8) -> Settings {
    Settings { preset, bits: f32::from(bits), ..Settings::default() }
}

fn round_trip<R: Distortion>(rows: &[f32], weights: &[f32], settings: &Settings) -> (Skeleton, Vec<f32>) {
    let params = Params::new(settings.clone()).unwrap();
    let (skeleton, codes) = encode_block::<R>(rows, weights, rows.len() / weights.len(), &params).unwrap();
    let back = decode_block::<R>(&skeleton, &codes).unwrap();
    (skeleton, back)
}

/// Rows `[n, d]` whose deviations from a mean have variances `spread^-i`.
fn decaying(n: usize, d: usize, spread: f64, seed: u64) -> Vec<f32> {
    let mut rows = normal(n * d, seed);
    for (i, x) in rows.iter_mut().enumerate() {
        *x = *x * spread.powf(-((i % d) as f64) / 2.0) as f32 + 0.5;
    }
    rows
}

/// Fault: the residual scaled for an orthonormal transform, then put through one that is not, so that the quantiser
/// saturates.
#[test]
fn the_quantiser_is_neither_saturated_nor_starved() {
    let (n, d) = (4096, 256);
    let rows = normal(n * d, 1);
    for width in 1..=8_u8 {
        let (_, back) = round_trip::<MSE>(&rows, &vec![1.0; n], &settings(Preset::Turbo, width));
        let ratio = relative_error(&rows, &back) / DISTORTION[usize::from(width) - 1];
        assert!((ratio - 1.0).abs() < 0.03, "turbo, {width} bits: {ratio} of D");
    }
    // All variance kept, all variances equal, and a mean of 0: kakeya's residual is the row, but for the
    // n/(n − d) by which the fitted basis is closer to its own rows.
    let (n, d) = (2048, 64);
    let rows = normal(n * d, 2);
    let all = Settings { variance_ratio: 1.0, kmeans_k: 0, ..settings(Preset::Kakeya, 3) };
    let (skeleton, back) = round_trip::<MSE>(&rows, &vec![1.0; n], &all);
    assert_eq!(skeleton.rank(), d);
    let ratio = relative_error(&rows, &back) / DISTORTION[2];
    // Rows of 64 have tails 4 % lighter than independent values.
    assert!((0.93..1.02).contains(&ratio), "kakeya, 3 bits: {ratio} of D");
}

/// Fault: decoding for inner products left the stored length of the residual out.
#[test]
fn inner_products_use_the_length_of_the_row() {
    let (n, d) = (2048, 256);
    let rows = normal(n * d, 3);
    for width in 2..=5_u8 {
        let distortion = DISTORTION[usize::from(width) - 1];
        for scale in [1e-6_f32, 1.0, 1e6] {
            let rows: Vec<f32> = rows.iter().map(|x| x * scale).collect();
            let (_, back) = round_trip::<InnerProduct>(&rows, &vec![1.0; n], &settings(Preset::Turbo, width));
            let ratio = relative_error(&rows, &back) / (distortion / (1.0 - distortion));
            assert!((ratio - 1.0).abs() < 0.03, "{width} bits, scale {scale}: {ratio} of D/(1 − D)");
        }
    }
    // With a skeleton only the coded residual is stretched: the error stays that of the residual.
    let rows = decaying(2048, 32, 1.2, 4);
    let all = Settings { variance_ratio: 1.0, kmeans_k: 0, ..settings(Preset::Kakeya, 4) };
    let (_, least) = round_trip::<MSE>(&rows, &[1.0; 2048], &all);
    let (_, unbiased) = round_trip::<InnerProduct>(&rows, &[1.0; 2048], &all);
    let ratio = relative_error(&rows, &unbiased) / relative_error(&rows, &least);
    // 1/(1 − D) with 4 bits, up to the rounding of the scale.
    assert!((ratio * (1.0 - DISTORTION[3]) - 1.0).abs() < 0.005, "{ratio}");
}

/// Fault: a residual of zero decoded to the smallest levels.
#[test]
fn a_zero_residual_decodes_to_exactly_nothing() {
    for width in 1..=8_u8 {
        for objective in [Objective::Mse, Objective::InnerProduct, Objective::LInf] {
            let turbo = codec(settings(Preset::Turbo, width), objective, 48);
            let mut rows = normal(3 * 48, 5);
            rows[48..96].fill(0.0);
            let back = decode(&turbo, &encode(&turbo, &rows, Side::default()).unwrap(), None).unwrap();
            assert_eq!(back[48..96], [0.0; 48], "turbo, {width} bits");

            // All rows are the mean.
            let kakeya = codec(settings(Preset::Kakeya, width), objective, 48);
            let rows = normal(48, 6).repeat(20);
            let back = decode(&kakeya, &encode(&kakeya, &rows, Side::default()).unwrap(), None).unwrap();
            assert_eq!(bits(&back), bits(&rows), "kakeya, {width} bits");
        }
    }
}

/// Fault: thresholds that are absolute, so that data of small variance counts as constant.
#[test]
fn the_scale_of_the_data_changes_nothing() {
    let (n, d) = (200, 24);
    let rows = decaying(n, d, 1.3, 7);
    let base = settings(Preset::Kakeya, 3);
    let (skeleton, back) = round_trip::<MSE>(&rows, &[1.0; 200], &base);
    let (rank, error) = (skeleton.rank(), relative_error(&rows, &back));
    assert!((8..d).contains(&rank), "rank {rank}");
    for exponent in [-120, -60, -20, 20, 60, 120] {
        let factor = 2_f32.powi(exponent);
        let scaled: Vec<f32> = rows.iter().map(|x| x * factor).collect();
        let (skeleton, back) = round_trip::<MSE>(&scaled, &[1.0; 200], &base);
        assert_eq!(skeleton.rank(), rank, "2^{exponent}");
        let other = relative_error(&scaled, &back);
        assert!((other / error - 1.0).abs() < 1e-3, "2^{exponent}: {other}, at scale 1 {error}");
        // The same with turbo, bit for bit.
        let turbo = settings(Preset::Turbo, 3);
        let expected = round_trip::<MSE>(&rows, &[1.0; 200], &turbo).1;
        let expected: Vec<f32> = expected.iter().map(|x| x * factor).collect();
        assert_eq!(bits(&round_trip::<MSE>(&scaled, &[1.0; 200], &turbo).1), bits(&expected), "2^{exponent}");
    }
    // A deviation that is small beside the mean still counts: 2^-10 of it, of which binary32 leaves 13 bits.
    let near: Vec<f32> = normal(n * d, 8).iter().map(|x| 1.0 + x / 1024.0).collect();
    let all = Settings { variance_ratio: 1.0, kmeans_k: 0, ..settings(Preset::Kakeya, 4) };
    let (skeleton, back) = round_trip::<MSE>(&near, &[1.0; 200], &all);
    assert_eq!(skeleton.rank(), d);
    let deviations = |rows: &[f32]| rows.iter().map(|x| (x - 1.0) * 1024.0).collect::<Vec<_>>();
    let error = relative_error(&deviations(&near), &deviations(&back));
    assert!(error < DISTORTION[3], "{error} of the deviations' energy");
}

/// Fault: panics on blocks without variance, without rows to compare, without weight.
#[test]
fn degenerate_blocks_are_blocks() {
    let blocks: [(&str, usize, usize, Vec<f32>); 7] = [
        ("constant", 9, 6, vec![3.5; 54]),
        ("zero", 9, 6, vec![0.0; 54]),
        ("one row", 1, 33, normal(33, 9)),
        ("one value", 1, 1, vec![-2.0]),
        ("one column", 40, 1, normal(40, 9)),
        ("two rows, one of them zero", 2, 5, [vec![0.0; 5], vec![1.0; 5]].concat()),
        ("constant, enormous", 5, 4, vec![f32::MAX; 20]),
    ];
    for preset in [Preset::Turbo, Preset::Kakeya] {
        for (name, n, d, rows) in &blocks {
            for weights in [vec![1.0; *n], vec![0.0; *n]] {
                let label = format!("{preset:?}, {name}, weight {}", weights[0]);
                let base = settings(preset, 4);
                let results = [
                    round_trip::<MSE>(rows, &weights, &base).1,
                    round_trip::<InnerProduct>(rows, &weights, &base).1,
                    round_trip::<LInf>(rows, &weights, &base).1,
                ];
                for back in results {
                    assert!(back.iter().all(|x| x.is_finite()), "{label}");
                    let error =
                        if crate::common::energy(rows) > 0.0 { relative_error(rows, &back) } else { 0.0 };
                    // Turbo: one row may lie at the edge of its cells, a rotated constant is a few values.
                    let limit = if preset == Preset::Turbo { 0.06 } else { DISTORTION[3] };
                    assert!(error <= limit, "{label}: relative error {error}");
                    if name.contains("zero") && n > &2 {
                        assert_eq!(back, vec![0.0; n * d], "{label}");
                    }
                }
            }
        }
    }
}

/// Fault: NaN and infinities reached an eigen solver that never returns.
#[test]
fn values_that_are_not_finite_are_refused_before_anything_is_fitted() {
    for preset in [Preset::Turbo, Preset::Kakeya] {
        let params = Params::new(settings(preset, 4)).unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut rows = normal(30 * 12, 10);
            rows[17 * 12 + 11] = value;
            let refused = encode_block::<MSE>(&rows, &[1.0; 30], 12, &params).unwrap_err();
            assert_eq!(refused, Error::NotFinite { row: 17 });
            let codec = codec(settings(preset, 4), Objective::Mse, 12);
            assert_eq!(encode(&codec, &rows, Side::default()), Err(Error::NotFinite { row: 17 }));
        }
    }
}

/// Fault: a half-precision scale, which overflows at 65,504. Attention sinks reach 79,111.
#[test]
fn rows_beyond_half_precision_are_rows() {
    let (n, d) = (4096, 256);
    for peak in [65_505.0_f32, 79_111.0, 1e12, 5e37] {
        // `peak` is the root mean square of a row here, and the one loud coordinate of a row below.
        let rows: Vec<f32> = normal(n * d, 11).iter().map(|x| x * peak).collect();
        let (_, back) = round_trip::<MSE>(&rows, &vec![1.0; n], &settings(Preset::Turbo, 4));
        let ratio = relative_error(&rows, &back) / DISTORTION[3];
        assert!((ratio - 1.0).abs() < 0.03, "{peak}: {ratio} of D");

        let mut sink = normal(64 * 64, 12);
        sink[5] = peak;
        let (_, back) = round_trip::<MSE>(&sink, &[1.0; 64], &settings(Preset::Turbo, 4));
        // A lone coordinate becomes ±c in the rotation, which the scale then hits exactly, to 2^-9.
        assert!((back[5] / peak - 1.0).abs() < 1.0 / 256.0, "{peak} became {}", back[5]);
        assert!(relative_error(&sink[64..], &back[64..]) < DISTORTION[3], "rows beside the sink");
    }
}

/// Fault: with one centre, K-means never moved it.
#[test]
fn one_centre_moves_to_the_main_axis() {
    let (n, d) = (300, 8);
    let mut rows = normal(n * d, 13);
    rows.iter_mut().step_by(d).for_each(|x| *x *= 12.0);
    let base = Settings { kmeans_k: 1, variance_ratio: 1.0, ..settings(Preset::Kakeya, 4) };
    let (skeleton, _) = round_trip::<MSE>(&rows, &[1.0; 300], &base);
    assert_eq!(skeleton.n_centres(), 1);
    // In the basis of the principal axes that is the first coordinate; rows lie 12° from it in the median.
    let along = skeleton.centres()[0].abs();
    assert!(along > 0.999, "cosine of centre and main axis: {along}");
}

/// Fault: first centres were chosen by the signed cosine, rows assigned by its magnitude: of a direction and
/// its opposite both became centres.
#[test]
fn no_centre_is_the_opposite_of_another() {
    let (n, d, k) = (400, 12, 4);
    let rows = crate::common::clustered((n, d), k, 1e-3, 14);
    for seed in 0..8 {
        let base = Settings { kmeans_k: k as u32, variance_ratio: 1.0, seed, ..settings(Preset::Kakeya, 4) };
        let (skeleton, back) = round_trip::<MSE>(&rows, &vec![1.0; n], &base);
        assert_eq!(skeleton.n_centres(), k);
        let centres: Vec<&[f32]> = skeleton.centres().chunks(skeleton.rank()).collect();
        for (i, a) in centres.iter().enumerate() {
            for b in &centres[..i] {
                let cosine: f32 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
                assert!(cosine.abs() < 0.95, "seed {seed}: two centres have the cosine {cosine}");
            }
        }
        // What is left beside its direction is the step of the reach, 0.2 % of the energy at most.
        let error = relative_error(&rows, &back);
        assert!(error < 2e-3 * DISTORTION[3], "seed {seed}: {error}");
    }
}

/// Fault: no wire format, no version, tables not named in the stream.
#[test]
fn a_block_names_its_format_and_all_that_decides_its_meaning() {
    let base = settings(Preset::Turbo, 4);
    let rows = normal(4 * 16, 15);
    let ours = codec(base.clone(), Objective::Mse, 16);
    let block = encode(&ours, &rows, Side::default()).unwrap();
    assert_eq!(block[..6], [b'K', b'K', b'Y', b'B', FORMAT_VERSION as u8, 0]);
    assert_eq!(verify(&block).unwrap().fingerprint, *ours.fingerprint());
    ours.verify(&block).unwrap();

    let fitted = |seed| {
        let params = Params::new(settings(Preset::Kakeya, 4)).unwrap();
        let mut fitter = Fitter::new(16, &params).unwrap();
        fitter.add(&normal(50 * 16, seed), &[1.0; 50]);
        shared(settings(Preset::Kakeya, 4), Objective::Mse, fitter.finish().unwrap().0)
    };
    let others = [
        codec(Settings { bits: 3.0, ..base.clone() }, Objective::Mse, 16),
        codec(Settings { seed: 1, ..base.clone() }, Objective::Mse, 16),
        codec(Settings { checksum: false, ..base.clone() }, Objective::Mse, 16),
        codec(Settings { max_protected: 1, ..base.clone() }, Objective::Mse, 16),
        codec(base.clone(), Objective::InnerProduct, 16),
        codec(base, Objective::Mse, 17),
        codec(settings(Preset::Kakeya, 4), Objective::Mse, 16),
        fitted(16),
        fitted(17),
    ];
    for (i, other) in others.iter().enumerate() {
        assert!(matches!(other.verify(&block), Err(Error::WrongCodec { .. })), "codec {i}");
        assert!(matches!(decode(other, &block, None), Err(Error::WrongCodec { .. })), "codec {i}");
    }
    let [.., one, other] = &others;
    let block = encode(one, &rows, Side::default()).unwrap();
    assert!(matches!(decode(other, &block, None), Err(Error::WrongCodec { .. })), "another skeleton");
}

/// Fault: 33 components padded to 64.
#[test]
fn thirty_three_components_cost_thirty_three() {
    let n = 40;
    for width in 1..=8_usize {
        let turbo = codec(settings(Preset::Turbo, width as u8), Objective::Mse, 33);
        let block = encode(&turbo, &normal(n * 33, 18), Side::default()).unwrap();
        assert_eq!(block.len(), HEADER_BYTES + 2 * n + (width * 33 * n).div_ceil(8));

        let base = Settings {
            max_rank: 33,
            variance_ratio: 1.0,
            kmeans_k: 0,
            ..settings(Preset::Kakeya, width as u8)
        };
        let kakeya = codec(base, Objective::Mse, 64);
        let block = encode(&kakeya, &normal(n * 64, 19), Side::default()).unwrap();
        assert_eq!(verify(&block).unwrap().rank, 33);
        let skeleton = 4 + 4 * 64 + 2 * 33 * 64;
        assert_eq!(block.len(), HEADER_BYTES + skeleton + 2 * n + (width * 33 * n).div_ceil(8));
    }
    // And the last one is mixed with the others: a row that is nothing else has an error like any row.
    let mut row = vec![0.0; 33];
    row[32] = 1.0;
    let (_, back) = round_trip::<MSE>(&row, &[1.0], &settings(Preset::Turbo, 4));
    assert!(relative_error(&row, &back) < 2.0 * DISTORTION[3]);
}

/// Fault: heap allocations and a new draw of the signs for every row.
#[test]
fn work_on_the_heap_does_not_grow_with_the_rows() {
    let (few, many, d) = (8, 512, 64);
    let rows = normal(many * d, 20);
    let params = Params::new(settings(Preset::Turbo, 3)).unwrap();
    let allocations = |n: usize| {
        let weights = vec![1.0; n];
        let (coded, encoding, _) = counted(|| encode_block::<MSE>(&rows[..n * d], &weights, d, &params));
        let (skeleton, codes) = coded.unwrap();
        let (back, decoding, _) = counted(|| decode_block::<MSE>(&skeleton, &codes));
        assert!(back.is_ok());
        (encoding, decoding)
    };
    assert_eq!(allocations(few), allocations(many));
}

/// Fault: bounds so loose that every fault above passed.
#[test]
fn the_bounds_notice_a_wrong_factor() {
    let (n, d) = (2048, 256);
    let rows = normal(n * d, 21);
    for width in 1..=8_u8 {
        let distortion = DISTORTION[usize::from(width) - 1];
        let passes = |back: &[f32]| (relative_error(&rows, back) / distortion - 1.0).abs() < 0.03;
        let (_, back) = round_trip::<MSE>(&rows, &vec![1.0; n], &settings(Preset::Turbo, width));
        assert!(passes(&back), "{width} bits");
        // Least squares is flat at its minimum, where a factor g adds (g − 1)²·(1 − D); rows of 256 are up to
        // 2 % below D to begin with.
        let least = (0.06 * distortion / (1.0 - distortion)).sqrt();
        for factor in [1.0 + least, 1.0 - least, 0.0, 16.0, 1.0 / 16.0] {
            let wrong: Vec<f32> = back.iter().map(|x| x * factor as f32).collect();
            assert!(!passes(&wrong), "{width} bits: a factor of {factor} goes unnoticed");
        }
        if let Some(next) = DISTORTION.get(usize::from(width)) {
            assert!((next / distortion - 1.0).abs() > 0.5, "a bit more or less is noticed");
        }
    }
}
