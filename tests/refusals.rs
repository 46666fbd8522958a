//! Whatever the rows, the weights, the sizes and the parameters are, the answer is a result or an error.

mod common;

use common::blocks::{
    HEADER_BYTES, OBJECTIVES, Side, bits, codec, decode, encode, fit, of_layout, stepped, with_views,
};
use common::normal;
use common::victims::{DIM, ROWS};
use kakeyaturbo::Dtype;
use kakeyaturbo::{
    Codec, Count, Error, NanPolicy, Objective, Params, Preset, RateControl, Rows, RowsMut, Settings, Tier,
    Workspace, verify,
};
use kakeyaturbo::{Layout, Segment};

#[test]
fn rows_that_are_not_finite_are_refused_by_their_index() {
    for preset in [Preset::Turbo, Preset::Kakeya] {
        for objective in OBJECTIVES {
            let codec = codec(Settings { preset, ..Settings::default() }, objective, DIM);
            for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut rows = normal(ROWS * DIM, 1);
                rows[6 * DIM + 9] = value;
                rows[11 * DIM] = value;
                assert_eq!(encode(&codec, &rows, Side::default()), Err(Error::NotFinite { row: 6 }));
            }
        }
    }
}

/// Values that every type represents, so that a row stored raw is the same in each.
#[test]
fn rows_that_are_not_finite_can_be_stored_raw() {
    for preset in [Preset::Turbo, Preset::Kakeya] {
        for raw_dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let settings =
                Settings { preset, max_protected: 2, nan_policy: NanPolicy::Raw, ..Settings::default() };
            let segment = Segment { raw_dtype, ..Segment::new(DIM) };
            let codec = of_layout(settings, Objective::Mse, Layout::new(vec![segment]).unwrap(), None);
            let mut rows = normal(ROWS * DIM, 2);
            let raw = [1.5, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -96.0, 0.125, 1.0, 2.0];
            rows[3 * DIM..4 * DIM].copy_from_slice(&raw);
            rows[15 * DIM..16 * DIM].copy_from_slice(&raw);
            let block = encode(&codec, &rows, Side::default()).unwrap();
            assert_eq!(verify(&block).unwrap().n_protected, 2);
            let back = decode(&codec, &block, None).unwrap();
            for row in [3, 15] {
                assert_eq!(bits(&back[row * DIM..(row + 1) * DIM]), bits(&raw), "{raw_dtype:?}");
            }
            let others = back.iter().enumerate().filter(|(i, _)| ![3, 15].contains(&(i / DIM)));
            assert!(others.clone().all(|(_, x)| x.is_finite()));

            rows[7 * DIM] = f32::NAN;
            let missing = encode(&codec, &rows, Side::default());
            assert_eq!(missing, Err(Error::NoRawSlot { row: 15, slots: 2 }));
        }
    }
}

#[test]
fn too_many_protected_rows_find_no_slot() {
    let settings = Settings { preset: Preset::Turbo, max_protected: 1, ..Settings::default() };
    let codec = codec(settings, Objective::Mse, DIM);
    let mut protect = [0; ROWS];
    (protect[4], protect[8]) = (1, 255);
    let side = Side { protect: Some(&protect), ..Side::default() };
    let result = encode(&codec, &normal(ROWS * DIM, 4), side);
    assert_eq!(result, Err(Error::NoRawSlot { row: 8, slots: 1 }));
}

#[test]
fn weights_that_are_no_weights_are_refused() {
    for preset in [Preset::Turbo, Preset::Kakeya] {
        let codec = codec(Settings { preset, ..Settings::default() }, Objective::Mse, DIM);
        for bad in [f32::NAN, f32::INFINITY, -1.0, -f32::MIN_POSITIVE] {
            let mut weights = [1.0; ROWS];
            weights[5] = bad;
            let side = Side { weights: Some(&weights), ..Side::default() };
            let result = encode(&codec, &normal(ROWS * DIM, 4), side);
            assert!(matches!(result, Err(Error::BadWeight { row: 5, .. })), "{bad}: {result:?}");
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    for preset in [Preset::Turbo, Preset::Kakeya] {
        let codec = codec(Settings { preset, kmeans_k: 0, ..Settings::default() }, Objective::Mse, DIM);
        let mut rows = normal(ROWS * DIM, 5);
        let block = encode(&codec, &rows, Side::default()).unwrap();
        let mut workspace = Workspace::new(&codec, ROWS).unwrap();
        let mut small = Workspace::new(&codec, ROWS - 1).unwrap();
        with_views(codec.layout(), &mut rows, |views| {
            let input = Rows { n: ROWS, views, positions: None, weights: None, protect: None };
            for got in [0, HEADER_BYTES, block.len() - 1] {
                let result = codec.encode(&mut workspace, &input, &mut vec![0; got]);
                assert_eq!(result, Err(Error::DstTooSmall { need: block.len(), got }));
            }
            let mut exact = vec![0; block.len()];
            assert_eq!(codec.encode(&mut workspace, &input, &mut exact), Ok(block.len()));
            let too_many = |result: Error| matches!(result, Error::BadShape { got: ROWS, .. });
            assert!(too_many(codec.encode(&mut small, &input, &mut exact).unwrap_err()));
            let output = RowsMut { n: ROWS, views, positions: None };
            assert!(too_many(codec.decode(&mut small, &block, &output).unwrap_err()));
            for (first, n) in [(0, ROWS + 1), (ROWS, 1), (usize::MAX, 2)] {
                let output = RowsMut { n, views, positions: None };
                let result = codec.decode_rows(&mut workspace, &block, first, &output);
                assert!(matches!(result, Err(Error::BadShape { .. })), "{n} rows from {first}: {result:?}");
            }
        });
        let none = Rows { n: 0, views: &[], positions: None, weights: None, protect: None };
        assert!(matches!(codec.encode(&mut workspace, &none, &mut []), Err(Error::BadShape { .. })));
        assert!(codec.encode_bound(0).is_err());
        assert!(codec.encode_bound(usize::MAX).is_err());
    }
}

/// A workspace that was made for a narrower codec is told apart from one that is roomy enough.
#[test]
fn a_workspace_of_a_narrower_codec_is_refused() {
    for preset in [Preset::Turbo, Preset::Kakeya] {
        let codec = |dim| codec(Settings { preset, ..Settings::default() }, Objective::Mse, dim);
        let (narrow, wide) = (codec(DIM), codec(2 * DIM));
        let mut rows = normal(ROWS * 2 * DIM, 6);
        let mut dst = vec![0; wide.encode_bound(ROWS).unwrap()];
        with_views(wide.layout(), &mut rows, |views| {
            let rows = Rows { n: ROWS, views, positions: None, weights: None, protect: None };
            let mut workspace = Workspace::new(&narrow, ROWS).unwrap();
            let result = wide.encode(&mut workspace, &rows, &mut dst);
            assert!(matches!(result, Err(Error::OtherWorkspace { .. })), "{result:?}");
        });
        with_views(narrow.layout(), &mut rows[..ROWS * DIM], |views| {
            let rows = Rows { n: ROWS, views, positions: None, weights: None, protect: None };
            let mut workspace = Workspace::new(&wide, ROWS).unwrap();
            narrow.encode(&mut workspace, &rows, &mut dst).unwrap();
        });
    }
}

#[test]
fn arrays_of_another_length_are_refused() {
    let codec = of_layout(Settings::default(), Objective::Mse, Layout::plain(4).unwrap(), None);
    let rows = normal(8 * 4, 6);
    for side in [
        Side { positions: Some(&[0; 7]), ..Side::default() },
        Side { weights: Some(&[1.0; 9]), ..Side::default() },
        Side { protect: Some(&[0; 7]), ..Side::default() },
    ] {
        assert!(matches!(encode(&codec, &rows, side), Err(Error::BadShape { expected: Count::Is(8), .. })));
    }
    let block = encode(&codec, &rows, Side::default()).unwrap();
    assert!(matches!(
        decode(&codec, &block, Some(&[0; 7])),
        Err(Error::BadShape { got: 7, expected: Count::Is(8), .. })
    ));
}

#[test]
fn rdo_asks_for_a_step_and_a_skeleton_of_full_rank() {
    for step in [0.0, -0.1, f32::NAN, f32::INFINITY, 1e-40] {
        let error = Params::new(stepped(step)).unwrap_err();
        assert!(matches!(error, Error::BadParam { what: "step", .. }), "{step}: {error}");
    }
    for preset in [Preset::Turbo, Preset::Kakeya] {
        let error = Params::new(Settings { preset, ..stepped(0.1) }).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let error = Params::new(Settings { preset, step: 0.1, ..Settings::default() }).unwrap_err();
        assert!(matches!(error, Error::BadParam { what: "step", .. }), "{error}");
    }
    let error = Params::new(Settings { rate_control: RateControl::Bits, ..stepped(0.1) }).unwrap_err();
    assert!(matches!(error, Error::BadParam { what: "step", .. }), "{error}");
    for rows_per_run in [0, 65_536] {
        let error = Params::new(Settings { rows_per_run, ..stepped(0.1) }).unwrap_err();
        assert!(matches!(error, Error::BadParam { what: "rows_per_run", .. }), "{error}");
    }

    let codec = |skeleton: Option<_>| {
        let (params, layout) = (Params::new(stepped(0.1)).unwrap(), Layout::plain(DIM).unwrap());
        Codec::new(params, Objective::Mse, layout, skeleton, Tier::select(0).unwrap())
    };
    assert!(matches!(codec(None), Err(Error::Unsupported { what: "rdo without a skeleton", .. })));
    let kakeya = Settings { preset: Preset::Kakeya, max_rank: 4, ..Settings::default() };
    let fitted = |settings: &Settings, dim: usize| {
        let skeleton = fit(settings, &Layout::plain(dim).unwrap(), &normal(50 * dim, 8), Side::default()).0;
        Some(kakeyaturbo::Shared::new(skeleton).unwrap())
    };
    let truncated = codec(fitted(&kakeya, DIM));
    assert!(
        matches!(truncated, Err(Error::BadShape { got: 4, expected: Count::Is(DIM), .. })),
        "{truncated:?}"
    );
    assert!(matches!(codec(fitted(&stepped(0.1), DIM + 1)), Err(Error::BadShape { .. })));
    codec(fitted(&stepped(0.1), DIM)).unwrap();
}
