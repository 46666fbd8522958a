//! Blocks that were written once decode to the same bits for ever (as long as the format has the same number).
//!
//! `tests/golden/*.kkb` are blocks, `*.f32` beside them the rows that they decode to, little-endian; `*.kks` is a
//! skeleton that blocks share. `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew: right only when the
//! format or the meaning of a codec changes on purpose, and then together with `FORMAT_VERSION`.

mod common;

use common::blocks::{OBJECTIVES, Side, bits, codec, decode, encode, shared};
use common::{clustered, normal};
use kakeyaturbo::{Codec, FORMAT_VERSION, Fitter, Objective, Params, Preset, Settings, Skeleton, verify};
use std::path::{Path, PathBuf};

/// A block: what it is of, and what it is an example of.
struct Case {
    name: &'static str,
    settings: Settings,
    dim: usize,
    rows: Vec<f32>,
    protect: &'static [usize],
}

fn case(name: &'static str, preset: Preset, bits: u8, dim: usize, rows: Vec<f32>) -> Case {
    let settings = Settings { preset, bits: f32::from(bits), kmeans_k: 3, seed: 5, ..Settings::default() };
    Case { name, settings, dim, rows, protect: &[] }
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
        let bytes = encode(codec, &case.rows, Side { protect: Some(&protect), ..Side::default() }).unwrap();
        let back = decode(codec, &bytes, None).unwrap();
        std::fs::create_dir_all(path("")).unwrap();
        std::fs::write(path(&rows), back.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        std::fs::write(path(&block), bytes).unwrap();
    }
    let block = read(&block);
    let header = codec.verify(&block).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(header.n_protected as usize, case.protect.len(), "{name}");
    assert_eq!(header.n_centres > 0, name.contains("centres"), "{name}");
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
        let mut bytes = vec![0; skeleton.saved_bytes()];
        skeleton.save(&mut bytes).unwrap();
        std::fs::create_dir_all(path("")).unwrap();
        std::fs::write(path("shared.kks"), bytes).unwrap();
    }
    let skeleton = Skeleton::load(&read("shared.kks")).unwrap();
    for objective in OBJECTIVES {
        let name = format!("{}-{}", case.name, name_of(objective));
        check(&shared(case.settings.clone(), objective, skeleton.clone()), &name, &case);
    }
}

/// The header's fields lie where the format says, in a block that is read by no code but this.
fn header_fields() {
    let block = read("turbo-3x33-ip.kkb");
    let field =
        |at: usize, len: usize| block[at..at + len].iter().rev().fold(0_u64, |n, &b| n << 8 | u64::from(b));
    assert_eq!(&block[..4], b"KKYB");
    assert_eq!(field(4, 2), u64::from(FORMAT_VERSION));
    // Preset, distortion, flags (checksum), bits; rank, rows, dim, centres, slots, protected, raw bytes of a row.
    assert_eq!(block[6..10], [0, 1, 1, 3]);
    assert_eq!(field(10, 2), 33);
    assert_eq!([12, 16, 20, 24, 28, 32].map(|at| field(at, 4)), [3, 33, 0, 0, 0, 132]);
    // 92 of the header, 6 of scales, 3 bits × 99 symbols.
    assert_eq!((field(40, 8), block.len()), (92 + 6 + 38, 92 + 6 + 38));
    assert_eq!(verify(&block).unwrap().certified_error, f64::from_bits(field(48, 8)));
}
