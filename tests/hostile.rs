//! Whatever the bytes, the rows or the sizes are, the answer is a result or an error: never a panic, never a
//! large allocation, never a value that is not finite.

mod common;

use common::blocks::{
    HEADER_BYTES, OBJECTIVES, RAW_HEADER_BYTES, Side, bits, codec, decode, decode_rows, encode, fit,
    of_layout, stepped, with_views,
};
use common::counting::{Counting, counted};
use common::{clustered, normal};
use kakeyaturbo::dtype::Dtype;
use kakeyaturbo::layout::{Layout, Segment};
use kakeyaturbo::{
    Codec, Count, Error, FORMAT_VERSION, NanPolicy, Objective, Pairing, Params, Preset, RateControl, Rope,
    Rows, RowsMut, Settings, Tier, Workspace, verify,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: usize = 16;
const DIM: usize = 10;
const POSITIONS: [i32; ROWS] = [5; ROWS];

/// A codec and one of its blocks.
struct Victim {
    codec: Codec,
    block: Vec<u8>,
}

/// Bytes of a raw row with its slot, and of the slots that a block of fixed rate reserves.
const RAW_ROW: usize = 8 + 4 * 2 + (DIM - 4) * 4;
const SLOTS: usize = 3;

/// A block of each preset: with protected rows and positions, that of kakeya with a skeleton and centres, that of
/// rdo with weights, centres and runs of five rows.
fn victims(checksum: bool) -> [Victim; 3] {
    let rope = Some(Rope { pairing: Pairing::Interleaved, inv_freq: vec![0.3, 0.01] });
    let segments = vec![Segment { rope, raw_dtype: Dtype::F16, ..Segment::new(4) }, Segment::new(DIM - 4)];
    let layout = Layout::new(segments).unwrap();
    [Preset::Turbo, Preset::Kakeya, Preset::Rdo].map(|preset| {
        let rdo = preset == Preset::Rdo;
        let mut settings = Settings {
            preset,
            bits: 3.0,
            kmeans_k: 3,
            variance_ratio: 0.9,
            max_protected: SLOTS,
            checksum,
            ..Settings::default()
        };
        if rdo {
            settings = Settings { kmeans_k: 5, rows_per_run: 5, checksum, ..stepped(0.02) };
        }
        let mut protect = [0; ROWS];
        (protect[2], protect[9]) = (1, 1);
        let weights: Vec<f32> = (0..ROWS).map(|i| 1.0 + i as f32).collect();
        let side = Side {
            positions: Some(&POSITIONS),
            protect: Some(&protect),
            weights: rdo.then_some(&weights[..]),
        };
        // Few directions and little noise: one centre for all rows pays for itself.
        let rows = clustered((ROWS, DIM), if rdo { 5 } else { 1 }, 1e-4, 3);
        // Fitted to more rows along the same directions.
        let sample = clustered((200, DIM), 5, 1e-4, 3);
        let at = Side { positions: Some(&[5; 200]), ..Side::default() };
        let skeleton = rdo.then(|| fit(&settings, &layout, &sample, at).0);
        let codec = of_layout(settings, Objective::Mse, layout.clone(), skeleton);
        let block = encode(&codec, &rows, side).unwrap();
        let header = verify(&block).unwrap();
        assert_eq!((header.n_protected, header.n_centres > 0), (2, preset != Preset::Turbo));
        Victim { codec, block }
    })
}

impl Victim {
    /// Where the slots begin: at fixed rate after all that are reserved, at a fixed step after those in use.
    fn slots(&self) -> usize {
        self.block.len() - verify(&self.block).unwrap().slots as usize * RAW_ROW
    }

    /// The results of all that reads a block.
    fn read(&self, bytes: &[u8]) -> [Result<Vec<f32>, Error>; 4] {
        let mut workspace = Workspace::new(&self.codec, ROWS).unwrap();
        let mut back = vec![0.0; ROWS * DIM];
        let whole = with_views(self.codec.layout(), &mut back, |views| {
            let rows = RowsMut { n: ROWS, views, positions: Some(&POSITIONS) };
            self.codec.decode(&mut workspace, bytes, &rows)
        });
        [
            verify(bytes).map(|_| Vec::new()),
            self.codec.verify(bytes).map(|_| Vec::new()),
            whole.map(|()| back),
            decode_rows(&self.codec, &mut workspace, bytes, (3, 2), Some(&POSITIONS[..2])),
        ]
    }
}

/// The header with a checksum that fits it.
fn seal(block: &mut [u8]) {
    let crc = crc32fast::hash(&block[..HEADER_BYTES - 4]);
    block[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

#[test]
fn every_truncation_is_an_error() {
    for victim in victims(true).iter().chain(&victims(false)) {
        assert!(victim.read(&victim.block).iter().all(Result::is_ok));
        for len in 0..victim.block.len() {
            for result in victim.read(&victim.block[..len]) {
                assert!(matches!(result, Err(Error::Truncated { .. })), "{len} bytes: {result:?}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    for victim in victims(true) {
        for bit in 0..8 * victim.block.len() {
            let mut flipped = victim.block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            for result in victim.read(&flipped) {
                assert!(result.is_err(), "bit {bit}");
            }
        }
    }
}

/// Rows stored raw are what they are; all others are finite.
fn check_finite(back: &[f32], bit: usize) {
    for (i, row) in back.chunks(DIM).enumerate().filter(|(i, _)| ![2, 9].contains(i)) {
        assert!(row.iter().all(|x| x.is_finite()), "bit {bit}: row {i} is {row:?}");
    }
}

#[test]
fn without_a_checksum_flipped_bits_decode_to_something_finite_or_not_at_all() {
    for victim in victims(false) {
        let slots = victim.slots();
        for bit in 0..8 * victim.block.len() {
            let mut flipped = victim.block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let results = victim.read(&flipped);
            if bit / 8 < HEADER_BYTES {
                assert!(results.iter().all(Result::is_err), "bit {bit} of the header");
            } else if bit / 8 < slots {
                results[2].iter().for_each(|back| check_finite(back, bit));
            }
        }
    }
}

/// Bytes of several values at once: all zero, all one, and a sweep of others.
#[test]
fn without_a_checksum_overwritten_bytes_decode_to_something_finite_or_not_at_all() {
    for victim in victims(false) {
        let slots = victim.slots();
        for start in HEADER_BYTES..slots {
            for value in [0x00, 0x7B, 0x7F, 0xFB, 0xFE, 0xFF] {
                for len in [2, 4, 64] {
                    let mut forged = victim.block.clone();
                    forged[start..slots.min(start + len)].fill(value);
                    let [.., whole, _] = victim.read(&forged);
                    whole.iter().for_each(|back| check_finite(back, 8 * start));
                }
            }
        }
    }
}

#[test]
fn forged_headers_are_errors_that_cost_no_memory() {
    // Field offsets: rank 10, rows 12, dim 16, centres 20, slots 24, protected 28, raw bytes 32, size 40.
    let huge = u32::MAX.to_le_bytes();
    for victim in victims(false) {
        let mut workspace = Workspace::new(&victim.codec, ROWS).unwrap();
        let mut back = vec![0.0; ROWS * DIM];
        let mut check = |label: &str, forged: &[u8]| {
            let (results, _, bytes) = with_views(victim.codec.layout(), &mut back, |views| {
                let rows = RowsMut { n: ROWS, views, positions: Some(&POSITIONS) };
                counted(|| {
                    [
                        verify(forged).is_err(),
                        victim.codec.verify(forged).is_err(),
                        victim.codec.decode(&mut workspace, forged, &rows).is_err(),
                    ]
                })
            });
            assert!(results[1] && results[2], "{label}: {results:?}");
            assert_eq!(bytes, 0, "{label}: bytes allocated");
        };
        for at in [12, 16, 20, 24, 28, 32] {
            for value in [huge, 0x7FFF_FFFF_u32.to_le_bytes(), 0_u32.to_le_bytes(), 1_u32.to_le_bytes()] {
                let mut forged = victim.block.clone();
                if forged[at..at + 4] == value {
                    continue;
                }
                put(&mut forged, at, &value);
                seal(&mut forged);
                check(&format!("{value:?} at {at}"), &forged);
            }
        }
        for rank in [0, 4, 11, 4095, u16::MAX] {
            let mut forged = victim.block.clone();
            put(&mut forged, 10, &rank.to_le_bytes());
            seal(&mut forged);
            check(&format!("rank {rank}"), &forged);
        }
        for size in [0, 91, 92, 1 << 40, u64::MAX] {
            let mut forged = victim.block.clone();
            put(&mut forged, 40, &size.to_le_bytes());
            seal(&mut forged);
            check(&format!("size {size}"), &forged);
        }
        // Counts and size that agree with each other: more slots than the codec has.
        let mut forged = victim.block.clone();
        forged.resize(forged.len() + RAW_ROW, 0xFF);
        put(&mut forged, 24, &(verify(&victim.block).unwrap().slots + 1).to_le_bytes());
        let size = forged.len() as u64;
        put(&mut forged, 40, &size.to_le_bytes());
        seal(&mut forged);
        check("a slot too many", &forged);
        // A count of rows whose sections would exceed any memory, with the size that follows from it.
        let mut forged = victim.block.clone();
        put(&mut forged, 12, &huge);
        for size in (victim.block.len() as u64..).take(64).map(|size| size + (1 << 36)) {
            put(&mut forged, 40, &size.to_le_bytes());
            seal(&mut forged);
            check("rows without end", &forged);
        }
    }
}

#[test]
fn slots_out_of_order_are_found() {
    let [turbo, ..] = victims(false);
    let slots = turbo.slots();
    for (first, second, third) in [(9_u32, 2_u32, u32::MAX), (2, 2, u32::MAX), (2, 16, u32::MAX), (2, 9, 12)]
    {
        let mut forged = turbo.block.clone();
        for (i, row) in [first, second, third].iter().enumerate() {
            put(&mut forged, slots + 8 * i, &row.to_le_bytes());
        }
        for result in turbo.read(&forged) {
            assert!(matches!(result, Err(Error::Corrupt { .. })), "{first}, {second}, {third}: {result:?}");
        }
    }
}

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
fn another_codec_and_another_version_are_told_apart() {
    let [turbo, kakeya, _] = victims(true);
    assert!(matches!(turbo.codec.verify(&kakeya.block), Err(Error::WrongCodec { .. })));
    for (result, own) in kakeya.read(&turbo.block).iter().zip([true, false, false, false]) {
        assert!(own == result.is_ok() && (own || matches!(result, Err(Error::WrongCodec { .. }))));
    }
    let mut newer = turbo.block.clone();
    put(&mut newer, 4, &(FORMAT_VERSION + 1).to_le_bytes());
    for sealed in [false, true] {
        if sealed {
            seal(&mut newer);
        }
        for result in turbo.read(&newer) {
            let want = u32::from(FORMAT_VERSION);
            assert_eq!(result, Err(Error::WrongVersion { got: want + 1, want }));
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
fn a_header_that_its_codec_would_not_write_is_refused() {
    for victim in victims(true) {
        let mut block = victim.block.clone();
        // Another distortion, but the fingerprint of the codec.
        put(&mut block, 7, &[1]);
        seal(&mut block);
        assert!(verify(&block).is_ok());
        for error in victim.read(&block).into_iter().filter_map(Result::err) {
            assert!(
                matches!(error, Error::Corrupt { what: "a header that its codec would not write", .. }),
                "{error}"
            );
        }
        assert!(victim.codec.verify(&block).is_err());
    }
}

#[test]
fn a_centre_that_is_not_there_is_refused() {
    // Three centres have indices of two bits, of which one value stands for nothing.
    let settings = Settings { preset: Preset::Kakeya, kmeans_k: 3, checksum: false, ..Settings::default() };
    let codec = codec(settings, Objective::Mse, 12);
    let rows = clustered((64, 12), 3, 1e-3, 5);
    let mut block = encode(&codec, &rows, Side::default()).unwrap();
    let header = verify(&block).unwrap();
    assert_eq!(header.n_centres, 3);
    let rank = usize::from(header.rank);
    let indices = HEADER_BYTES + 4 + 4 * 12 + 2 * rank * 12 + 2 * 3 * rank + 2 * 64 + 64;
    block[indices] |= 3;
    let error = decode(&codec, &block, None).unwrap_err();
    assert!(matches!(error, Error::Corrupt { what: "a centre index", .. }), "{error}");
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

/// A block of rdo that is stored raw as a whole.
fn raw_victim(checksum: bool) -> Victim {
    let settings = Settings { checksum, ..stepped(1e-12) };
    let rope = Some(Rope { pairing: Pairing::Neox, inv_freq: vec![0.3] });
    let layout = Layout::new(vec![Segment { rope, ..Segment::new(DIM) }]).unwrap();
    let positions: Vec<i32> = POSITIONS.to_vec();
    let (rows, side) = (normal(ROWS * DIM, 7), Side { positions: Some(&positions), ..Side::default() });
    let skeleton = fit(&settings, &layout, &rows, side).0;
    let codec = of_layout(settings, Objective::Mse, layout, Some(skeleton));
    let block = encode(&codec, &rows, side).unwrap();
    assert_eq!(block.len(), RAW_HEADER_BYTES + ROWS * (4 + 4 * DIM));
    Victim { codec, block }
}

#[test]
fn damage_to_a_raw_block_is_found() {
    for checksum in [true, false] {
        let victim = raw_victim(checksum);
        assert!(victim.read(&victim.block).iter().all(Result::is_ok));
        for len in 0..victim.block.len() {
            assert!(victim.read(&victim.block[..len]).iter().all(Result::is_err), "{len} bytes");
        }
        for bit in 0..8 * victim.block.len() {
            let mut flipped = victim.block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let results = victim.read(&flipped);
            if checksum || bit / 8 < RAW_HEADER_BYTES {
                assert!(results.iter().all(Result::is_err), "bit {bit}");
            }
        }
    }
}

/// Fields of the headers of rdo: rows per run at 22, step at 52; in a raw block flags at 7, dim 8, raw bytes 10,
/// rows 12.
#[test]
fn forged_headers_of_rdo_are_errors() {
    let [.., rdo] = victims(false);
    let fields: [(usize, &[u8]); 8] = [
        (8, &[0]),                 // no runs
        (8, &[32 | 8]),            // the flag that the magic stands for
        (8, &[8 | 4 | 2 | 16]),    // a skeleton of its own
        (9, &[3]),                 // bits
        (22, &[0, 0]),             // no rows in a run
        (22, &[6, 0]),             // another run
        (52, &[0, 0, 0, 0]),       // no step
        (52, &[0, 0, 0xC0, 0x7F]), // NaN
    ];
    for (at, value) in fields {
        let mut forged = rdo.block.clone();
        put(&mut forged, at, value);
        seal(&mut forged);
        assert!(rdo.read(&forged)[1..].iter().all(Result::is_err), "{value:?} at {at}");
    }
    let raw = raw_victim(false);
    for (at, value) in
        [(6, 0), (6, 0x11), (7, 8), (7, 32), (7, 2), (8, 11), (8, 0), (10, 0), (12, 0), (12, 17)]
    {
        let mut forged = raw.block.clone();
        forged[at] = value;
        let crc = crc32fast::hash(&forged[..RAW_HEADER_BYTES - 4]);
        put(&mut forged, RAW_HEADER_BYTES - 4, &crc.to_le_bytes());
        assert!(raw.read(&forged)[1..].iter().all(Result::is_err), "{value} at {at}");
    }
}

#[test]
fn another_skeleton_is_another_codec() {
    let layout = Layout::plain(DIM).unwrap();
    let codec = |seed| {
        let skeleton = fit(&stepped(0.1), &layout, &normal(50 * DIM, seed), Side::default()).0;
        of_layout(stepped(0.1), Objective::Mse, layout.clone(), Some(skeleton))
    };
    let (one, other) = (codec(1), codec(2));
    // Of a coded block and of a raw one.
    for factor in [1.0, 1e20] {
        let rows: Vec<f32> = normal(ROWS * DIM, 3).iter().map(|x| x * factor).collect();
        let block = encode(&one, &rows, Side::default()).unwrap();
        decode(&one, &block, None).unwrap();
        assert!(matches!(decode(&other, &block, None), Err(Error::WrongCodec { .. })));
        assert!(matches!(other.verify(&block), Err(Error::WrongCodec { .. })));
    }
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
