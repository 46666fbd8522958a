//! Blocks that were written once decode to the same bits for ever (as long as the format has the same number).
//!
//! `conformance/golden/*.kkb` are blocks, files of the same name beside them the rows that they decode to, little-endian `f32`,
//! `f16` or `bf16`; `*.kks` is a skeleton that blocks share, `*.kkp` a profile. `blocks.json` says what a reader has to know
//! beside a block. `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew: right only
//! when the format or the meaning of a codec changes on purpose, and then together with `FORMAT_VERSION`.

mod common;

use common::blocks::{FLAG_RAW, Side, fit, stepped, with_views};
use common::golden::{cases, check_json, falling, joined_layout, read, updating, write};
use common::{clustered, normal, profiles};
use kakeyaturbo::Dtype;
use kakeyaturbo::Layout;
use kakeyaturbo::profile::Profile;
use kakeyaturbo::{
    FORMAT_VERSION, Fitter, Pairing, Params, Preset, Rows, Settings, Skeleton, StreamFitter, verify,
};
use serde_json::Value;

/// Flags of blocks in which weights changed the steps of rows, and of values of a trellis.
const FLAG_WEIGHTS: u8 = 16;
/// See [`FLAG_WEIGHTS`].
const FLAG_TRELLIS: u8 = 128;

#[test]
fn stored_blocks_decode_to_the_stored_bytes() {
    if updating() {
        save_skeletons();
    }
    let mut index = Vec::new();
    for case in cases() {
        let (codec, name) = (case.codec(), &case.name);
        if updating() {
            let block = case.encode(&codec);
            write(&case.rows_file(), case.decode(&codec, &block).unwrap());
            write(&case.block_file(), block);
        }
        let block = read(&case.block_file());
        let header = codec.verify(&block).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(header.n_rows as usize, case.n(), "{name}");
        for (part, there) in [
            ("centres", header.n_centres > 0),
            ("raw-block", header.flags & FLAG_RAW != 0),
            ("weights", header.flags & FLAG_WEIGHTS != 0),
            ("-trellis", header.flags & FLAG_TRELLIS != 0),
            ("protected", header.n_protected > 0),
        ] {
            // A name may leave something out.
            assert!(there || !name.contains(part), "{name} has no {part}");
        }
        assert_eq!(
            case.decode(&codec, &block).unwrap(),
            read(&case.rows_file()),
            "{name} decodes differently"
        );
        index.push(case.describe(&codec));
    }
    check_json("blocks.json", &Value::Array(index));
    header_fields();
    stepped_header_fields();
}

/// The skeletons that blocks share.
fn save_skeletons() {
    let settings = Settings { preset: Preset::Kakeya, kmeans_k: 3, seed: 5, ..Settings::default() };
    let mut fitter = Fitter::new(12, &Params::new(settings).unwrap()).unwrap();
    fitter.add(&clustered((90, 12), 3, 1e-2, 28), &[1.0; 90]);
    save("shared.kks", &fitter.finish().unwrap().0);

    let rows = falling(200, 29);
    save("falling.kks", &fit(&stepped(0.5), &Layout::plain(19).unwrap(), &rows, Side::default()).0);
    let settings = Settings { kmeans_k: 3, ..stepped(0.01) };
    let rows = clustered((90, 12), 3, 1e-2, 28);
    save("stepped-centres.kks", &fit(&settings, &Layout::plain(12).unwrap(), &rows, Side::default()).0);

    // A transform that follows a query metric.
    let layout = Layout::plain(19).unwrap();
    let mut fitter = StreamFitter::new(&Params::new(stepped(0.5)).unwrap(), layout.clone()).unwrap();
    with_views(&layout, &mut falling(200, 41), |views| {
        fitter.add(&Rows { n: 200, views, positions: None, weights: None, protect: None }).unwrap();
    });
    let mut queries = normal(100 * 19, 42);
    queries.chunks_exact_mut(19).for_each(|query| query[..5].iter_mut().for_each(|x| *x *= 3.0));
    fitter.add_queries(0, &queries, None).unwrap();
    let skeleton = fitter.finish().unwrap().0;
    assert!(skeleton.has_metric());
    save("metric.kks", &skeleton);

    let layout = joined_layout(Pairing::Neox, [Dtype::F32; 2]);
    let positions: Vec<i32> = (0..100).collect();
    let side = Side { positions: Some(&positions), ..Side::default() };
    save("joined.kks", &fit(&stepped(0.5), &layout, &normal(100 * 13, 61), side).0);
}

fn save(name: &str, skeleton: &Skeleton) {
    let mut bytes = vec![0; skeleton.saved_bytes()];
    skeleton.save(&mut bytes).unwrap();
    write(name, bytes);
}

#[test]
fn a_stored_profile_says_what_it_was_made_from() {
    let made = profiles::builder().finish().unwrap();
    if updating() {
        let mut bytes = vec![0; made.saved_bytes()];
        made.save(&mut bytes).unwrap();
        write("small.kkp", bytes);
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
