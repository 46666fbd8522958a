//! Whatever the bytes of a block are, the answer is a result or an error: never a panic, never a large allocation,
//! never a value that is not finite.

mod common;

use common::blocks::{
    HEADER_BYTES, RAW_HEADER_BYTES, Side, codec, decode, encode, fit, of_layout, stepped, with_views,
};
use common::counting::{Counting, counted};
use common::victims::{DIM, POSITIONS, RAW_ROW, ROWS, Victim, put, raw_victim, seal, victims};
use common::{clustered, normal};
use kakeyaturbo::Layout;
use kakeyaturbo::{Error, FORMAT_VERSION, Objective, Preset, RowsMut, Settings, Workspace, verify};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

/// All readers that need a codec refuse the bytes, without allocating.
fn refused_without_memory(victim: &Victim, label: &str, forged: &[u8]) {
    let mut workspace = Workspace::new(&victim.codec, ROWS).unwrap();
    let mut back = vec![0.0; ROWS * DIM];
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
}

#[test]
fn forged_headers_are_errors_that_cost_no_memory() {
    // Field offsets: rank 10, rows 12, dim 16, centres 20, slots 24, protected 28, raw bytes 32, size 40.
    let huge = u32::MAX.to_le_bytes();
    for victim in victims(false) {
        for at in [12, 16, 20, 24, 28, 32] {
            for value in [huge, 0x7FFF_FFFF_u32.to_le_bytes(), 0_u32.to_le_bytes(), 1_u32.to_le_bytes()] {
                let mut forged = victim.block.clone();
                if forged[at..at + 4] == value {
                    continue;
                }
                put(&mut forged, at, &value);
                seal(&mut forged);
                refused_without_memory(&victim, &format!("{value:?} at {at}"), &forged);
            }
        }
        for rank in [0, 4, 11, 4095, u16::MAX] {
            let mut forged = victim.block.clone();
            put(&mut forged, 10, &rank.to_le_bytes());
            seal(&mut forged);
            refused_without_memory(&victim, &format!("rank {rank}"), &forged);
        }
        for size in [0, 91, 92, 1 << 40, u64::MAX] {
            let mut forged = victim.block.clone();
            put(&mut forged, 40, &size.to_le_bytes());
            seal(&mut forged);
            refused_without_memory(&victim, &format!("size {size}"), &forged);
        }
    }
}

#[test]
fn forged_counts_that_agree_with_the_size_are_errors_that_cost_no_memory() {
    for victim in victims(false) {
        // More slots than the codec has.
        let mut forged = victim.block.clone();
        forged.resize(forged.len() + RAW_ROW, 0xFF);
        put(&mut forged, 24, &(verify(&victim.block).unwrap().slots + 1).to_le_bytes());
        let size = forged.len() as u64;
        put(&mut forged, 40, &size.to_le_bytes());
        seal(&mut forged);
        refused_without_memory(&victim, "a slot too many", &forged);
        // A count of rows whose sections would exceed any memory, with the size that follows from it.
        let mut forged = victim.block.clone();
        put(&mut forged, 12, &u32::MAX.to_le_bytes());
        for size in (victim.block.len() as u64..).take(64).map(|size| size + (1 << 36)) {
            put(&mut forged, 40, &size.to_le_bytes());
            seal(&mut forged);
            refused_without_memory(&victim, "rows without end", &forged);
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
