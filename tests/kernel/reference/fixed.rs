//! Blocks at a fixed rate: turbo, kakeya with a shared skeleton, and rdo with bits.

use super::block::Block;
use super::{agree, exact, mode, same_centre};
use crate::common::blocks::{OBJECTIVES, Side, decode, encode, fit, of_layout};
use crate::common::{Joined, clustered, fixture, heads, largest_error, normal};
use kakeyaturbo::Layout;
use kakeyaturbo::reference::{Allocated, Code, Reference, certified_error, levels};
use kakeyaturbo::{NormMode, Preset, Settings, Skeleton};

/// A plain codec at a fixed rate.
trait Plain {
    fn widths(&self) -> Vec<u8>;
    fn encode(&self, x: &[f32], mode: NormMode) -> Code;
    fn decode(&self, code: &Code) -> Vec<f64>;
    fn in_levels(&self, x: &[f32]) -> Vec<f64>;
}

impl Plain for Reference<'_> {
    fn widths(&self) -> Vec<u8> {
        vec![self.bits; self.skeleton.rank()]
    }
    fn encode(&self, x: &[f32], mode: NormMode) -> Code {
        self.encode(x, mode)
    }
    fn decode(&self, code: &Code) -> Vec<f64> {
        self.decode(code)
    }
    fn in_levels(&self, x: &[f32]) -> Vec<f64> {
        self.in_levels(x)
    }
}

impl Plain for Allocated<'_> {
    fn widths(&self) -> Vec<u8> {
        self.widths().to_vec()
    }
    fn encode(&self, x: &[f32], mode: NormMode) -> Code {
        self.encode(x, mode)
    }
    fn decode(&self, code: &Code) -> Vec<f64> {
        self.decode(code)
    }
    fn in_levels(&self, x: &[f32]) -> Vec<f64> {
        self.in_levels(x)
    }
}

/// Counts over all blocks of a test.
#[derive(Debug, Default)]
struct Tally {
    rows: usize,
    symbols: usize,
    /// Rows of which anything differs, and symbols that do.
    other_rows: usize,
    other_symbols: usize,
}

/// Holds blocks of all distortions against the plain codec with the same skeleton.
fn compare(settings: &Settings, rows: &[f32], skeleton: Option<&Skeleton>, tally: &mut Tally) {
    let dim = skeleton.map_or(64, Skeleton::dim);
    let identity = Skeleton::identity(dim);
    let layout = Layout::plain(dim).unwrap();
    for objective in OBJECTIVES {
        let codec = of_layout(settings.clone(), objective, layout.clone(), skeleton.cloned());
        let weights: Vec<f32> = (0..rows.len() / dim).map(|i| (i % 4) as f32).collect();
        let block = encode(&codec, rows, Side { weights: Some(&weights), ..Side::default() }).unwrap();
        let back = decode(&codec, &block, None).unwrap();
        let label = format!("{:?}, {objective:?}, {} bits, dim {dim}", settings.preset, settings.bits);
        let skeleton = skeleton.unwrap_or(&identity);
        let block = Block::new(&block, skeleton);
        let case = Case {
            block: &block,
            skeleton,
            mode: mode(objective),
            rows,
            weights: &weights,
            back: &back,
            label,
        };
        if settings.preset == Preset::Rdo {
            case.check(&Allocated::new(skeleton, settings.bits), tally);
        } else {
            let bits = settings.bits as u8;
            case.check(&Reference { skeleton, seed: settings.seed, bits }, tally);
        }
    }
}

struct Case<'c> {
    block: &'c Block<'c>,
    skeleton: &'c Skeleton,
    mode: NormMode,
    rows: &'c [f32],
    weights: &'c [f32],
    back: &'c [f32],
    label: String,
}

impl Case<'_> {
    fn check(&self, plain: &impl Plain, tally: &mut Tally) {
        let dim = self.skeleton.dim();
        let codes = self.block.codes(&plain.widths());
        let mut decoded = Vec::new();
        for (i, (x, code)) in self.rows.chunks(dim).zip(&codes).enumerate() {
            let label = format!("{}, row {i}", self.label);
            let back = &self.back[i * dim..][..dim];
            // Roundings of sums of up to `dim` terms in binary32.
            let tolerance =
                3e-6 * largest_error(x, &vec![0.0; dim]).max(largest_error(back, &vec![0.0; dim]));
            let of_kernel: Vec<f32> = plain.decode(code).iter().map(|&x| x as f32).collect();
            let off = largest_error(&of_kernel, back);
            assert!(off <= tolerance, "{label}: decoded {off} apart");

            let own = plain.encode(x, self.mode);
            decoded.push(plain.decode(&own));
            tally.rows += 1;
            tally.other_rows += usize::from(!same(&own, code));
            if self.mode == NormMode::Search {
                // Several scales may have the same largest error.
                let own: Vec<f32> = decoded[i].iter().map(|&x| x as f32).collect();
                let off = largest_error(x, &own) - largest_error(x, back);
                assert!(off.abs() <= tolerance, "{label}: largest errors {off} apart");
                continue;
            }
            self.check_symbols(plain, x, (&own, code), &label, tally);
        }
        let certified = |back: &[Vec<f64>]| {
            let rows = self.rows.chunks(dim).zip(back).zip(self.weights);
            certified_error(self.skeleton, self.mode, rows.map(|((x, back), &weight)| (x, &back[..], weight)))
        };
        let header = f64::from(self.block.header.certified_error);
        let of_kernel: Vec<Vec<f64>> = self.back.chunks(dim).map(exact).collect();
        agree(header, certified(&of_kernel), 1e-5, &format!("{}: certificate", self.label));
        agree(header, certified(&decoded), 1e-4, &format!("{}: error", self.label));
    }

    /// Scales differ by a step at most, and symbols only if the value is next to a threshold.
    fn check_symbols(
        &self,
        plain: &impl Plain,
        x: &[f32],
        (own, code): (&Code, &Code),
        label: &str,
        tally: &mut Tally,
    ) {
        let apart = (own.scale - code.scale).abs();
        assert!(apart <= 1.001 * own.scale / 256.0, "{label}: scales {apart} apart");
        if !same_centre(own.centre, code.centre) {
            return;
        }
        let (widths, levels, in_levels) = (plain.widths(), levels(), plain.in_levels(x));
        tally.symbols += widths.len();
        for (j, (&own, &symbol)) in own.symbols.iter().zip(&code.symbols).enumerate() {
            if own != symbol {
                tally.other_symbols += 1;
                assert_eq!(own.abs_diff(symbol), 1, "{label}, component {j}");
                let levels = &levels[usize::from(widths[j])];
                let threshold = 0.5 * (levels[usize::from(own)] + levels[usize::from(symbol)]);
                let off = (in_levels[j] - threshold).abs();
                assert!(off <= 2e-6 * (1.0 + threshold.abs()), "{label}, component {j}: {off} off");
            }
        }
    }
}

fn same(own: &Code, code: &Code) -> bool {
    let same_scale = (own.scale - code.scale).abs() <= 1e-6 * own.scale;
    own.symbols == code.symbols && same_scale && same_centre(own.centre, code.centre)
}

impl Tally {
    /// Binary32 and binary64 rarely see a value or a scale on different sides of where it is rounded.
    fn check(&self) {
        println!("{self:?}");
        assert!(500 * self.other_rows <= self.rows, "{self:?}");
        assert!(10_000 * self.other_symbols <= self.symbols, "{self:?}");
    }
}

fn real(name: &str, tensor: &str) -> Vec<f32> {
    heads(&fixture(&format!("smollm2-135m-{name}.safetensors")), tensor).0.swap_remove(1)
}

#[test]
fn turbo() {
    let mut tally = Tally::default();
    let rows = [real("test", "layers.14.k"), real("test", "layers.14.v"), normal(100 * 64, 1)];
    for bits in [1, 2, 3, 4, 6, 8] {
        let settings = Settings { preset: Preset::Turbo, bits: bits as f32, seed: 5, ..Settings::default() };
        for rows in &rows {
            compare(&settings, &rows[..100 * 64], None, &mut tally);
        }
    }
    tally.check();
}

#[test]
fn kakeya() {
    let mut tally = Tally::default();
    let (train, test) = (real("train", "layers.15.k"), real("test", "layers.15.k"));
    let near = clustered((400, 33), 3, 1e-2, 7);
    for (kmeans_k, bits) in [(0, 2), (0, 4), (3, 3), (3, 8)] {
        let settings =
            Settings { preset: Preset::Kakeya, kmeans_k, bits: bits as f32, seed: 9, ..Settings::default() };
        for (train, test, dim) in [(&train, &test, 64), (&near, &near, 33)] {
            let layout = Layout::plain(dim).unwrap();
            let (skeleton, _) = fit(&settings, &layout, train, Side::default());
            compare(&settings, &test[..100 * dim], Some(&skeleton), &mut tally);
        }
    }
    tally.check();
}

#[test]
fn rdo_with_bits() {
    let mut tally = Tally::default();
    let read = |name: &str| Joined::read(&fixture(&format!("smollm2-135m-{name}.safetensors")), &[15]).rows;
    let (train, test) = (read("train"), read("test"));
    let near = clustered((400, 33), 3, 1e-2, 7);
    for (kmeans_k, bits) in [(0, 0.3), (0, 2.3), (3, 1.5), (3, 6.0)] {
        let settings = Settings { preset: Preset::Rdo, kmeans_k, bits, ..Settings::default() };
        for (train, test, dim) in [(&train, &test, 384), (&near, &near, 33)] {
            let layout = Layout::plain(dim).unwrap();
            let (skeleton, _) = fit(&settings, &layout, train, Side::default());
            compare(&settings, &test[..40 * dim], Some(&skeleton), &mut tally);
        }
    }
    tally.check();
}
