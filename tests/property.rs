//! What holds for every block: any shape, any finite values, any settings.
//!
//! The cases are drawn from a fixed seed, so that a run can be repeated. `PROPTEST_CASES` and
//! `PROPTEST_RNG_SEED` ask for more cases and for other ones.

mod common;

use common::blocks::{
    FLAG_RAW, HEADER_BYTES, RAW_HEADER_BYTES, Side, bits, codec, decode, decode_rows, encode, fit, of_layout,
    raw_rows, shared, stepped,
};
use common::kinds::{Kind, rows};
use common::placed::{Memory, Placed, decode_layout};
use kakeyaturbo::Dtype;
use kakeyaturbo::{
    Codec, Fitter, Objective, Pairing, Params, Preset, Rope, Rows, Settings, Workspace, verify,
};
use kakeyaturbo::{Layout, Segment, View};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config(cases: u32) -> ProptestConfig {
    let set = |name| std::env::var_os(name).is_some();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if !set("PROPTEST_CASES") {
        config.cases = cases;
    }
    if !set("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

fn finite() -> impl Strategy<Value = f32> {
    prop::num::f32::POSITIVE
        | prop::num::f32::NEGATIVE
        | prop::num::f32::NORMAL
        | prop::num::f32::SUBNORMAL
        | prop::num::f32::ZERO
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        2 => Just(Kind::AnyBits),
        3 => (-150..120_i32).prop_map(Kind::Normal),
        1 => Just(Kind::Zero),
        1 => finite().prop_map(Kind::Constant),
        1 => Just(Kind::Duplicates),
        3 => Just(Kind::Mixed),
    ]
}

fn objective() -> impl Strategy<Value = Objective> {
    prop_oneof![Just(Objective::Mse), Just(Objective::InnerProduct), Just(Objective::LInf)]
}

fn settings() -> impl Strategy<Value = Settings> {
    let preset = prop_oneof![Just(Preset::Turbo), Just(Preset::Kakeya)];
    let ratio = prop_oneof![Just(1.0_f32), 0.3..1.0_f32];
    let centres = prop_oneof![Just(0_u32), 1..20_u32, Just(256)];
    (preset, 1..=8_u8, ratio, prop_oneof![Just(0_u32), 1..40_u32], centres, any::<u64>(), any::<bool>())
        .prop_map(|(preset, bits, variance_ratio, max_rank, kmeans_k, seed, checksum)| Settings {
            preset,
            bits: f32::from(bits),
            variance_ratio,
            max_rank,
            kmeans_k,
            kmeans_iters: 3,
            seed,
            checksum,
            ..Settings::default()
        })
}

/// `None`, all zero, or a mixture of 0 and positive weights.
fn weights(n: usize, seed: u64) -> Option<Vec<f32>> {
    match seed % 4 {
        0 => None,
        1 => Some(vec![0.0; n]),
        _ => Some((0..n).map(|i| [0.0, 1.0, 0.25, 7.0][(i as u64 * 7 + seed) as usize % 4]).collect()),
    }
}

fn stepped_settings() -> impl Strategy<Value = Settings> {
    let per_run = prop_oneof![Just(1_u32), 2..50_u32, Just(65_535)];
    let bound = prop_oneof![Just(0.0_f32), 0.01..1.0_f32];
    (-8.0..3.0_f32, per_run, prop_oneof![Just(0_u32), 1..20_u32], bound, any::<(u64, bool)>()).prop_map(
        |(exponent, rows_per_run, kmeans_k, max_abs_error, (seed, checksum))| Settings {
            rows_per_run,
            kmeans_k,
            kmeans_iters: 3,
            max_abs_error,
            seed,
            checksum,
            ..stepped(10_f32.powf(exponent))
        },
    )
}

/// The error that a certificate is about, of f32 rows that are coded; `inverse_gain` per coordinate is 1.
fn measured(objective: Objective, rows: &[f32], back: &[f32], d: usize, weights: Option<&[f32]>) -> f64 {
    if objective == Objective::LInf {
        return common::largest_error(rows, back);
    }
    let (mut squared, mut energy) = (0.0, 0.0);
    for (i, (x, y)) in rows.chunks(d).zip(back.chunks(d)).enumerate() {
        let weight = f64::from(weights.map_or(1.0, |weights| weights[i]));
        squared +=
            weight * x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>();
        energy += weight * common::energy(x);
    }
    if energy > 0.0 { squared / energy } else { 0.0 }
}

/// Encodes twice and decodes, and checks all that holds for rows of f32 in one segment.
fn round_trip(codec: &Codec, rows: &[f32], weights: Option<&[f32]>, exact_bound: bool) -> Vec<f32> {
    let d = codec.layout().dim();
    let n = rows.len() / d;
    let side = Side { weights, ..Side::default() };
    let block = encode(codec, rows, side).unwrap();
    assert_eq!(encode(codec, rows, side).unwrap(), block, "the same bytes again");
    let bound = codec.encode_bound(n).unwrap();
    assert!(if exact_bound { block.len() == bound } else { block.len() <= bound });
    let header = verify(&block).unwrap();
    assert_eq!((header.bytes as usize, header.n_rows as usize), (block.len(), n));

    let back = decode(codec, &block, None).unwrap();
    assert!(back.iter().all(|x| x.is_finite()), "a decoded value is not finite");
    // At a fixed step any row may be stored raw, which is exact.
    let stored = raw_rows(&block);
    let counts: Vec<f32> =
        (0..n).map(|i| if stored[i] { 0.0 } else { weights.map_or(1.0, |weights| weights[i]) }).collect();
    for i in (0..n).filter(|&i| stored[i]) {
        assert_eq!(bits(&back[i * d..(i + 1) * d]), bits(&rows[i * d..(i + 1) * d]), "raw row {i}");
    }
    let measured = measured(codec.objective(), rows, &back, d, Some(&counts));
    // The certificate is a binary32, so that an error beyond its range is infinite.
    let measured = if measured > f64::from(f32::MAX) { f64::INFINITY } else { measured };
    let certified = f64::from(header.certified_error);
    // The encoder may measure before the last roundings of binary32, some 1e-7 of the row: an error whose square
    // is the relative error moves that by twice its own size times theirs.
    let rounding = if codec.objective() == Objective::LInf { 0.0 } else { 1e-6 * measured.sqrt() + 1e-12 };
    assert!(
        certified == measured || (certified - measured).abs() <= 1e-4 * measured + rounding,
        "certified {certified}, measured {measured}"
    );

    // Every row, every beginning and every end.
    let ranges = (0..n).flat_map(|i| [(i, 1), (0, i), (i, n - i)]);
    let mut workspace = Workspace::new(codec, n).unwrap();
    for (first, count) in ranges {
        let part = decode_rows(codec, &mut workspace, &block, (first, count), None).unwrap();
        assert_eq!(bits(&part), bits(&back[first * d..(first + count) * d]), "{count} rows from {first}");
    }
    back
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn any_block_round_trips(
        (n, d) in (1..=40_usize, prop_oneof![1..=600_usize, 1..=8_usize]),
        kind in kind(),
        settings in settings(),
        objective in objective(),
        seed in any::<u64>(),
    ) {
        let rows = rows(kind, n, d, seed);
        let weights = weights(n, seed);
        let codec = codec(settings.clone(), objective, d);
        let turbo = settings.preset == Preset::Turbo;
        let back = round_trip(&codec, &rows, weights.as_deref(), turbo);
        if turbo {
            for (i, (x, back)) in rows.chunks(d).zip(back.chunks(d)).enumerate() {
                let zero = x.iter().all(|&x| x == 0.0);
                assert!(!zero || back.iter().all(|&x| x == 0.0), "row {i} of zeros");
                let alone = encode(&codec, x, Side::default()).unwrap();
                let alone = decode(&codec, &alone, None).unwrap();
                assert_eq!(bits(&alone), bits(back), "row {i} in a block of its own");
            }
        }
    }

    #[test]
    fn any_shared_skeleton_serves_any_block(
        (n, d) in (1..=20_usize, 1..=100_usize),
        (fitted, coded) in (kind(), kind()),
        settings in settings(),
        objective in objective(),
        seed in any::<u64>(),
    ) {
        let settings = Settings { preset: Preset::Kakeya, ..settings };
        let mut fitter = Fitter::new(d, &Params::new(settings.clone()).unwrap()).unwrap();
        fitter.add(&rows(fitted, 50, d, seed ^ 1), &[1.0; 50]);
        let codec = shared(settings, objective, fitter.finish().unwrap().0);
        round_trip(&codec, &rows(coded, n, d, seed), weights(n, seed).as_deref(), true);
    }

    #[test]
    fn any_skeleton_serves_any_block_at_any_step(
        (n, d) in (1..=40_usize, 1..=100_usize),
        (fitted, coded) in (kind(), kind()),
        settings in stepped_settings(),
        objective in objective(),
        seed in any::<u64>(),
    ) {
        let max_abs_error = if objective == Objective::LInf { settings.max_abs_error } else { 0.0 };
        let settings = Settings { max_abs_error, ..settings };
        let layout = Layout::plain(d).unwrap();
        let skeleton = fit(&settings, &layout, &rows(fitted, 50, d, seed ^ 1), Side::default()).0;
        let codec = of_layout(settings, objective, layout, Some(skeleton));
        let rows = rows(coded, n, d, seed);
        let back = round_trip(&codec, &rows, weights(n, seed).as_deref(), false);
        if max_abs_error > 0.0 {
            prop_assert!(common::largest_error(&rows, &back) <= f64::from(max_abs_error));
        }
    }

    /// A power of two multiplies the decoded row exactly. (The range keeps both rows away from subnormals.)
    #[test]
    fn turbo_scales_by_powers_of_two(
        d in 1..=600_usize,
        bits in 1..=8_u8,
        objective in objective(),
        from in -40..40_i32,
        shift in -60..60_i32,
        seed in any::<u64>(),
    ) {
        let settings = Settings { preset: Preset::Turbo, bits: f32::from(bits), ..Settings::default() };
        let codec = codec(settings, objective, d);
        let (from, factor) = (2_f32.powi(from), 2_f32.powi(shift));
        let row: Vec<f32> = common::normal(d, seed).iter().map(|x| x * from).collect();
        let scaled: Vec<f32> = row.iter().map(|x| x * factor).collect();
        let back = |row: &[f32]| decode(&codec, &encode(&codec, row, Side::default()).unwrap(), None).unwrap();
        let expected: Vec<f32> = back(&row).iter().map(|x| x * factor).collect();
        prop_assert_eq!(common::blocks::bits(&back(&scaled)), common::blocks::bits(&expected));
    }

    #[test]
    fn any_layout_round_trips(
        segments in prop::collection::vec(segment(), 1..=5),
        n in 1..=20_usize,
        settings in prop_oneof![2 => settings(), 1 => stepped_settings()],
        objective in objective(),
        seed in any::<u64>(),
    ) {
        layout_round_trip(&segments, n, &settings, objective, seed);
    }
}

fn segment() -> impl Strategy<Value = Placed> {
    let dtype = || prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::Bf16)];
    let rope = prop::option::of((any::<bool>(), 0..=64_usize));
    let gain = prop_oneof![Just(1.0_f32), 0.01..100.0_f32];
    (1..=128_usize, gain, dtype(), dtype(), rope, any::<(bool, bool)>(), 0..3_usize).prop_map(
        |(dim, gain, raw_dtype, dtype, rope, (transposed, backward), gap)| {
            let rope = rope.map(|(neox, pairs)| Rope {
                pairing: if neox { Pairing::Neox } else { Pairing::Interleaved },
                inv_freq: (0..pairs.min(dim / 2)).map(|i| 1e4_f32.powf(-(i as f32) / 64.0)).collect(),
            });
            Placed { segment: Segment { dim, gain, raw_dtype, rope }, dtype, transposed, backward, gap }
        },
    )
}

/// Rows in tensors, and what goes with them.
struct Given {
    settings: Settings,
    codec: Codec,
    memories: Vec<Memory>,
    positions: Vec<i32>,
    weights: Option<Vec<f32>>,
    protect: Vec<u8>,
}

impl Given {
    fn new(segments: &[Placed], n: usize, settings: &Settings, objective: Objective, seed: u64) -> Self {
        let protected = seed as usize % (n + 1);
        let settings = Settings { max_protected: protected, max_abs_error: 0.0, ..settings.clone() };
        let layout = Layout::new(segments.iter().map(|placed| placed.segment.clone()).collect()).unwrap();
        let positions: Vec<i32> = (0..n as i32).map(|i| i * 37 + (seed % 100_000) as i32).collect();
        let skeleton = (settings.preset == Preset::Rdo).then(|| {
            let side = Side { positions: Some(&positions), ..Side::default() };
            fit(&settings, &layout, &common::normal(n * layout.dim(), !seed), side).0
        });
        let codec = of_layout(settings.clone(), objective, layout, skeleton);
        let memories = segments
            .iter()
            .zip(seed..)
            .map(|(placed, seed)| Memory::new(placed.dtype, &common::normal(placed.place(n).2, seed)))
            .collect();
        let protect = (0..n).map(|i| u8::from(i % 2 == 0 && i / 2 < protected)).collect();
        Self { settings, codec, memories, positions, weights: weights(n, seed), protect }
    }

    /// The block of the rows, after a look at its size and header.
    fn encode(&self, segments: &[Placed]) -> Vec<u8> {
        let (n, codec) = (self.positions.len(), &self.codec);
        let bound = codec.encode_bound(n).unwrap();
        let mut block = vec![0; bound];
        let mut memories = self.memories.clone();
        let size = {
            let views: Vec<View<'_>> =
                segments.iter().zip(&mut memories).map(|(placed, memory)| placed.view(memory, n)).collect();
            let rows = Rows {
                n,
                views: &views[..],
                positions: Some(&self.positions),
                weights: self.weights.as_deref(),
                protect: Some(&self.protect),
            };
            codec.encode(&mut Workspace::new(codec, n).unwrap(), &rows, &mut block).unwrap()
        };
        assert!(if self.settings.preset == Preset::Turbo { size == bound } else { size <= bound });
        block.truncate(size);
        self.check_header(&block);
        block
    }

    fn check_header(&self, block: &[u8]) {
        let (n, size) = (self.positions.len(), block.len());
        let raw_bytes = self.codec.layout().raw_row_bytes();
        let header = self.codec.verify(block).unwrap();
        if self.settings.preset == Preset::Rdo {
            assert!(size <= RAW_HEADER_BYTES + n * (4 + raw_bytes));
            let whole = header.flags & FLAG_RAW != 0;
            let stored = raw_rows(block);
            assert!(stored.iter().zip(&self.protect).all(|(stored, protect)| *stored || *protect == 0));
            assert!(!whole || header.n_protected == 0);
        } else {
            assert!(size >= HEADER_BYTES + 2 * n + self.settings.max_protected * raw_bytes);
            assert_eq!(header.n_protected as usize, self.protect.iter().filter(|&&flag| flag != 0).count());
        }
    }

    /// Rows that are protected come back as their types can hold them, all others finite.
    fn check_rows(&self, segments: &[Placed], back: &[Vec<f32>]) {
        for ((placed, back), memory) in segments.iter().zip(back).zip(&self.memories) {
            let (base, (row, col), _) = placed.place(self.positions.len());
            let values = memory.values();
            assert!(back.iter().all(|x| x.is_finite()));
            for (r, _) in self.protect.iter().enumerate().filter(|(_, flag)| **flag != 0) {
                for (c, &back) in back[r * placed.segment.dim..][..placed.segment.dim].iter().enumerate() {
                    let x = values[base.checked_add_signed(r as isize * row + c as isize * col).unwrap()];
                    // Through the type of raw rows and that of the tensor, which may be the coarser ones.
                    let raw =
                        Memory::new(placed.dtype, &Memory::new(placed.segment.raw_dtype, &[x]).values())
                            .values()[0];
                    assert_eq!(back.to_bits(), raw.to_bits(), "row {r} is stored raw");
                }
            }
        }
    }
}

fn layout_round_trip(segments: &[Placed], n: usize, settings: &Settings, objective: Objective, seed: u64) {
    let given = Given::new(segments, n, settings, objective, seed);
    let (codec, positions, block) = (&given.codec, &given.positions, given.encode(segments));
    let back = decode_layout(codec, segments, &block, (0, n), positions);
    for (first, count) in (0..n).flat_map(|i| [(i, 1), (i, n - i)]) {
        let part = decode_layout(codec, segments, &block, (first, count), positions);
        for ((placed, part), back) in segments.iter().zip(&part).zip(&back) {
            let dim = placed.segment.dim;
            let of_whole = &back[first * dim..(first + count) * dim];
            assert_eq!(bits(part), bits(of_whole), "{count} rows from {first}");
        }
    }
    given.check_rows(segments, &back);
}
