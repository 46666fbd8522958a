//! The kernel agrees with the codec as it is written plainly: same symbols, same rows, same error, and runs
//! as long as their ideal code.

mod block;
mod fixed;
mod stepped;

use crate::common::{clustered, largest_error, normal, relative_error};
use kakeyaturbo::reference::{Centre, Reference};
use kakeyaturbo::{
    Distortion, InnerProduct, LInf, MSE, NormMode, Objective, Params, Preset, Settings, decode_block,
    encode_block,
};

const DIMS: [usize; 9] = [1, 2, 3, 16, 33, 64, 96, 128, 257];

/// Rows of a block that are held against the reference, which is slow.
const CHECKED: usize = 12;

/// Rows, and rows that are not decoded alike.
#[derive(Debug, Default)]
struct Tally {
    rows: usize,
    differ: usize,
}

/// Holds the kernel against the reference, with the skeleton that the kernel fitted; returns its centres.
///
/// Binary32 against binary64 differ by some 1e-7 of a value, so a symbol next to a threshold may fall to its
/// other side, and a scale next to a tie may round the other way: rarely, and at a price of second order.
/// Several scales may have the same maximum error (that of a coordinate which decodes to 0 with all of them):
/// rows of `LInf` are compared by that error.
fn compare<R: Distortion>(rows: &[f32], d: usize, settings: &Settings, tally: &mut Tally) -> usize {
    let params = Params::new(settings.clone()).unwrap();
    let weights = vec![1.0; rows.len() / d];
    let (skeleton, codes) = encode_block::<R>(rows, &weights, d, &params).unwrap();
    let back = decode_block::<R>(&skeleton, &codes).unwrap();
    let reference = Reference { skeleton: &skeleton, seed: settings.seed, bits: params.bits() };
    let mut plain = Vec::with_capacity(back.len());
    let label = format!("{:?}, {:?}, d {d}, {} bits", settings.preset, R::NORM_MODE, params.bits());
    let (rows, back) = (&rows[..d * CHECKED.min(weights.len())], &back[..d * CHECKED.min(weights.len())]);
    for (i, (x, back)) in rows.chunks(d).zip(back.chunks(d)).enumerate() {
        let code = reference.encode(x, R::NORM_MODE);
        let decoded: Vec<f32> = reference.decode(&code).iter().map(|&x| x as f32).collect();
        // Roundings of sums of up to `d` terms in binary32.
        let tolerance = 3e-6 * f64::from(x.iter().chain(back).fold(0_f32, |peak, x| peak.max(x.abs())));
        let alike = match R::NORM_MODE {
            NormMode::Search => (largest_error(x, back) - largest_error(x, &decoded)).abs() <= tolerance,
            _ => largest_error(back, &decoded) <= tolerance,
        };
        tally.rows += 1;
        tally.differ += usize::from(!alike);
        if R::NORM_MODE != NormMode::Search {
            check(relative_error(x, back), relative_error(x, &decoded), 5e-2, &format!("{label}, row {i}"));
        }
        plain.extend(decoded);
    }
    if R::NORM_MODE != NormMode::Search {
        check(relative_error(rows, back), relative_error(rows, &plain), 1e-3, &label);
    }
    skeleton.n_centres()
}

/// Compares squared errors, which carry the rounding of binary32: some 1e-7 of the row, on top of the error
/// of which the square is `want`.
fn check(got: f64, want: f64, tolerance: f64, label: &str) {
    let slack = tolerance * want + 4e-7 * want.sqrt() + 1e-12;
    assert!((got - want).abs() <= slack, "{label}: relative error {got}, reference {want}");
}

/// All three distortions at all widths; at most one row in 500 may be decoded differently.
fn compare_all(base: &Settings, rows: impl Fn(usize) -> Vec<f32>, centres: bool) {
    let mut tally = Tally::default();
    for d in DIMS {
        let rows = rows(d);
        for bits in 1..=8_u8 {
            let settings = Settings { bits: f32::from(bits), seed: 11, ..base.clone() };
            let kept = [
                compare::<MSE>(&rows, d, &settings, &mut tally),
                compare::<InnerProduct>(&rows, d, &settings, &mut tally),
                compare::<LInf>(&rows, d, &settings, &mut tally),
            ];
            assert!(kept.iter().all(|&kept| (kept > 0) == centres), "d {d}, {bits} bits: centres {kept:?}");
        }
    }
    assert!(500 * tally.differ <= tally.rows, "{tally:?}");
}

#[test]
fn turbo_is_its_definition() {
    let base = Settings { preset: Preset::Turbo, ..Settings::default() };
    compare_all(&base, |d| normal(6 * d, d as u64), false);
}

#[test]
fn kakeya_without_centres_is_its_definition() {
    let base = Settings { preset: Preset::Kakeya, kmeans_k: 0, variance_ratio: 0.99, ..Settings::default() };
    let rows = |d: usize| {
        normal(40 * d, d as u64).iter().enumerate().map(|(i, x)| x + (i % d) as f32 * 0.1).collect()
    };
    compare_all(&base, rows, false);
}

#[test]
fn kakeya_with_centres_is_its_definition() {
    let base = Settings { preset: Preset::Kakeya, kmeans_k: 3, variance_ratio: 0.95, ..Settings::default() };
    compare_all(&base, |d| clustered((60, d), 3, 1e-3, d as u64), true);
}

/// How a distortion chooses scales, and what it certifies.
fn mode(objective: Objective) -> NormMode {
    match objective {
        Objective::Mse => NormMode::LeastSquares,
        Objective::InnerProduct => NormMode::Unbiased,
        Objective::LInf => NormMode::Search,
    }
}

/// Centres are the same, and so is how far the row goes, to within the rounding of binary32.
fn same_centre(own: Centre, of_kernel: Centre) -> bool {
    match (own, of_kernel) {
        (Some((own, t)), Some((centre, of_kernel))) => {
            own == centre && (t - of_kernel).abs() <= 1e-6 * t.abs()
        }
        _ => own == of_kernel,
    }
}

fn exact(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&x| f64::from(x)).collect()
}

/// Two numbers agree to within this share of them.
fn agree(got: f64, want: f64, part: f64, label: &str) {
    assert!((got - want).abs() <= part * want.abs(), "{label}: {got}, reference {want}");
}
