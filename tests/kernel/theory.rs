//! The kernel against theory: the conditions of Lloyd and Max, their distortions on normal rows, unbiasedness.

use crate::common::{largest_error, normal, relative_error};
use kakeyaturbo::internals::{DISTORTION, Quantizer};
use kakeyaturbo::{Distortion, InnerProduct, LInf, MSE, Params, Settings, decode_block, encode_block};

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// P(X > x).
fn tail(x: f64) -> f64 {
    0.5 * libm::erfc(x / std::f64::consts::SQRT_2)
}

fn params(bits: u8) -> Params {
    Params::new(Settings { bits: f32::from(bits), ..Settings::default() }).unwrap()
}

fn round_trip<R: Distortion>(rows: &[f32], d: usize, params: &Params) -> Vec<f32> {
    let (skeleton, codes) = encode_block::<R>(rows, &vec![1.0; rows.len() / d], d, params).unwrap();
    decode_block::<R>(&skeleton, &codes).unwrap()
}

/// Every level is the centroid of its cell, cells end halfway between levels, and the distortion that follows
/// is the one in the table: 1 − Σ P(cell)·level².
#[test]
fn levels_satisfy_the_lloyd_max_conditions() {
    for bits in 1..=8_u8 {
        let quantizer = Quantizer::new(bits);
        let levels: Vec<f64> = quantizer.levels().iter().map(|&level| f64::from(level)).collect();
        assert_eq!(levels.len(), 1 << bits);
        let mut captured = 0.0;
        for (i, &level) in levels.iter().enumerate() {
            let low = if i == 0 { f64::NEG_INFINITY } else { 0.5 * (levels[i - 1] + level) };
            let high = levels.get(i + 1).map_or(f64::INFINITY, |next| 0.5 * (level + next));
            // Symmetric: look at the cell from the side where the tails are small.
            let (near, far) = if level > 0.0 { (low, high) } else { (-high, -low) };
            let mass = tail(near) - tail(far);
            let centroid = (density(near) - density(far)) / mass;
            assert!(
                (centroid - level.abs()).abs() < 2e-6,
                "{bits} bits, level {i}: {level}, centroid {centroid}"
            );
            captured += mass * level * level;
        }
        let distortion = 1.0 - captured;
        let table = DISTORTION[usize::from(bits) - 1];
        assert!((distortion / table - 1.0).abs() < 1e-2, "{bits} bits: {distortion}, table {table}");
        assert_eq!(quantizer.distortion(), table);
    }
    let published = [0.3634, 0.1175, 0.03454, 0.009501, 0.002505, 0.0006442, 0.0001635, 0.00004119];
    for (table, published) in DISTORTION.iter().zip(published) {
        assert!((table / published - 1.0).abs() < 5e-4, "{table} is published as {published}");
    }
}

/// Lengths that are and are not powers of two; norms from 1e-6 to 1e6 and the extremes of binary32.
fn cases() -> Vec<(usize, f32)> {
    let mut cases: Vec<_> = [1e-6, 1e-3, 1.0, 1e3, 1e6].iter().map(|&norm| (256, norm)).collect();
    cases.extend([(257, 1.0), (384, 1.0), (576, 1e6), (1024, 1e-6), (256, 1e-30), (256, 1e30)]);
    cases
}

/// A million values, so that the mean of a heavy-tailed error is known to a per cent. (On rows of 256 the
/// expected error is up to 2 % below that of independent values: scaled to unit variance, a row has lighter
/// tails.)
fn scaled(d: usize, norm: f32, seed: u64) -> Vec<f32> {
    let scale = norm / (d as f32).sqrt();
    normal((1 << 20) / d * d, seed).iter().map(|x| x * scale).collect()
}

#[test]
fn mse_has_the_lloyd_max_distortion() {
    for (d, norm) in cases() {
        let rows = scaled(d, norm, 1);
        for bits in 1..=8 {
            let error = relative_error(&rows, &round_trip::<MSE>(&rows, d, &params(bits)));
            let theory = DISTORTION[usize::from(bits) - 1];
            assert!(
                (error / theory - 1.0).abs() < 0.03,
                "d {d}, norm {norm}, {bits} bits: {error}, theory {theory}"
            );
        }
    }
}

#[test]
fn inner_product_pays_for_being_unbiased() {
    for (d, norm) in cases() {
        let rows = scaled(d, norm, 2);
        for bits in 1..=8 {
            let back = round_trip::<InnerProduct>(&rows, d, &params(bits));
            let error = relative_error(&rows, &back);
            let distortion = DISTORTION[usize::from(bits) - 1];
            let theory = distortion / (1.0 - distortion);
            assert!(
                (error / theory - 1.0).abs() < 0.03,
                "d {d}, norm {norm}, {bits} bits: {error}, theory {theory}"
            );
        }
    }
}

/// Regressing ⟨a,x̂⟩ on ⟨a,x⟩ over random `a` gives slope 1 for InnerProduct; for MSE it gives 1 − D.
#[test]
fn inner_products_are_unbiased() {
    let (d, n) = (256, 64);
    let rows = normal(n * d, 3);
    let probes = normal(400 * d, 4);
    let slope = |back: &[f32]| {
        let (mut cross, mut square) = (0.0, 0.0);
        for (x, y) in rows.chunks(d).zip(back.chunks(d)) {
            for a in probes.chunks(d) {
                let dot =
                    |v: &[f32]| a.iter().zip(v).map(|(&a, &v)| f64::from(a) * f64::from(v)).sum::<f64>();
                let (with_x, with_y) = (dot(x), dot(y));
                cross += with_x * with_y;
                square += with_x * with_x;
            }
        }
        cross / square
    };
    for bits in 1..=4 {
        let distortion = DISTORTION[usize::from(bits) - 1];
        // Deviation of the slope over 25,600 products: √(D/25,600) at the most.
        let tolerance = 4.0 * (distortion / (1.0 - distortion) / 25_600.0).sqrt() + 1e-3;
        let unbiased = slope(&round_trip::<InnerProduct>(&rows, d, &params(bits)));
        assert!((unbiased - 1.0).abs() < tolerance, "{bits} bits: slope {unbiased}");
        let shrunk = slope(&round_trip::<MSE>(&rows, d, &params(bits)));
        assert!((shrunk - (1.0 - distortion)).abs() < tolerance, "{bits} bits: slope {shrunk}");
    }
}

/// LInf trades squared error for a smaller maximum.
#[test]
fn linf_has_the_smallest_maximum() {
    for d in [64, 256, 300] {
        let rows = normal(64 * d, 5);
        for bits in 1..=8 {
            let by_maximum = round_trip::<LInf>(&rows, d, &params(bits));
            let by_square = round_trip::<MSE>(&rows, d, &params(bits));
            let (mut smaller, mut sums) = (0, [0.0; 2]);
            for ((x, a), b) in rows.chunks(d).zip(by_maximum.chunks(d)).zip(by_square.chunks(d)) {
                let (a, b) = (largest_error(x, a), largest_error(x, b));
                smaller += u32::from(a <= b);
                sums[0] += a;
                sums[1] += b;
            }
            assert_eq!(smaller, 64, "d {d}, {bits} bits: rows in which it is not larger");
            assert!(sums[0] < 0.97 * sums[1], "d {d}, {bits} bits: mean maxima {sums:?}");
        }
    }
}

#[test]
fn linf_keeps_its_bound_or_says_so() {
    let d = 128;
    let rows = normal(64 * d, 6);
    let reached = largest_error(&rows, &round_trip::<LInf>(&rows, d, &params(4)));
    let with_bound = |bound: f64| {
        let max_abs_error = bound as f32;
        let params = Params::new(Settings { max_abs_error, ..Settings::default() }).unwrap();
        encode_block::<LInf>(&rows, &[1.0; 64], d, &params)
    };
    let (skeleton, codes) = with_bound(reached * 1.0001).unwrap();
    let back = decode_block::<LInf>(&skeleton, &codes).unwrap();
    assert!(largest_error(&rows, &back) <= reached * 1.0001);
    let missed = with_bound(reached * 0.999).unwrap_err();
    assert!(matches!(missed, kakeyaturbo::Error::BoundNotMet { .. }), "{missed}");
}
