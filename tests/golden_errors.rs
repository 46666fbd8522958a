//! Damaged and forged blocks, skeletons and profiles, each of which has to be refused with the status that
//! `conformance/golden/errors/errors.json` says. `UPDATE_GOLDEN=1` makes them from the files of
//! `conformance/golden`.

mod common;

use common::golden::{Case, cases, check_json, read, updating, write};
use kakeyaturbo::profile::Profile;
use kakeyaturbo::{Error, Skeleton, verify};
use serde_json::{Value, json};

type Change = fn(&mut Vec<u8>);

/// A file: its name without ending, what it is made from, its status, and what is done.
struct Damage(&'static str, &'static str, &'static str, Change);

const BLOCK: &str = "turbo-3x33-mse.kkb";
const OWN: &str = "kakeya-centres-mse.kkb";
const SLOTS: &str = "turbo-protected-mse.kkb";
const RUNS: &str = "rdo-runs-mse.kkb";
const RAW: &str = "rdo-raw-block-mse.kkb";
const SKELETON: &str = "falling.kks";
const METRIC: &str = "metric.kks";
const PROFILE: &str = "small.kkp";

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn get(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Puts a value into a header, or anywhere, and makes checksums right.
fn forge<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    put(bytes, at, value);
    seal(bytes);
}

/// Makes checksums right.
fn seal(bytes: &mut [u8]) {
    let crc = crc32fast::hash;
    match &bytes[..4] {
        b"KKYB" => {
            let payload = if bytes[8] & 1 != 0 { crc(&bytes[92..]) } else { 0 };
            put(bytes, 36, payload.to_le_bytes());
            put(bytes, 88, crc(&bytes[..88]).to_le_bytes());
        }
        b"KKYR" => {
            put(bytes, 16, crc(&bytes[64..]).to_le_bytes());
            put(bytes, 60, crc(&bytes[..60]).to_le_bytes());
        }
        b"KKYS" => {
            let covered = [&bytes[..20], &bytes[24..]].concat();
            put(bytes, 20, crc(&covered).to_le_bytes());
        }
        _ => {
            let end = bytes.len() - 4;
            put(bytes, end, crc(&bytes[..end]).to_le_bytes());
        }
    }
}

/// Makes the header's checksum right, and leaves that of the payload as it is.
fn seal_header(bytes: &mut [u8]) {
    let crc = crc32fast::hash(&bytes[..88]);
    put(bytes, 88, crc.to_le_bytes());
}

/// The contents of a profile's section.
fn section(bytes: &[u8], tag: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == tag).unwrap() + 12
}

/// Where the runs of [`RUNS`] begin: after 12 bytes of gains and the ends of 4 runs.
const FIRST_RUN: usize = 92 + 12 + 16;

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 16;
}

const CORRUPT: &str = "CORRUPT";
const TRUNCATED: &str = "TRUNCATED";
const VERSION: &str = "WRONG_VERSION";
const CODEC: &str = "WRONG_CODEC";

const NAN: [u8; 4] = f32::NAN.to_le_bytes();

/// Puts another size into the header of a block.
fn forge_size(bytes: &mut [u8], size: u64) {
    forge(bytes, 40, size.to_le_bytes());
}

/// Puts a row into a slot of [`SLOTS`].
fn forge_slot(bytes: &mut [u8], slot: usize, row: [u8; 4]) {
    let at = bytes.len() - 3 * 68 + 4 * slot;
    forge(bytes, at, row);
}

/// Moves the end of a run.
fn move_end(bytes: &mut [u8], at: usize, by: i32) {
    let end = get(bytes, at) as u32;
    forge(bytes, at, end.checked_add_signed(by).unwrap().to_le_bytes());
}

/// Puts a value into a section of a profile, `offset` bytes from the start of its contents.
fn forge_in<const N: usize>(bytes: &mut [u8], tag: &[u8; 4], offset: isize, value: [u8; N]) {
    let at = section(bytes, tag).checked_add_signed(offset).unwrap();
    forge(bytes, at, value);
}

fn damages() -> impl Iterator<Item = Damage> {
    [headers(), payloads(), runs(), raw_blocks(), skeletons(), profiles()].into_iter().flatten()
}

/// Blocks at a fixed rate: all but what the payload means.
#[rustfmt::skip]
fn headers() -> Vec<Damage> {
    vec![
        Damage("empty", BLOCK, TRUNCATED, |b| b.clear()),
        Damage("magic", BLOCK, CORRUPT, |b| b[3] = b'X'),
        Damage("short-header", BLOCK, TRUNCATED, |b| b.truncate(91)),
        Damage("version", BLOCK, VERSION, |b| b[4] = 1),
        Damage("version-far", BLOCK, VERSION, |b| { b[5] = 0xFF; seal_header(b); }),
        Damage("header-bit", BLOCK, CORRUPT, |b| flip(b, 50)),
        Damage("header-checksum-bit", BLOCK, CORRUPT, |b| flip(b, 90)),
        Damage("short-payload", BLOCK, TRUNCATED, |b| { b.pop(); }),
        Damage("no-payload", BLOCK, TRUNCATED, |b| b.truncate(92)),
        Damage("payload-bit", BLOCK, CORRUPT, |b| flip(b, 99)),
        Damage("preset", BLOCK, CORRUPT, |b| forge(b, 6, [3])),
        Damage("preset-other", BLOCK, CORRUPT, |b| forge(b, 6, [1])),
        Damage("distortion", BLOCK, CORRUPT, |b| forge(b, 7, [3])),
        Damage("distortion-other", BLOCK, CORRUPT, |b| forge(b, 7, [1])),
        Damage("flag-32", BLOCK, CORRUPT, |b| forge(b, 8, [33])),
        Damage("flag-runs", BLOCK, CORRUPT, |b| forge(b, 8, [1 + 8])),
        Damage("flag-steps", BLOCK, CORRUPT, |b| forge(b, 8, [1 + 16])),
        Damage("flag-trellis", BLOCK, CORRUPT, |b| forge(b, 8, [1 + 128])),
        Damage("flag-own-skeleton", BLOCK, CORRUPT, |b| forge(b, 8, [1 + 2])),
        Damage("flag-positions", BLOCK, CORRUPT, |b| forge(b, 8, [1 + 4])),
        Damage("no-checksum", BLOCK, CORRUPT, |b| { b[8] = 0; put(b, 36, [0; 4]); seal_header(b); }),
        Damage("checksum-without-flag", BLOCK, CORRUPT, |b| { b[8] = 0; seal_header(b); }),
        Damage("bits-0", BLOCK, CORRUPT, |b| forge(b, 9, [0])),
        Damage("bits-9", BLOCK, CORRUPT, |b| forge(b, 9, [9])),
        Damage("rank", BLOCK, CORRUPT, |b| forge(b, 10, 34_u16.to_le_bytes())),
        Damage("no-rows", BLOCK, CORRUPT, |b| forge(b, 12, [0; 4])),
        Damage("many-rows", BLOCK, CORRUPT, |b| forge(b, 12, [0xFF; 4])),
        Damage("dim-0", BLOCK, CORRUPT, |b| forge(b, 16, [0; 4])),
        Damage("dim-4097", BLOCK, CORRUPT, |b| forge(b, 16, 4097_u32.to_le_bytes())),
        Damage("centres", BLOCK, CORRUPT, |b| forge(b, 20, 257_u16.to_le_bytes())),
        Damage("rows-per-run", BLOCK, CORRUPT, |b| forge(b, 22, [7, 0])),
        Damage("raw-rows-without-slots", BLOCK, CORRUPT, |b| forge(b, 28, [1, 0, 0, 0])),
        Damage("slots", BLOCK, CORRUPT, |b| forge(b, 24, [0xFF; 4])),
        Damage("raw-row-bytes", BLOCK, CORRUPT, |b| forge(b, 32, [1, 0, 0, 0])),
        Damage("size-less", BLOCK, CORRUPT, |b| { let size = b.len() as u64 - 1; forge_size(b, size); }),
        Damage("size-more", BLOCK, CORRUPT, |b| forge_size(b, u64::MAX)),
        Damage("step", BLOCK, CORRUPT, |b| forge(b, 52, 1_f32.to_le_bytes())),
        Damage("fingerprint", BLOCK, CODEC, |b| { b[60] ^= 1; seal(b); }),
        Damage("scale", BLOCK, CORRUPT, |b| forge(b, 94, 0xFF00_u16.to_le_bytes())),
        Damage("codec-bits", BLOCK, CORRUPT, |b| {
            // A block of two bits a symbol, whole in itself.
            b.truncate(92 + 6 + 25);
            (b[9], b[40]) = (2, b.len() as u8);
            seal(b);
        }),
    ]
}

/// Skeletons inside blocks, centres, slots of raw rows.
#[rustfmt::skip]
fn payloads() -> Vec<Damage> {
    vec![
        Damage("own-reach-nan", OWN, CORRUPT, |b| forge(b, 92, NAN)),
        Damage("own-reach-negative", OWN, CORRUPT, |b| forge(b, 92, (-1_f32).to_le_bytes())),
        Damage("own-mean", OWN, CORRUPT, |b| forge(b, 96, f32::INFINITY.to_le_bytes())),
        Damage("own-basis", OWN, CORRUPT, |b| forge(b, 96 + 80, 0x7E00_u16.to_le_bytes())),
        Damage("centre-index", OWN, CORRUPT, |b| {
            // Three centres have indices of two bits, in front of the symbols.
            let (rank, n) = (usize::from(b[10]), 40);
            let symbols = (n * rank * 3_usize).div_ceil(8);
            let end = b.len() - symbols;
            forge(b, end - 1, [0xFF]);
        }),
        Damage("slot-order", SLOTS, CORRUPT, |b| forge_slot(b, 0, [4, 0, 0, 0])),
        Damage("slot-row", SLOTS, CORRUPT, |b| forge_slot(b, 1, [5, 0, 0, 0])),
        Damage("slot-unused", SLOTS, CORRUPT, |b| forge_slot(b, 2, [0; 4])),
        Damage("slot-used-unused", SLOTS, CORRUPT, |b| forge(b, 28, [3, 0, 0, 0])),
    ]
}

/// Blocks at a step, and those whose components have bits of their own.
#[rustfmt::skip]
fn runs() -> Vec<Damage> {
    vec![
        Damage("run-step-0", RUNS, CORRUPT, |b| forge(b, 52, [0; 4])),
        Damage("run-step-nan", RUNS, CORRUPT, |b| forge(b, 52, f32::NAN.to_le_bytes())),
        Damage("run-step-other", RUNS, CORRUPT, |b| forge(b, 52, 0.25_f32.to_le_bytes())),
        Damage("run-rows-0", RUNS, CORRUPT, |b| forge(b, 22, [0, 0])),
        Damage("run-bits", RUNS, CORRUPT, |b| forge(b, 9, [4])),
        Damage("run-ends-order", RUNS, CORRUPT, |b| forge(b, FIRST_RUN - 16, [0xFF, 0, 0, 0])),
        Damage("run-ends-early", RUNS, CORRUPT, |b| move_end(b, FIRST_RUN - 4, -2)),
        Damage("run-empty", RUNS, CORRUPT, |b| forge(b, FIRST_RUN - 16, [0, 0, 0, 0])),
        Damage("run-components", RUNS, CORRUPT, |b| forge(b, FIRST_RUN, 20_u16.to_le_bytes())),
        Damage("run-state", RUNS, CORRUPT, |b| forge(b, FIRST_RUN + 2, 0xFFFF_u32.to_le_bytes())),
        Damage("run-odd", RUNS, CORRUPT, |b| move_end(b, FIRST_RUN - 16, -1)),
        Damage("run-short", RUNS, CORRUPT, |b| move_end(b, FIRST_RUN - 16, -2)),
        Damage("run-long", RUNS, CORRUPT, |b| move_end(b, FIRST_RUN - 16, 2)),
        Damage("run-words", RUNS, CORRUPT, |b| { flip(b, FIRST_RUN + 40); seal(b); }),
        Damage("run-gain", RUNS, CORRUPT, |b| { b[92] ^= 7; seal(b); }),
        Damage("row-step", "rdo-weights-mse.kkb", CORRUPT, |b| forge(b, 92 + 10, [17])),
        Damage("row-step-least", "rdo-weights-mse.kkb", CORRUPT, |b| forge(b, 92 + 10, [0x80])),
        Damage("row-bits", "rdo-bits-mse.kkb", CORRUPT, |b| forge(b, 22, [42, 0])),
        Damage("row-bits-many", "rdo-bits-mse.kkb", CORRUPT, |b| forge(b, 22, [153, 0])),
        Damage("allocated-runs", "rdo-bits-mse.kkb", CORRUPT, |b| forge(b, 8, [1 + 8 + 64])),
    ]
}

/// Blocks that are stored raw.
#[rustfmt::skip]
fn raw_blocks() -> Vec<Damage> {
    vec![
        Damage("raw-short-header", RAW, TRUNCATED, |b| b.truncate(63)),
        Damage("raw-version", RAW, VERSION, |b| b[4] = 1),
        Damage("raw-header-bit", RAW, CORRUPT, |b| flip(b, 9)),
        Damage("raw-payload-bit", RAW, CORRUPT, |b| flip(b, 200)),
        Damage("raw-short", RAW, TRUNCATED, |b| { b.pop(); }),
        Damage("raw-flag", RAW, CORRUPT, |b| forge(b, 7, [3])),
        Damage("raw-positions", RAW, CORRUPT, |b| { b.extend([0; 20]); forge(b, 7, [5]); }),
        Damage("raw-kind", RAW, CORRUPT, |b| forge(b, 6, [3])),
        Damage("raw-dim", RAW, CORRUPT, |b| forge(b, 8, [0, 0])),
        Damage("raw-rows-0", RAW, CORRUPT, |b| forge(b, 12, [0; 4])),
        Damage("raw-rows-many", RAW, TRUNCATED, |b| forge(b, 12, [0xFF; 4])),
        Damage("raw-row-bytes-other", RAW, CORRUPT, |b| {
            b.truncate(64 + 5 * 38);
            forge(b, 10, [38, 0]);
        }),
        Damage("raw-fingerprint", RAW, CODEC, |b| { b[30] ^= 1; seal(b); }),
    ]
}

/// Skeletons that blocks share.
#[rustfmt::skip]
fn skeletons() -> Vec<Damage> {
    vec![
        Damage("skeleton-empty", SKELETON, TRUNCATED, |b| b.clear()),
        Damage("skeleton-magic", SKELETON, CORRUPT, |b| b[0] = b'X'),
        Damage("skeleton-version", SKELETON, VERSION, |b| b[4] = 1),
        Damage("skeleton-short-header", SKELETON, TRUNCATED, |b| b.truncate(23)),
        Damage("skeleton-short", SKELETON, TRUNCATED, |b| { b.pop(); }),
        Damage("skeleton-long", SKELETON, CORRUPT, |b| b.push(0)),
        Damage("skeleton-bit", SKELETON, CORRUPT, |b| flip(b, 300)),
        Damage("skeleton-flags", SKELETON, CORRUPT, |b| forge(b, 6, [2, 0])),
        Damage("skeleton-dim", SKELETON, CORRUPT, |b| forge(b, 8, [0; 4])),
        Damage("skeleton-rank", SKELETON, CORRUPT, |b| forge(b, 12, [20, 0, 0, 0])),
        Damage("skeleton-centres", SKELETON, CORRUPT, |b| forge(b, 16, 257_u32.to_le_bytes())),
        Damage("skeleton-variance", SKELETON, CORRUPT, |b| forge(b, 24, (-1_f32).to_le_bytes())),
        Damage("skeleton-variance-nan", SKELETON, CORRUPT, |b| forge(b, 28, f32::NAN.to_le_bytes())),
        Damage("skeleton-reach", SKELETON, CORRUPT, |b| forge(b, 24 + 76, f32::INFINITY.to_le_bytes())),
        Damage("skeleton-mean", SKELETON, CORRUPT, |b| forge(b, 24 + 80, f32::NAN.to_le_bytes())),
        Damage("skeleton-basis", SKELETON, CORRUPT, |b| forge(b, 24 + 156, 0x7C00_u16.to_le_bytes())),
        Damage("skeleton-metric-rank", "shared.kks", CORRUPT, |b| forge(b, 6, [1, 0])),
        Damage("skeleton-metric-basis", METRIC, CORRUPT, |b| { b[180..][..38].fill(0); seal(b); }),
    ]
}

/// Profiles.
#[rustfmt::skip]
fn profiles() -> Vec<Damage> {
    vec![
        Damage("profile-empty", PROFILE, TRUNCATED, |b| b.clear()),
        Damage("profile-magic", PROFILE, CORRUPT, |b| b[0] = b'X'),
        Damage("profile-version", PROFILE, VERSION, |b| b[4] = 1),
        Damage("profile-short", PROFILE, TRUNCATED, |b| { b.pop(); }),
        Damage("profile-long", PROFILE, CORRUPT, |b| b.push(0)),
        Damage("profile-bit", PROFILE, CORRUPT, |b| flip(b, 500)),
        Damage("profile-reserved", PROFILE, CORRUPT, |b| forge(b, 6, [1])),
        Damage("profile-tag", PROFILE, CORRUPT, |b| forge_in(b, b"FREQ", -12, *b"XXXX")),
        Damage("profile-section", PROFILE, CORRUPT, |b| forge_in(b, b"FREQ", -8, [0xFF; 8])),
        Damage("profile-default-step", PROFILE, CORRUPT, |b| forge_in(b, b"MODL", 32, NAN)),
        Damage("profile-description", PROFILE, CORRUPT, |b| forge_in(b, b"MODL", 40, [0xFF])),
        Damage("profile-tables", PROFILE, CORRUPT, |b| forge_in(b, b"FREQ", 0, [0xFF; 4])),
        Damage("profile-frequency", PROFILE, CORRUPT, |b| forge_in(b, b"FREQ", 8, NAN)),
        Damage("profile-no-streams", PROFILE, CORRUPT, |b| forge_in(b, b"STRM", 0, [0; 4])),
        Damage("profile-part", PROFILE, CORRUPT, |b| forge_in(b, b"STRM", 4, [4])),
        Damage("profile-layers", PROFILE, CORRUPT, |b| forge_in(b, b"STRM", 13, [2, 0, 0, 0])),
        Damage("profile-quality", PROFILE, CORRUPT, |b| forge_in(b, b"QUAL", 36, [0; 4])),
        Damage("profile-quality-name", PROFILE, CORRUPT, |b| forge_in(b, b"QUAL", 4, [0; 2])),
        Damage("profile-raw-layers", PROFILE, CORRUPT, |b| forge_in(b, b"PLCY", 12, [9, 0, 0, 0])),
    ]
}

fn kind(file: &str) -> &'static str {
    match file.rsplit_once('.').unwrap().1 {
        "kkb" => "block",
        "kks" => "skeleton",
        _ => "profile",
    }
}

fn status(error: &Error) -> &'static str {
    match error {
        Error::Corrupt { .. } => "CORRUPT",
        Error::Truncated { .. } => "TRUNCATED",
        Error::WrongCodec { .. } => "WRONG_CODEC",
        Error::WrongVersion { .. } => "WRONG_VERSION",
        other => panic!("{other}"),
    }
}

fn refused(bytes: &[u8], kind: &str, case: Option<&Case>) -> Option<Error> {
    match (kind, case) {
        ("block", Some(case)) => {
            let codec = case.codec();
            let whole = codec.verify(bytes).err();
            // What the runs hold is looked at when they are decoded.
            let decoded = case.decode(&codec, bytes).err();
            assert!(whole.is_none() || whole == decoded, "{whole:?}, {decoded:?}");
            assert!(whole.is_some() || verify(bytes).is_ok());
            decoded
        }
        ("skeleton", None) => Skeleton::load(bytes).err(),
        ("profile", None) => Profile::load(bytes).err(),
        _ => unreachable!(),
    }
}

#[test]
fn damaged_files_are_refused_with_the_stored_status() {
    let cases = cases();
    let mut index = Vec::new();
    for Damage(name, from, expected, change) in damages() {
        let kind = kind(from);
        let case = cases.iter().find(|case| kind == "block" && case.block_file() == from);
        let file = format!("{name}.{}", from.rsplit_once('.').unwrap().1);
        if updating() {
            let mut bytes = read(from);
            change(&mut bytes);
            write(&format!("errors/{file}"), bytes);
        }
        let error = refused(&read(&format!("errors/{file}")), kind, case);
        let got = error.as_ref().map_or("OK", status);
        assert_eq!(got, expected, "{file}: {error:?}");
        let codec = case.map(|case| &case.name);
        index.push(json!({ "file": file, "kind": kind, "codec": codec, "status": expected }));
    }
    check_json("errors/errors.json", &Value::Array(index));
}
