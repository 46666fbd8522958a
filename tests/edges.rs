//! Where one part of the library could trust another too much: shared workspaces, rows without weight, bounds
//! after a rotary embedding, values that no checksum guards, the widest rows.

mod common;

use common::blocks::{
    HEADER_BYTES, Side, codec, decode, decode_rows, encode, fit, of_layout, stepped, with_views,
};
use common::{largest_error, normal, relative_error};
use kakeyaturbo::{
    Error, NanPolicy, Objective, Pairing, Preset, Rope, Rows, RowsMut, Settings, Workspace, verify,
};
use kakeyaturbo::{Layout, Segment};

/// Codecs that differ in nothing but their seed may share a workspace, whichever it was made for.
#[test]
fn a_workspace_takes_nothing_from_the_codec_it_was_made_for() {
    let rows = normal(64 * 32, 21);
    let kakeya =
        |seed| codec(Settings { preset: Preset::Kakeya, seed, ..Settings::default() }, Objective::Mse, 32);
    let (mine, other) = (kakeya(2), kakeya(1));
    let block = encode(&mine, &rows, Side::default()).unwrap();
    let mut foreign = Workspace::new(&other, 64).unwrap();
    let mut bytes = vec![0; mine.encode_bound(64).unwrap()];
    let mut back = vec![0.0; rows.len()];
    let layout = mine.layout();
    let size = with_views(layout, &mut rows.clone(), |views| {
        let rows = Rows { n: 64, views, positions: None, weights: None, protect: None };
        mine.encode(&mut foreign, &rows, &mut bytes).unwrap()
    });
    assert_eq!(bytes[..size], block);
    // Its memory now holds the other seed's rotation again.
    with_views(layout, &mut rows.clone(), |views| {
        let rows = Rows { n: 64, views, positions: None, weights: None, protect: None };
        other.encode(&mut foreign, &rows, &mut bytes).unwrap()
    });
    with_views(layout, &mut back, |views| {
        mine.decode(&mut foreign, &block, &RowsMut { n: 64, views, positions: None }).unwrap();
    });
    assert_eq!(back, decode(&mine, &block, None).unwrap());
}

/// A workspace that was made without room for runs, or for shorter ones, says so; a roomier one serves.
#[test]
fn runs_need_a_workspace_that_has_room_for_them() {
    let (n, d) = (40, 16);
    let rows = normal(n * d, 26);
    let layout = Layout::plain(d).unwrap();
    let skeleton = fit(&stepped(0.1), &layout, &rows, Side::default()).0;
    let rdo = |rows_per_run| {
        let settings = Settings { rows_per_run, ..stepped(0.1) };
        of_layout(settings, Objective::Mse, layout.clone(), Some(skeleton.clone()))
    };
    let (short, long) = (rdo(8), rdo(32));
    let block = encode(&long, &rows, Side::default()).unwrap();
    let back = decode(&long, &block, None).unwrap();
    let encode_in = |workspace: &mut Workspace| {
        let mut bytes = vec![0; long.encode_bound(n).unwrap()];
        let size = with_views(&layout, &mut rows.clone(), |views| {
            let rows = Rows { n, views, positions: None, weights: None, protect: None };
            long.encode(workspace, &rows, &mut bytes)
        });
        size.map(|size| bytes[..size].to_vec())
    };
    let refusal = Error::OtherWorkspace { what: "runs of this size" };
    for small in [&codec(Settings::default(), Objective::Mse, d), &short] {
        let mut workspace = Workspace::new(small, n).unwrap();
        assert_eq!(encode_in(&mut workspace), Err(refusal.clone()));
        assert_eq!(decode_rows(&long, &mut workspace, &block, (0, n), None), Err(refusal.clone()));
    }
    let mut roomy = Workspace::new(&rdo(64), n).unwrap();
    assert_eq!(encode_in(&mut roomy).unwrap(), block);
    assert_eq!(decode_rows(&long, &mut roomy, &block, (0, n), None).unwrap(), back);
}

/// Rows that encoding stores raw, because they are protected or not finite, have no part in the skeleton.
#[test]
fn a_fit_leaves_out_what_is_stored_raw() {
    let (n, d) = (600, 8);
    let settings = Settings { nan_policy: NanPolicy::Raw, ..stepped(0.1) };
    let layout = Layout::plain(d).unwrap();
    let kept = normal(n * d, 27);
    let (mut rows, mut protect, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let weight = |i: usize| 1.0 + (i % 3) as f32;
    for (i, row) in kept.chunks(d).enumerate() {
        if i % 7 == 0 {
            rows.extend(vec![1e6; d]);
            rows.extend(vec![f32::NAN; d]);
            protect.extend([1, 0]);
            weights.extend([5.0, 5.0]);
        }
        rows.extend_from_slice(row);
        protect.push(0);
        weights.push(weight(i));
    }
    let mixed = Side { weights: Some(&weights), protect: Some(&protect), ..Side::default() };
    let of_kept: Vec<f32> = (0..n).map(weight).collect();
    let plain = fit(&settings, &layout, &kept, Side { weights: Some(&of_kept), ..Side::default() });
    assert_eq!(plain.1.rows, n as u64);
    assert_eq!(fit(&settings, &layout, &rows, mixed), plain);
}

/// A row of weight 0 may be anything: even the first, and however large.
#[test]
fn rows_without_weight_do_not_drown_the_others() {
    let kakeya = codec(Settings { preset: Preset::Kakeya, ..Settings::default() }, Objective::Mse, 32);
    for n in [64, 16] {
        let rows = normal(n * 32, 22);
        let error = |size: f32| {
            let wild = [vec![size; 32], rows.clone()].concat();
            let weights = [vec![0.0], vec![1.0; n]].concat();
            let side = Side { weights: Some(&weights), ..Side::default() };
            let back = decode(&kakeya, &encode(&kakeya, &wild, side).unwrap(), None).unwrap();
            relative_error(&rows, &back[32..])
        };
        let plain = error(0.0);
        for size in [1e6, 1e12, 1e18, 1e24, 3e38] {
            assert!(error(size) < 1.1 * plain, "{n} rows, {size}: {} instead of {plain}", error(size));
        }
    }
}

/// The bound holds where the engine sees it, after the rotary embedding, and at positions other than the
/// encoder's.
#[test]
fn the_bound_of_linf_holds_after_the_rotary_embedding() {
    let (n, d) = (64, 64);
    let inv_freq: Vec<f32> = (0..d / 2).map(|i| 1e4_f32.powf(-(i as f32) / 32.0)).collect();
    for pairing in [Pairing::Neox, Pairing::Interleaved] {
        let segment = Segment {
            rope: Some(Rope { pairing, inv_freq: inv_freq.clone() }),
            gain: 2.0,
            ..Segment::new(d)
        };
        let layout = Layout::new(vec![segment]).unwrap();
        let codec = |bound: f32| {
            of_layout(
                Settings { max_abs_error: bound, ..Settings::default() },
                Objective::LInf,
                layout.clone(),
                None,
            )
        };
        let positions: Vec<i32> = (0..n as i32).map(|i| 37 * i).collect();
        let side = Side { positions: Some(&positions), ..Side::default() };
        let rows = normal(n * d, 23);
        let block = encode(&codec(0.0), &rows, side).unwrap();
        let certified = f64::from(verify(&block).unwrap().certified_error as f32);
        let error = largest_error(&rows, &decode(&codec(0.0), &block, Some(&positions)).unwrap());
        assert!(error <= 1.00001 * certified, "{error} exceeds the certified {certified}");
        assert!(error >= 0.7 * certified, "{error} is far below the certified {certified}");
        assert!(encode(&codec(1.0001 * certified as f32), &rows, side).is_ok());
        assert!(encode(&codec(0.9999 * certified as f32), &rows, side).is_err());
    }
}

/// What is checked is checked before anything is written, and by `verify` as well, without a checksum too.
#[test]
fn a_bad_code_is_found_before_anything_is_written() {
    let settings = Settings { checksum: false, ..Settings::default() };
    let codec = codec(settings, Objective::Mse, 16);
    let rows = normal(8 * 16, 24);
    let mut block = encode(&codec, &rows, Side::default()).unwrap();
    // The scale of the last row.
    block[HEADER_BYTES + 14..HEADER_BYTES + 16].copy_from_slice(&[0x00, 0xFF]);
    assert!(verify(&block).is_err());
    assert!(codec.verify(&block).is_err());
    let mut workspace = Workspace::new(&codec, 8).unwrap();
    let mut back = vec![7.0; rows.len()];
    with_views(codec.layout(), &mut back, |views| {
        codec.decode(&mut workspace, &block, &RowsMut { n: 8, views, positions: None }).unwrap_err();
    });
    assert_eq!(back, vec![7.0; rows.len()]);
}

/// The widest rows there are.
#[test]
fn rows_of_4096_coordinates_are_coded_like_others() {
    for (preset, n) in [(Preset::Turbo, 8), (Preset::Kakeya, 24)] {
        for d in [4095, 4096] {
            let settings = Settings { preset, variance_ratio: 1.0, ..Settings::default() };
            let codec = codec(settings, Objective::Mse, d);
            let rows = normal(n * d, 25);
            let block = encode(&codec, &rows, Side::default()).unwrap();
            let error = relative_error(&rows, &decode(&codec, &block, None).unwrap());
            // Kakeya codes the n − 1 coefficients of the rows about their mean, 23 values of a normal row.
            assert!(error < 0.0105, "{preset:?}, d {d}: {error}");
        }
    }
    let (wide, _) = (Layout::plain(4096).unwrap(), Layout::plain(4097).unwrap_err());
    assert_eq!(wide.dim(), 4096);
}
