//! The plain interface: what it says of its codes, and what it refuses.

use crate::common::blocks::{Side, codec, decode, encode};
use crate::common::{clustered, normal, relative_error};
use kakeyaturbo::{
    Count, Error, Fitter, InnerProduct, LInf, MSE, Objective, Params, Preset, RateControl, Settings,
    decode_block, encode_block,
};

fn params(settings: Settings) -> Params {
    Params::new(settings).unwrap()
}

#[test]
fn codes_say_what_they_hold() {
    let rows = normal(10 * 20, 1);
    let (skeleton, codes) = encode_block::<MSE>(&rows, &[1.0; 10], 20, &Params::default()).unwrap();
    assert_eq!((codes.n_rows(), codes.bits(), codes.symbols().len()), (10, 4, 10 * 20 / 2));
    assert!(skeleton.is_identity());
    // The same symbols as in a block of the codec, after its header and scales.
    let codec = codec(Settings::default(), Objective::Mse, 20);
    assert_eq!(codec.params(), &Params::default());
    let block = encode(&codec, &rows, Side::default()).unwrap();
    assert_eq!(codes.symbols(), &block[92 + 20..]);
    assert_eq!(decode_block::<MSE>(&skeleton, &codes).unwrap(), decode(&codec, &block, None).unwrap());
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let rows = normal(12, 2);
    let encode = |weights: &[f32], d| encode_block::<MSE>(&rows, weights, d, &Params::default()).map(drop);
    assert_eq!(
        encode(&[1.0; 3], 0).unwrap_err(),
        Error::BadShape { what: "d", got: 0, expected: Count::UpTo(4096) }
    );
    assert_eq!(
        encode(&[1.0; 3], 4097).unwrap_err(),
        Error::BadShape { what: "d", got: 4097, expected: Count::UpTo(4096) }
    );
    let wrong = Error::BadShape { what: "number of values", got: 12, expected: Count::Is(15) };
    assert_eq!(encode(&[1.0; 3], 5).unwrap_err(), wrong);
    assert!(matches!(encode(&[], 4), Err(Error::BadShape { .. })));
    assert_eq!(encode(&[1.0, -1.0, 1.0], 4).unwrap_err(), Error::BadWeight { row: 1, got: -1.0 });
    let holed = [0.0, f32::NAN, 0.0, 0.0];
    let refused = encode_block::<MSE>(&holed, &[1.0; 2], 2, &Params::default()).unwrap_err();
    assert_eq!(refused, Error::NotFinite { row: 0 });
}

/// Its blocks share a skeleton, so one block alone cannot bring its own.
#[test]
fn rdo_is_not_offered() {
    let settings =
        Settings { preset: Preset::Rdo, rate_control: RateControl::Step, step: 0.1, ..Settings::default() };
    let refused = encode_block::<MSE>(&normal(12, 4), &[1.0; 3], 4, &params(settings)).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { what: "rdo without a skeleton", .. }), "{refused}");
}

#[test]
fn codes_of_something_else_are_refused() {
    let rows = clustered((64, 12), 3, 1e-3, 3);
    let kakeya = params(Settings { preset: Preset::Kakeya, kmeans_k: 3, ..Settings::default() });
    let (skeleton, codes) = encode_block::<MSE>(&rows, &[1.0; 64], 12, &kakeya).unwrap();
    assert!(skeleton.n_centres() > 0);
    let wrong = decode_block::<LInf>(&skeleton, &codes).unwrap_err();
    assert_eq!(wrong, Error::WrongCodec { what: "distortion", got: 0, want: 2 });

    let (identity, turbo) = encode_block::<MSE>(&rows, &[1.0; 64], 12, &Params::default()).unwrap();
    let wrong = decode_block::<MSE>(&skeleton, &turbo).unwrap_err();
    assert!(matches!(wrong, Error::WrongCodec { what: "number of symbols", .. }), "{wrong}");

    // Full rank without centres has as many symbols, and nowhere to look up the centres.
    let whole =
        params(Settings { preset: Preset::Kakeya, kmeans_k: 0, variance_ratio: 1.0, ..Settings::default() });
    let (plain, _) = encode_block::<MSE>(&rows, &[1.0; 64], 12, &whole).unwrap();
    let centred =
        params(Settings { preset: Preset::Kakeya, kmeans_k: 3, variance_ratio: 1.0, ..Settings::default() });
    let (with_centres, codes) = encode_block::<MSE>(&rows, &[1.0; 64], 12, &centred).unwrap();
    assert_eq!((plain.rank(), plain.n_centres()), (with_centres.rank(), 0));
    let wrong = decode_block::<MSE>(&plain, &codes).unwrap_err();
    assert!(matches!(wrong, Error::WrongCodec { what: "centre of a row", .. }), "{wrong}");
    assert!(identity.is_identity());
}

#[test]
fn without_any_weight_all_rows_count_alike() {
    let rows = normal(50 * 8, 4);
    let kakeya = params(Settings { preset: Preset::Kakeya, ..Settings::default() });
    let none = encode_block::<InnerProduct>(&rows, &[0.0; 50], 8, &kakeya).unwrap();
    let equal = encode_block::<InnerProduct>(&rows, &[1.0; 50], 8, &kakeya).unwrap();
    assert_eq!(none, equal);
}

/// The sample for K-means is drawn from the whole stream: directions that only its second half has are served.
#[test]
fn a_long_stream_is_sampled_as_a_whole() {
    let (d, n) = (8, 6000);
    let along = |axis: usize, i: usize| {
        let t = if i.is_multiple_of(2) { 1.0 } else { -1.0 } * (1.0 + (i % 7) as f32 * 0.1);
        (0..d).map(move |j| if j == axis { t } else { 1e-3 * ((i * (j + 3)) % 5) as f32 })
    };
    let half = |axis| (0..n).flat_map(|i| along(axis, i)).collect::<Vec<f32>>();
    let settings =
        Settings { preset: Preset::Kakeya, kmeans_k: 2, variance_ratio: 1.0, ..Settings::default() };
    let mut fitter = Fitter::new(d, &params(settings)).unwrap();
    fitter.add(&half(1), &vec![1.0; n]);
    fitter.add(&half(6), &vec![1.0; n]);
    let (skeleton, report) = fitter.finish().unwrap();
    assert_eq!((report.rows, report.n_centres), (12_000, 2));
    // Each centre, turned back to coordinates, is one of the two axes.
    for axis in [1, 6] {
        let best = skeleton
            .centres()
            .chunks(skeleton.rank())
            .map(|centre| {
                let coordinate = |k: usize| skeleton.basis()[k * d + axis] * centre[k];
                (0..skeleton.rank()).map(coordinate).sum::<f32>().abs()
            })
            .fold(0.0, f32::max);
        assert!(best > 0.99, "axis {axis}: {best}");
    }
}

#[test]
fn nothing_to_fit_is_an_error() {
    let mut fitter =
        Fitter::new(4, &params(Settings { preset: Preset::Kakeya, ..Settings::default() })).unwrap();
    assert_eq!(
        fitter.finish().unwrap_err(),
        Error::BadShape { what: "rows with a weight to fit to", got: 0, expected: Count::AtLeast(1) }
    );
    fitter.add(&[1.0; 8], &[0.0; 2]);
    assert!(fitter.finish().is_err());
    fitter.add(&[1.0; 4], &[1.0]);
    assert!(fitter.finish().is_ok());
}

/// A constant block has rank 0 and comes back exactly, by the reference as well.
#[test]
fn rank_zero_is_the_mean() {
    let rows = [2.5_f32; 6 * 5];
    let kakeya = params(Settings { preset: Preset::Kakeya, ..Settings::default() });
    let (skeleton, codes) = encode_block::<MSE>(&rows, &[1.0; 6], 5, &kakeya).unwrap();
    assert_eq!((skeleton.rank(), codes.symbols().len()), (0, 0));
    let back = decode_block::<MSE>(&skeleton, &codes).unwrap();
    assert_eq!(relative_error(&rows, &back), 0.0);
    let reference = kakeyaturbo::reference::Reference { skeleton: &skeleton, seed: 0, bits: 4 };
    let code = reference.encode(&rows[..5], kakeyaturbo::NormMode::LeastSquares);
    assert_eq!(reference.decode(&code), [2.5; 5]);
}
