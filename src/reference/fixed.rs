//! Rows at a fixed rate: every row takes the same number of bits.
//!
//! Coefficient `j` is compared with the levels of the Lloyd–Max quantiser of N(0, 1) (Max 1960; Lloyd 1982),
//! times the row's scale, times the component's deviation `ρ_j`. The symbol is the index of the nearest one.
//! Turbo and kakeya rotate the coefficients first, which makes them alike: all `ρ_j` are 1, and all have the
//! same bits. Rdo does not rotate; `ρ_j` is the deviation at fitting over the largest one, and the bits are
//! those of [`allocate`].

use super::allocation::allocate;
use super::rotation::PlainRotation;
use super::{Centre, residual, restore};
use crate::distortion::NormMode;
use crate::skeleton::Skeleton;

/// `bits`, `symbol` and `level` of all positive levels; the others are their negatives. Symbols ascend with
/// levels.
const LEVELS: &str = include_str!("../../docs/lloyd-max.tsv");

/// A row as it is coded at a fixed rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// Scale, as rounded for storage; 0 for a row without anything to code.
    pub scale: f64,
    /// The centre.
    pub centre: Centre,
    /// Symbol of each component: 0 to `2^bits − 1`, and 0 if a component has no bits.
    pub symbols: Vec<u8>,
}

/// Codes rows of turbo and kakeya against a skeleton: the identity for turbo, a fitted one for kakeya.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    /// The skeleton.
    pub skeleton: &'a Skeleton,
    /// Seed of the rotation.
    pub seed: u64,
    /// Bits per component.
    pub bits: u8,
}

impl<'a> Reference<'a> {
    /// Encodes a row.
    pub fn encode(&self, x: &[f32], mode: NormMode) -> Code {
        self.rate().encode(x, mode)
    }

    /// Decodes a row.
    pub fn decode(&self, code: &Code) -> Vec<f64> {
        self.rate().decode(code)
    }

    /// What is compared with the levels of N(0, 1).
    pub fn in_levels(&self, x: &[f32]) -> Vec<f64> {
        self.rate().in_levels(x)
    }

    fn rate(&self) -> FixedRate<'a> {
        let rank = self.skeleton.rank();
        FixedRate {
            skeleton: self.skeleton,
            rotation: PlainRotation::new(self.seed, rank),
            widths: vec![self.bits; rank],
            deviations: vec![1.0; rank],
            levels: levels(),
        }
    }
}

/// Codes rows of rdo at a fixed rate, each component with bits of its own.
#[derive(Debug)]
pub struct Allocated<'a>(FixedRate<'a>);

impl<'a> Allocated<'a> {
    /// With this average number of bits per component, against a skeleton of full rank with variances.
    pub fn new(skeleton: &'a Skeleton, bits: f32) -> Self {
        let variances = skeleton.variances();
        let largest = variances.iter().fold(0.0, |largest: f64, &variance| largest.max(f64::from(variance)));
        Self(FixedRate {
            skeleton,
            rotation: PlainRotation::none(),
            widths: allocate(variances, bits),
            deviations: variances.iter().map(|&variance| (f64::from(variance) / largest).sqrt()).collect(),
            levels: levels(),
        })
    }

    /// Bits of each component.
    pub fn widths(&self) -> &[u8] {
        &self.0.widths
    }

    /// Encodes a row. Inner products have the scale of squared errors here: components without bits are lost,
    /// and a scale that made up for the length of the row would inflate the others.
    pub fn encode(&self, x: &[f32], mode: NormMode) -> Code {
        self.0.encode(x, if mode == NormMode::Unbiased { NormMode::LeastSquares } else { mode })
    }

    /// Decodes a row.
    pub fn decode(&self, code: &Code) -> Vec<f64> {
        self.0.decode(code)
    }

    /// What is compared with the levels of N(0, 1).
    pub fn in_levels(&self, x: &[f32]) -> Vec<f64> {
        self.0.in_levels(x)
    }
}

/// What all presets at a fixed rate have in common.
#[derive(Debug)]
struct FixedRate<'a> {
    skeleton: &'a Skeleton,
    rotation: PlainRotation,
    /// Bits of each component, `[rank]`.
    widths: Vec<u8>,
    /// `ρ`, `[rank]`.
    deviations: Vec<f64>,
    /// Levels with 0 to 8 bits.
    levels: Vec<Vec<f64>>,
}

impl FixedRate<'_> {
    fn encode(&self, x: &[f32], mode: NormMode) -> Code {
        let (r, centre) = residual(self.skeleton, x);
        let z = self.rotation.forward(&r);
        let rms = self.root_mean_square(&z);
        if rms == 0.0 {
            return Code { scale: 0.0, centre, symbols: vec![0; z.len()] };
        }
        let at = |scale: f64| Code { scale, centre, symbols: self.nearest_levels(&z, scale) };
        // Symbols on the grid of a scale that can be stored; then the scale that suits these symbols best.
        let mut code = at(round_scale(rms));
        code.scale = round_scale(best_scale(&z, &self.points(&code.symbols), mode));
        if mode != NormMode::Search {
            return code;
        }
        let worst = |code: &Code| {
            let back = self.decode(code);
            x.iter().zip(back).map(|(&x, back)| (f64::from(x) - back).abs()).fold(0.0, f64::max)
        };
        // From half an octave below the root mean square to one and a half above, as scales are stored.
        let others = (-8..=24).map(|step| at(round_scale(rms * (f64::from(step) / 16.0).exp2())));
        std::iter::once(code).chain(others).min_by(|a, b| worst(a).total_cmp(&worst(b))).expect("not empty")
    }

    fn decode(&self, code: &Code) -> Vec<f64> {
        let z: Vec<f64> = self.points(&code.symbols).iter().map(|q| q * code.scale).collect();
        restore(self.skeleton, &self.rotation.back(&z), code.centre)
    }

    /// What is quantised, in units of the components' deviations and of the grid of the root mean square.
    fn in_levels(&self, x: &[f32]) -> Vec<f64> {
        let z = self.rotation.forward(&residual(self.skeleton, x).0);
        let scale = round_scale(self.root_mean_square(&z));
        z.iter().zip(&self.deviations).map(|(z, deviation)| z / (deviation * scale)).collect()
    }

    /// Root mean square of the components that have bits, in units of their deviations.
    fn root_mean_square(&self, z: &[f64]) -> f64 {
        let coded = || z.iter().zip(&self.deviations).zip(&self.widths).filter(|(_, width)| **width > 0);
        let sum: f64 = coded().map(|((z, deviation), _)| (z / deviation).powi(2)).sum();
        (sum / coded().count().max(1) as f64).sqrt()
    }

    /// Index of the level nearest to each value in units of `scale` and the component's deviation.
    fn nearest_levels(&self, z: &[f64], scale: f64) -> Vec<u8> {
        let nearest = |((z, deviation), &width): ((&f64, &f64), &u8)| {
            let off = |level: f64| (level * deviation * scale - z).abs();
            let levels = self.levels[usize::from(width)].iter().enumerate();
            levels.min_by(|(_, a), (_, b)| off(**a).total_cmp(&off(**b))).map_or(0, |(index, _)| index as u8)
        };
        z.iter().zip(&self.deviations).zip(&self.widths).map(nearest).collect()
    }

    /// What symbols stand for at scale 1.
    fn points(&self, symbols: &[u8]) -> Vec<f64> {
        let point = |((&symbol, deviation), &width): ((&u8, &f64), &u8)| {
            self.levels[usize::from(width)][usize::from(symbol)] * deviation
        };
        symbols.iter().zip(&self.deviations).zip(&self.widths).map(point).collect()
    }
}

/// The scale for `z` whose points at scale 1 are `q`: `⟨z,q⟩/⟨q,q⟩`, which is least squares. For inner
/// products it is `⟨z,z⟩/⟨z,q⟩`, with which the decoded vector projects onto `z` with the length of `z`; not
/// if the two are more than 60° apart, where that would amplify the error fourfold.
fn best_scale(z: &[f64], q: &[f64], mode: NormMode) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (zz, zq, qq) = (product(z, z), product(z, q), product(q, q));
    let narrow = zq * zq > 0.25 * zz * qq;
    if mode == NormMode::Unbiased && narrow { zz / zq } else { zq / qq }
}

/// Rounds to nine significant bits, as a scale is stored.
fn round_scale(scale: f64) -> f64 {
    let step = (scale.log2().floor() - 8.0).exp2();
    if scale > 0.0 { (scale / step).round_ties_even() * step } else { 0.0 }
}

/// The levels with 0 to 8 bits, ascending. Without bits there is one level, 0.
pub fn levels() -> Vec<Vec<f64>> {
    let mut levels: Vec<Vec<f64>> = vec![Vec::new(); 9];
    for line in LEVELS.lines().skip(1) {
        let mut fields = line.split('\t').map(|field| field.parse::<f32>().expect("a table of numbers"));
        if let (Some(bits), Some(_), Some(level)) = (fields.next(), fields.next(), fields.next()) {
            levels[bits as usize].push(f64::from(level));
        }
    }
    let both = |positive: Vec<f64>| positive.iter().rev().map(|l| -l).chain(positive.clone()).collect();
    let mut levels: Vec<Vec<f64>> = levels.into_iter().map(both).collect();
    levels[0] = vec![0.0];
    levels
}
