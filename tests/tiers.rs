//! Every CPU tier that the machine has writes the same bytes and decodes the same bits.

mod common;

use common::blocks::{OBJECTIVES, Side, bits, decode, encode, fit, stepped};
use common::{clustered, normal};
use kakeyaturbo::{Codec, Error, Objective, Pairing, Params, Preset, Rope, Settings, Shared, Tier};
use kakeyaturbo::{Layout, Segment};

const SCALAR: u32 = 1;

/// The tiers beside the baseline. That there may be none is why the test cannot ask for any.
fn others() -> impl Iterator<Item = Tier> {
    (SCALAR + 1..=4).filter_map(|code| match Tier::select(code) {
        Ok(tier) => Some(tier),
        Err(Error::Unsupported { .. }) => None,
        Err(error) => panic!("tier {code}: {error}"),
    })
}

fn check(settings: &Settings, objective: Objective, layout: &Layout, rows: &[f32], side: Side<'_>) {
    // The skeleton that rdo needs is fitted to the rows.
    let rdo = settings.preset == Preset::Rdo;
    let skeleton = rdo.then(|| Shared::new(fit(settings, layout, rows, side).0).unwrap());
    let codec = |tier| {
        let params = Params::new(settings.clone()).unwrap();
        Codec::new(params, objective, layout.clone(), skeleton.clone(), tier).unwrap()
    };
    let baseline = codec(Tier::select(SCALAR).unwrap());
    let block = encode(&baseline, rows, side).unwrap();
    let back = decode(&baseline, &block, side.positions).unwrap();
    for tier in others() {
        let codec = codec(tier);
        let label = format!("tier {}, {objective:?}, {settings:?}, {layout:?}", tier.code());
        assert_eq!(encode(&codec, rows, side).unwrap(), block, "{label}");
        assert_eq!(bits(&decode(&codec, &block, side.positions).unwrap()), bits(&back), "{label}");
    }
}

#[test]
fn the_best_tier_is_one_of_the_architecture() {
    const NEON: u32 = 4;
    let best = Tier::select(0).unwrap().code();
    assert_eq!(best == NEON, cfg!(target_arch = "aarch64"), "{best}");
    assert!(best == SCALAR || others().any(|tier| tier.code() == best));
}

#[test]
fn turbo_is_the_same_on_all_tiers() {
    for d in [1, 2, 3, 7, 16, 33, 64, 100, 128, 257, 576] {
        let layout = Layout::plain(d).unwrap();
        for scale in [1.0, 1e-38, 1e34] {
            let rows: Vec<f32> = normal(7 * d, d as u64).iter().map(|x| x * scale).collect();
            for width in 1..=8_u8 {
                for objective in OBJECTIVES {
                    let settings =
                        Settings { preset: Preset::Turbo, bits: f32::from(width), ..Settings::default() };
                    check(&settings, objective, &layout, &rows, Side::default());
                }
            }
        }
    }
}

#[test]
fn kakeya_is_the_same_on_all_tiers() {
    for d in [1, 5, 33, 64, 130] {
        let layout = Layout::plain(d).unwrap();
        for rows in [normal(50 * d, 1), clustered((50, d), 3, 1e-3, 2)] {
            let weights: Vec<f32> = (0..50).map(|i| (i % 5) as f32).collect();
            for objective in OBJECTIVES {
                let settings =
                    Settings { preset: Preset::Kakeya, bits: 3.0, kmeans_k: 3, ..Settings::default() };
                check(
                    &settings,
                    objective,
                    &layout,
                    &rows,
                    Side { weights: Some(&weights), ..Side::default() },
                );
            }
        }
    }
}

#[test]
fn rdo_is_the_same_on_all_tiers() {
    for d in [1, 5, 33, 64, 130] {
        let layout = Layout::plain(d).unwrap();
        let weights: Vec<f32> = (0..50).map(|i| (i % 5) as f32).collect();
        let loud = normal(50 * d, 4).iter().map(|x| x * 1e30).collect();
        for (rows, step) in [(normal(50 * d, 1), 0.3), (clustered((50, d), 3, 1e-3, 2), 0.01), (loud, 1e29)] {
            for objective in OBJECTIVES {
                let settings = Settings { kmeans_k: 3, rows_per_run: 20, ..stepped(step) };
                let side = Side { weights: Some(&weights), ..Side::default() };
                check(&settings, objective, &layout, &rows, side);
                check(&settings, objective, &layout, &rows, Side::default());
            }
        }
    }
}

#[test]
fn rotary_embeddings_and_gains_are_the_same_on_all_tiers() {
    let inv_freq: Vec<f32> = (0..16).map(|i| 1e4_f32.powf(-(i as f32) / 16.0)).collect();
    let segment = |gain, pairing| {
        let rope = Some(Rope { pairing, inv_freq: inv_freq.clone() });
        Segment { gain, rope, ..Segment::new(40) }
    };
    let layout = Layout::new(vec![segment(0.7, Pairing::Neox), segment(3.1, Pairing::Interleaved)]).unwrap();
    let rows = normal(9 * 80, 3);
    let positions: Vec<i32> = (0..9).map(|i| i * 1001 - 17).collect();
    for objective in OBJECTIVES {
        let settings = Settings { preset: Preset::Turbo, ..Settings::default() };
        check(&settings, objective, &layout, &rows, Side { positions: Some(&positions), ..Side::default() });
    }
}
