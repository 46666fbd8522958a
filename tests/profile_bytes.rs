//! Hostile bytes in place of a profile: every truncation, every flipped bit, every value that is out of range under a
//! checksum that fits it.

mod common;

use common::counting::{self, Counting};
use common::profiles::{builder, quality};
use kakeyaturbo::profile::{Builder, Part, Profile, StreamKey};
use kakeyaturbo::{Error, Objective, Pairing, Params, Rope};
use kakeyaturbo::{Layout, Segment};
use std::ops::Range;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn saved(profile: &Profile) -> Vec<u8> {
    let mut bytes = vec![0; profile.saved_bytes()];
    profile.save(&mut bytes).unwrap();
    bytes
}

fn sample() -> Vec<u8> {
    saved(&builder().finish().unwrap())
}

/// Makes the checksum fit.
fn seal(bytes: &mut [u8]) {
    let at = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..at]).to_le_bytes();
    bytes[at..].copy_from_slice(&crc);
}

/// Where the contents of a section lie.
fn section(bytes: &[u8], tag: &[u8; 4]) -> Range<usize> {
    let mut at = 16;
    loop {
        let size = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
        let contents = at + 12..at + 12 + size;
        if bytes[at..at + 4] == *tag {
            return contents;
        }
        at = contents.end;
    }
}

#[test]
fn every_truncation_is_found() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(matches!(Profile::load(&bytes[..len]), Err(Error::Truncated { .. })), "{len} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Profile::load(&longer), Err(Error::Corrupt { .. })));
    assert!(matches!(Profile::load(b"KKYS"), Err(Error::Corrupt { at: 0, .. })));
}

#[test]
fn every_flipped_bit_is_found() {
    let mut bytes = sample();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Profile::load(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(Profile::load(&bytes).is_ok());
    bytes[4] = 1;
    assert_eq!(Profile::load(&bytes), Err(Error::WrongVersion { got: 1, want: 0 }));
}

/// Whatever a forger writes under a checksum that fits is refused, or is a profile that is saved as it was read.
#[test]
fn forged_bytes_are_refused_or_come_back() {
    let bytes = sample();
    let mut accepted = 0;
    for at in 0..bytes.len() - 4 {
        for value in [0, 1, 0x7F, 0x80, 0xFF, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
            let mut forged = bytes.clone();
            forged[at] = value;
            seal(&mut forged);
            if let Ok(profile) = Profile::load(&forged) {
                assert_eq!(saved(&profile), forged, "byte {at} = {value}");
                assert_eq!(*profile.fingerprint(), *blake3::hash(&forged).as_bytes());
                accepted += 1;
            }
        }
    }
    assert!(accepted > 100, "only {accepted} were accepted: is the seal right?");
}

/// One stream of turbo with one segment of two coordinates, without skeleton, frequencies, qualities and raw layers.
fn smallest() -> Vec<u8> {
    let mut builder = Builder::new();
    let key = StreamKey::new(&[7], &[0], Part::V).unwrap();
    builder.add(key, &Layout::plain(2).unwrap(), None, Params::default(), Objective::Mse).unwrap();
    saved(&builder.finish().unwrap())
}

#[test]
fn forged_values_are_refused() {
    let smallest = smallest();
    let at = |tag: &[u8; 4]| section(&smallest, tag).start;
    let (model, streams, policy) = (at(b"MODL"), at(b"STRM"), at(b"PLCY"));
    let refused = |at: usize, value: &[u8], what: &str| {
        let mut forged = smallest.clone();
        forged[at..at + value.len()].copy_from_slice(value);
        seal(&mut forged);
        match Profile::load(&forged) {
            Err(Error::Corrupt { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
    };
    let nan = f32::NAN.to_le_bytes();
    refused(6, &[1], "reserved bytes");
    refused(16, b"MODM", "tag");
    refused(20, &u64::MAX.to_le_bytes(), "size of a section");
    refused(20, &39_u64.to_le_bytes(), "a section that is too short");
    refused(20, &41_u64.to_le_bytes(), "a section that is too long");
    refused(model + 32, &nan, "default step");
    refused(model + 32, &(-0.0_f32).to_le_bytes(), "default step");
    refused(model + 36, &1_u32.to_le_bytes(), "size of the description");
    for tag in [b"FREQ", b"SKEL", b"STRM", b"QUAL"] {
        refused(at(tag), &u32::MAX.to_le_bytes(), "a count");
        refused(at(tag), &2_u32.to_le_bytes(), "a count");
    }
    refused(policy + 8, &u32::MAX.to_le_bytes(), "number of raw layers");
    refused(streams, &0_u32.to_le_bytes(), "no stream");

    let stream = streams + 4;
    refused(stream, &[0], "part");
    refused(stream, &[3], "two tensors, one segment");
    refused(stream + 1, &u32::MAX.to_le_bytes(), "number of layers");
    refused(stream + 1, &0_u32.to_le_bytes(), "no layer");
    refused(stream + 9, &65_536_u32.to_le_bytes(), "layer");
    let params = stream + 17;
    refused(params, &[3], "distortion");
    refused(params + 1, &[2], "rdo without a skeleton");
    refused(params + 1, &[9], "preset");
    refused(params + 2, &[1], "a step for turbo");
    refused(params + 2, &[9], "rate control");
    refused(params + 3, &[2], "what becomes of rows that are not finite");
    refused(params + 4, &[2], "whether there is a checksum");
    let numbers = ["bits", "step", "largest error", "variance ratio"];
    for (index, what) in numbers.into_iter().enumerate() {
        refused(params + 5 + 4 * index, &nan, what);
    }
    refused(params + 13, &1_f32.to_le_bytes(), "a largest error without LInf");
    for (index, value) in [(0, 0_u32), (2, 257), (3, 0)] {
        refused(params + 21 + 4 * index, &value.to_le_bytes(), "rows per run, centres or rounds");
    }
    refused(params + 37, &1_u32.to_le_bytes(), "effort without a step");
    refused(params + 41, &1_u64.to_le_bytes(), "a largest size for turbo");
    refused(params + 49, &u64::MAX.to_le_bytes(), "largest number of protected rows");
    let factor = params + 65;
    refused(factor, &nan, "step factor");
    refused(factor, &0_f32.to_le_bytes(), "step factor");
    refused(factor + 4, &0_u32.to_le_bytes(), "index of a skeleton");
    let segment = factor + 8;
    refused(segment, &0_u32.to_le_bytes(), "dim");
    refused(segment, &4097_u32.to_le_bytes(), "dim");
    refused(segment + 4, &nan, "gain");
    refused(segment + 8, &[3], "raw type");
    refused(segment + 9, &[3], "rotary embedding");
    refused(segment + 9, &[1], "rotary embedding without a table");
    refused(segment + 10, &0_u32.to_le_bytes(), "index of a table");
    assert_eq!(segment + 14, section(&smallest, b"STRM").end);
}

#[test]
fn forged_strings_and_tables_are_refused() {
    let bytes = sample();
    let refused = |at: usize, value: &[u8], what: &str| {
        let mut forged = bytes.clone();
        forged[at..at + value.len()].copy_from_slice(value);
        seal(&mut forged);
        assert!(matches!(Profile::load(&forged), Err(Error::Corrupt { .. })), "{what}");
    };
    let description = section(&bytes, b"MODL").start + 40;
    refused(description, &[0], "a zero in the description");
    refused(description, &[0xFF], "a description that is not UTF-8");
    let table = section(&bytes, b"FREQ").start + 8;
    refused(table, &f32::INFINITY.to_le_bytes(), "a frequency");
    refused(table - 4, &3_u32.to_le_bytes(), "size of a table");
    let name = section(&bytes, b"QUAL").start + 4;
    refused(name, &[0], "an empty name");
    refused(name, &[0xFF], "a name that is not UTF-8");
    refused(name + 31, &[1], "a byte after the zero of a name");
    refused(name, &bytes[name + 52..name + 84], "one name twice");
    refused(name + 32, &0_f32.to_le_bytes(), "step of a quality");
    refused(name + 36, &f64::NAN.to_le_bytes(), "divergence of a quality");
    refused(name + 44, &(-1.0_f64).to_le_bytes(), "rate of a quality");
    let raw = section(&bytes, b"PLCY").start + 12;
    refused(raw, &10_u32.to_le_bytes(), "raw layers that descend");
    refused(raw, &1_u32.to_le_bytes(), "a stream that is raw in part");
    let skeleton = section(&bytes, b"SKEL").start + 4;
    refused(skeleton + 8 + 30, &[0xAA], "a damaged skeleton");
    refused(skeleton, &7_u64.to_le_bytes(), "size of a skeleton");
    refused(skeleton, &u64::MAX.to_le_bytes(), "size of a skeleton");
}

/// As many streams as possible that share one large table of frequencies and one skeleton.
#[test]
fn memory_is_in_proportion_to_the_input() {
    let rope = Some(Rope { pairing: Pairing::Neox, inv_freq: vec![0.5; 2048] });
    let layout = Layout::new(vec![Segment { rope, ..Segment::new(4096) }]).unwrap();
    let profile = |n_streams: u32| {
        let mut builder = Builder::new();
        for layer in 0..n_streams {
            let key = StreamKey::new(&[layer], &[0], Part::K).unwrap();
            builder.add(key, &layout, None, Params::default(), Objective::Mse).unwrap();
        }
        saved(&builder.finish().unwrap())
    };
    let (few, many) = (profile(1), profile(1000));
    let (more, peak) = (many.len() - few.len(), |bytes| counting::peak(|| Profile::load(bytes).unwrap()).1);
    let growth = peak(&many) - peak(&few);
    assert!(growth < 6 * more, "{growth} bytes for {more}");

    // A count that announces more than there is reserves nothing.
    let mut forged = many.clone();
    let at = section(&many, b"STRM").start;
    forged[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    seal(&mut forged);
    let (result, peak) = counting::peak(|| Profile::load(&forged));
    assert!(result.is_err());
    assert!(peak < 2 * 8192 + 1000, "{peak} bytes");
}

#[test]
fn qualities_and_tables_are_bounded() {
    let mut builder = Builder::new();
    let key = StreamKey::new(&[0], &[0], Part::V).unwrap();
    let layout = Layout::new(vec![Segment::new(1)]).unwrap();
    builder.add(key, &layout, None, Params::default(), Objective::Mse).unwrap();
    let names: Vec<_> = (0..256).map(|i| quality(&format!("q{i}"), 0.5)).collect();
    builder.set_qualities(&names).unwrap();
    let full = saved(&builder.finish().unwrap());
    assert_eq!(Profile::load(&full).unwrap().qualities().len(), 256);

    // One more entry, with a name of its own.
    let contents = section(&full, b"QUAL");
    let mut forged = full.clone();
    let mut entry = full[contents.end - 52..contents.end].to_vec();
    entry[0] = b'r';
    forged.splice(contents.end..contents.end, entry);
    forged[contents.start..contents.start + 4].copy_from_slice(&257_u32.to_le_bytes());
    let size = (contents.len() + 52) as u64;
    forged[contents.start - 8..contents.start].copy_from_slice(&size.to_le_bytes());
    let whole = (forged.len() as u64).to_le_bytes();
    forged[8..16].copy_from_slice(&whole);
    seal(&mut forged);
    assert!(matches!(Profile::load(&forged), Err(Error::Corrupt { .. })));
}
