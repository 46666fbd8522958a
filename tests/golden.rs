//! Blocks that were written once decode to the same bits for ever (as long as the format has the same number).
//!
//! `tests/golden/*.kkb` are blocks, `*.f32` beside them the rows that they decode to, little-endian; `*.kks` is a
//! skeleton that blocks share, `*.kkp` a profile. `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew: right only
//! when the format or the meaning of a codec changes on purpose, and then together with `FORMAT_VERSION`.

mod common;

use common::blocks::{
    FLAG_RAW, OBJECTIVES, Side, bits, codec, decode, encode, fit, shared, stepped, with_views,
};
use common::{clustered, normal, profiles};
use kakeyaturbo::layout::Layout;
use kakeyaturbo::profile::Profile;
use kakeyaturbo::{
    Codec, FORMAT_VERSION, Fitter, Objective, Params, Preset, RateControl, Rows, Settings, Skeleton,
    StreamFitter, verify,
};
use std::path::{Path, PathBuf};

/// Flag of a block in which weights changed the steps of rows.
const FLAG_WEIGHTS: u8 = 16;

/// A block: what it is of, and what it is an example of.
struct Case {
    name: &'static str,
    settings: Settings,
    dim: usize,
    rows: Vec<f32>,
    weights: Option<Vec<f32>>,
    protect: &'static [usize],
}

fn case(name: &'static str, preset: Preset, bits: u8, dim: usize, rows: Vec<f32>) -> Case {
    let settings = Settings { preset, bits: f32::from(bits), kmeans_k: 3, seed: 5, ..Settings::default() };
    Case { name, settings, dim, rows, weights: None, protect: &[] }
}

/// Normal rows, row 1 all zeros.
fn with_zeros(n: usize, d: usize) -> Vec<f32> {
    let mut rows = normal(n * d, 21);
    rows[d..2 * d].fill(0.0);
    rows
}

fn cases() -> Vec<Case> {
    use Preset::{Kakeya, Turbo};
    let mut cases = vec![
        case("turbo-1x1", Turbo, 1, 1, vec![-3.25]),
        case("turbo-3x33", Turbo, 3, 33, normal(3 * 33, 22)),
        case("turbo-zeros", Turbo, 4, 64, with_zeros(3, 64)),
        case("turbo-extremes", Turbo, 8, 6, vec![3e38, -1e-45, 0.0, 1.0, -3e38, 2e30]),
        case("turbo-protected", Turbo, 2, 16, normal(5 * 16, 23)),
        case("kakeya-1x1", Kakeya, 1, 1, vec![7.5]),
        case("kakeya-1x33", Kakeya, 4, 33, normal(33, 24)),
        case("kakeya-9x33", Kakeya, 5, 33, normal(9 * 33, 25)),
        case("kakeya-zeros", Kakeya, 4, 8, with_zeros(12, 8)),
        case("kakeya-constant", Kakeya, 2, 7, vec![1e20; 21]),
        case("kakeya-centres", Kakeya, 3, 20, clustered((40, 20), 3, 1e-3, 26)),
        case("kakeya-protected", Kakeya, 6, 10, normal(14 * 10, 27)),
    ];
    for case in cases.iter_mut().filter(|case| case.name.ends_with("protected")) {
        case.settings.max_protected = 3;
        case.protect = &[0, 4];
    }
    cases
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

fn read(name: &str) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Decodes the stored block with a codec made for it; writes block and rows first where that is asked for.
fn check(codec: &Codec, name: &str, case: &Case) {
    let (block, rows) = (format!("{name}.kkb"), format!("{name}.f32"));
    if updating() {
        let n = case.rows.len() / case.dim;
        let protect: Vec<u8> = (0..n).map(|i| u8::from(case.protect.contains(&i))).collect();
        let weights = case.weights.as_deref();
        let side = Side { protect: Some(&protect), weights, ..Side::default() };
        let bytes = encode(codec, &case.rows, side).unwrap();
        let back = decode(codec, &bytes, None).unwrap();
        std::fs::create_dir_all(path("")).unwrap();
        std::fs::write(path(&rows), back.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        std::fs::write(path(&block), bytes).unwrap();
    }
    let block = read(&block);
    let header = codec.verify(&block).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(header.n_protected as usize, case.protect.len(), "{name}");
    assert_eq!(header.n_centres > 0, name.contains("centres"), "{name}");
    assert_eq!(header.flags & FLAG_RAW != 0, name.contains("raw-block"), "{name}");
    assert_eq!(header.flags & FLAG_WEIGHTS != 0, name.contains("weights"), "{name}");
    let expected: Vec<u32> =
        read(&rows).as_chunks::<4>().0.iter().map(|&raw| u32::from_le_bytes(raw)).collect();
    assert_eq!(bits(&decode(codec, &block, None).unwrap()), expected, "{name} decodes differently");
}

fn name_of(objective: Objective) -> &'static str {
    match objective {
        Objective::Mse => "mse",
        Objective::InnerProduct => "ip",
        Objective::LInf => "linf",
    }
}

#[test]
fn stored_blocks_decode_to_the_stored_bits() {
    for case in cases() {
        for objective in OBJECTIVES {
            let name = format!("{}-{}", case.name, name_of(objective));
            check(&codec(case.settings.clone(), objective, case.dim), &name, &case);
        }
    }
    header_fields();
}

#[test]
fn a_stored_skeleton_serves_its_blocks() {
    let case = case("shared-centres", Preset::Kakeya, 4, 12, clustered((6, 12), 3, 1e-2, 28));
    if updating() {
        let mut fitter = Fitter::new(12, &Params::new(case.settings.clone()).unwrap()).unwrap();
        fitter.add(&clustered((90, 12), 3, 1e-2, 28), &[1.0; 90]);
        let (skeleton, _) = fitter.finish().unwrap();
        save("shared.kks", &skeleton);
    }
    let skeleton = Skeleton::load(&read("shared.kks")).unwrap();
    for objective in OBJECTIVES {
        let name = format!("{}-{}", case.name, name_of(objective));
        check(&shared(case.settings.clone(), objective, skeleton.clone()), &name, &case);
    }
}

/// Rows whose deviations fall from 4 to 0.04 over 19 coordinates.
fn falling(n: usize, seed: u64) -> Vec<f32> {
    let mut rows = normal(n * 19, seed);
    let scale = |i: usize| 4.0 * 10_f32.powf(-((i % 19) as f32) / 9.0);
    rows.iter_mut().enumerate().for_each(|(i, x)| *x *= scale(i));
    rows
}

fn stepped_case(name: &'static str, step: f32, rows: Vec<f32>) -> Case {
    let settings = Settings { rows_per_run: 7, ..stepped(step) };
    Case { name, settings, dim: 19, rows, weights: None, protect: &[] }
}

#[test]
fn blocks_at_a_fixed_step_decode_to_the_stored_bits() {
    if updating() {
        save(
            "falling.kks",
            &fit(&stepped(0.5), &Layout::plain(19).unwrap(), &falling(200, 29), Side::default()).0,
        );
        let settings = Settings { kmeans_k: 3, ..stepped(0.01) };
        let rows = clustered((90, 12), 3, 1e-2, 28);
        save("stepped-centres.kks", &fit(&settings, &Layout::plain(12).unwrap(), &rows, Side::default()).0);
    }
    // Rows 100 times as long as those of the fit need escapes; a step far below all deviations, low bits.
    let mut outliers = falling(17, 31);
    outliers[3 * 19..5 * 19].iter_mut().for_each(|x| *x *= 100.0);
    let mut cases = vec![
        stepped_case("rdo-runs", 0.5, falling(23, 30)),
        stepped_case("rdo-outliers", 0.5, outliers),
        stepped_case("rdo-low-bits", 0.01, falling(7, 32)),
        stepped_case("rdo-coarse", 50.0, falling(9, 33)),
        stepped_case("rdo-weights", 0.5, falling(20, 34)),
        stepped_case("rdo-protected", 0.5, falling(20, 35)),
        stepped_case("rdo-raw-block", 1e-7, falling(5, 36)),
        stepped_case("rdo-trellis", 0.5, falling(23, 37)),
        stepped_case("rdo-trellis-fine", 0.01, falling(7, 38)),
        stepped_case("rdo-max-bytes", 1.0, falling(23, 39)),
        stepped_case("rdo-bits", 1.0, falling(11, 40)),
    ];
    cases[7].settings.effort = 1;
    cases[8].settings.effort = 1;
    let settings = &mut cases[9].settings;
    (settings.rate_control, settings.step, settings.max_bytes) = (RateControl::MaxBytes, 0.0, 300);
    let settings = &mut cases[10].settings;
    (settings.rate_control, settings.step, settings.bits) = (RateControl::Bits, 0.0, 2.3);
    cases[4].weights = Some((0..20).map(|i| (i % 6) as f32).collect());
    cases[5].protect = &[0, 6, 7, 19];
    let skeleton = Skeleton::load(&read("falling.kks")).unwrap();
    for case in cases {
        let name = format!("{}-mse", case.name);
        check(&shared(case.settings.clone(), Objective::Mse, skeleton.clone()), &name, &case);
    }
    let mut case = stepped_case("rdo-centres", 0.01, clustered((25, 12), 3, 1e-2, 28));
    case.dim = 12;
    let skeleton = Skeleton::load(&read("stepped-centres.kks")).unwrap();
    let settings = Settings { kmeans_k: 3, ..case.settings.clone() };
    check(&shared(settings, Objective::LInf, skeleton), "rdo-centres-linf", &case);
    stepped_header_fields();
}

/// A skeleton whose transform follows a query metric, and a block of its own.
#[test]
fn a_metric_decodes_to_the_stored_bits() {
    if updating() {
        let mut fitter =
            StreamFitter::new(&Params::new(stepped(0.5)).unwrap(), Layout::plain(19).unwrap()).unwrap();
        with_views(&Layout::plain(19).unwrap(), &mut falling(200, 41), |views| {
            fitter.add(&Rows { n: 200, views, positions: None, weights: None, protect: None }).unwrap();
        });
        let mut queries = normal(100 * 19, 42);
        queries.chunks_exact_mut(19).for_each(|query| query[..5].iter_mut().for_each(|x| *x *= 3.0));
        fitter.add_queries(0, &queries, None).unwrap();
        save("metric.kks", &fitter.finish().unwrap().0);
    }
    let skeleton = Skeleton::load(&read("metric.kks")).unwrap();
    assert!(skeleton.has_metric());
    let case = stepped_case("rdo-metric", 0.5, falling(23, 43));
    check(&shared(case.settings.clone(), Objective::InnerProduct, skeleton), "rdo-metric-ip", &case);
}

fn save(name: &str, skeleton: &Skeleton) {
    let mut bytes = vec![0; skeleton.saved_bytes()];
    skeleton.save(&mut bytes).unwrap();
    std::fs::create_dir_all(path("")).unwrap();
    std::fs::write(path(name), bytes).unwrap();
}

#[test]
fn a_stored_profile_says_what_it_was_made_from() {
    let made = profiles::builder().finish().unwrap();
    if updating() {
        let mut bytes = vec![0; made.saved_bytes()];
        made.save(&mut bytes).unwrap();
        std::fs::write(path("small.kkp"), bytes).unwrap();
    }
    let stored = Profile::load(&read("small.kkp")).unwrap();
    assert_eq!(stored.model(), made.model());
    assert_eq!(stored.description(), made.description());
    assert_eq!(stored.default_step(), made.default_step());
    assert_eq!(stored.qualities(), made.qualities());
    assert_eq!(stored.policy(), made.policy());
    assert_eq!(stored.streams(), made.streams());
    for index in 0..made.streams().len() {
        assert_eq!(stored.layout(index).unwrap(), made.layout(index).unwrap());
        // What is fitted anew may differ in its last bits.
        let shape = |profile: &Profile| {
            let skeleton = &profile.skeleton(index).unwrap()?.skeleton;
            Some((skeleton.dim(), skeleton.rank(), skeleton.n_centres()))
        };
        assert_eq!(shape(&stored), shape(&made));
    }
}

/// A little-endian number of `len` bytes.
fn field(block: &[u8], at: usize, len: usize) -> u64 {
    block[at..at + len].iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte))
}

/// The header's fields lie where the format says, in a block that is read by no code but this.
fn header_fields() {
    let block = read("turbo-3x33-ip.kkb");
    let field = |at, len| field(&block, at, len);
    assert_eq!(&block[..4], b"KKYB");
    assert_eq!(field(4, 2), u64::from(FORMAT_VERSION));
    // Preset, distortion, flags (checksum), bits; rank, centres, rows per run; rows, dim, slots, protected, raw
    // bytes of a row.
    assert_eq!(block[6..10], [0, 1, 1, 3]);
    assert_eq!([10, 20, 22].map(|at| field(at, 2)), [33, 0, 0]);
    assert_eq!([12, 16, 24, 28, 32].map(|at| field(at, 4)), [3, 33, 0, 0, 132]);
    // 92 of the header, 6 of scales, 3 bits × 99 symbols.
    assert_eq!((field(40, 8), block.len()), (92 + 6 + 38, 92 + 6 + 38));
    assert_eq!(verify(&block).unwrap().certified_error, f32::from_bits(field(48, 4) as u32));
    assert_eq!(field(52, 4), 0);
}

/// The same for a block with runs, for one whose components have bits of their own, and for one that is raw.
fn stepped_header_fields() {
    let block = read("rdo-bits-mse.kkb");
    // Preset, distortion, flags (checksum, bits by component), bits; rank, centres, ⌊2.3 · 19⌋ bits a row.
    assert_eq!(block[6..10], [2, 0, 1 + 64, 0]);
    assert_eq!([10, 20, 22].map(|at| field(&block, at, 2)), [19, 0, 43]);
    assert_eq!((field(&block, 40, 8), block.len()), (92 + 22 + 60, 92 + 22 + 60));
    let block = read("rdo-weights-mse.kkb");
    // Preset, distortion, flags (checksum, runs, weights), bits; rank, centres, rows per run.
    assert_eq!(block[6..10], [2, 0, 1 + 8 + 16, 0]);
    assert_eq!([10, 20, 22].map(|at| field(&block, at, 2)), [19, 0, 7]);
    assert_eq!([12, 16, 24, 28, 32].map(|at| field(&block, at, 4)), [20, 19, 0, 0, 76]);
    assert_eq!(field(&block, 52, 4) as u32, 0.5_f32.to_bits());
    // 92 of the header, 10 of gains, 20 of steps, then the ends of 3 runs, of which the last is that of the block.
    let runs = 92 + 10 + 20 + 3 * 4;
    assert_eq!(field(&block, runs - 4, 4) as usize, block.len() - runs);

    let block = read("rdo-raw-block-mse.kkb");
    assert_eq!(&block[..4], b"KKYR");
    // Preset with distortion, flags (checksum); dim, raw bytes of a row; rows.
    assert_eq!(block[6..8], [2, 1]);
    assert_eq!([8, 10].map(|at| field(&block, at, 2)), [19, 76]);
    assert_eq!(field(&block, 12, 4), 5);
    assert_eq!(block.len(), 64 + 5 * 76);
    let rows: Vec<u8> = falling(5, 36).iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(block[64..], rows);
}
