//! The codec written plainly: one row at a time, in binary64, every stage by its definition.
//!
//! It shares the tables of levels with the kernel and nothing else: the rotation is a sum over the matrix, the
//! quantiser a scan over all levels, the roundings of scale and reach a scan or a formula. It is slow and meant
//! to be read; tests hold the kernel against it.

use crate::distortion::NormMode;
use crate::quantize::Quantizer;
use crate::skeleton::Skeleton;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// A row as the reference codes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// Scale, as rounded for storage.
    pub scale: f64,
    /// Index of the centre and how far the row goes along it, as rounded for storage.
    pub centre: Option<(usize, f64)>,
    /// Symbol of each component.
    pub symbols: Vec<u8>,
}

/// Codes rows against a skeleton.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    /// The skeleton.
    pub skeleton: &'a Skeleton,
    /// Seed of the rotation.
    pub seed: u64,
    /// Bits per component.
    pub bits: u8,
}

impl Reference<'_> {
    /// Encodes a row.
    pub fn encode(&self, x: &[f32], mode: NormMode) -> Code {
        let mut y = self.project(x);
        let centre = self.nearest_centre(&y);
        if let Some((index, t)) = centre {
            for (y, &c) in y.iter_mut().zip(self.centre(index)) {
                *y -= t * f64::from(c);
            }
        }
        let z = self.rotate(&y);
        let zz: f64 = z.iter().map(|z| z * z).sum();
        let rms = (zz / z.len().max(1) as f64).sqrt();
        let at = |scale: f64| Code { scale, centre, symbols: self.nearest_levels(&z, scale) };
        if rms == 0.0 {
            return Code { scale: 0.0, centre, symbols: vec![0; z.len()] };
        }
        let code = at(round_scale(rms));
        let q = self.levels(&code.symbols);
        let zq: f64 = z.iter().zip(&q).map(|(z, q)| z * q).sum();
        let qq: f64 = q.iter().map(|q| q * q).sum();
        let narrow = zq * zq > 0.25 * zz * qq;
        let scale = if mode == NormMode::Unbiased && narrow { zz / zq } else { zq / qq };
        let code = Code { scale: round_scale(scale), ..code };
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

    /// Decodes a row.
    pub fn decode(&self, code: &Code) -> Vec<f64> {
        let scaled: Vec<f64> = self.levels(&code.symbols).iter().map(|q| q * code.scale).collect();
        let mut y = self.rotate_back(&scaled);
        if let Some((index, t)) = code.centre {
            for (y, &c) in y.iter_mut().zip(self.centre(index)) {
                *y += t * f64::from(c);
            }
        }
        if self.skeleton.is_identity() {
            return y;
        }
        let axes = || self.skeleton.basis().chunks(self.skeleton.dim());
        let coordinate = |i: usize| axes().zip(&y).map(|(axis, y)| f64::from(axis[i]) * y).sum::<f64>();
        self.skeleton.mean().iter().enumerate().map(|(i, &mean)| f64::from(mean) + coordinate(i)).collect()
    }

    fn project(&self, x: &[f32]) -> Vec<f64> {
        if self.skeleton.is_identity() {
            return x.iter().map(|&x| f64::from(x)).collect();
        }
        let deviation: Vec<f64> =
            x.iter().zip(self.skeleton.mean()).map(|(&x, &mean)| f64::from(x) - f64::from(mean)).collect();
        let along = |axis: &[f32]| axis.iter().zip(&deviation).map(|(&t, x)| f64::from(t) * x).sum();
        self.skeleton.basis().chunks(self.skeleton.dim()).map(along).collect()
    }

    fn centre(&self, index: usize) -> &[f32] {
        let rank = self.skeleton.rank();
        &self.skeleton.centres()[index * rank..(index + 1) * rank]
    }

    fn nearest_centre(&self, y: &[f64]) -> Option<(usize, f64)> {
        let product =
            |index: usize| y.iter().zip(self.centre(index)).map(|(y, &c)| y * f64::from(c)).sum::<f64>();
        let products = (0..self.skeleton.n_centres()).map(|index| (index, product(index)));
        let (index, t) = products.min_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()))?;
        let peak = f64::from(self.skeleton.reach().peak());
        // Steps of an eighth of an octave below the peak; what is nearer to the step below the last is 0.
        let steps = (8.0 * (t.abs() / peak).log2()).round().min(0.0);
        let t = if steps < -126.0 { 0.0 } else { (peak * (steps / 8.0).exp2()).copysign(t) };
        Some((index, t))
    }

    /// Index of the level nearest to each value in units of `scale`.
    fn nearest_levels(&self, z: &[f64], scale: f64) -> Vec<u8> {
        let quantizer = Quantizer::new(self.bits);
        let off = |level: f32, z: f64| (f64::from(level) * scale - z).abs();
        let nearest = |z: &f64| {
            let levels = quantizer.levels().iter().enumerate();
            levels
                .min_by(|(_, a), (_, b)| off(**a, *z).total_cmp(&off(**b, *z)))
                .map_or(0, |(index, _)| index as u8)
        };
        z.iter().map(nearest).collect()
    }

    fn levels(&self, symbols: &[u8]) -> Vec<f64> {
        let quantizer = Quantizer::new(self.bits);
        symbols.iter().map(|&symbol| f64::from(quantizer.levels()[usize::from(symbol)])).collect()
    }

    fn rotate(&self, y: &[f64]) -> Vec<f64> {
        let mut z = y.to_vec();
        for (start, signs) in self.transforms(y.len()) {
            let part = &mut z[start..start + signs.len()];
            let signed: Vec<f64> = part.iter().zip(&signs).map(|(z, sign)| z * sign).collect();
            part.copy_from_slice(&hadamard(&signed));
        }
        z
    }

    fn rotate_back(&self, z: &[f64]) -> Vec<f64> {
        let mut y = z.to_vec();
        for (start, signs) in self.transforms(z.len()).into_iter().rev() {
            let part = &mut y[start..start + signs.len()];
            let mixed = hadamard(part);
            part.iter_mut().zip(mixed.iter().zip(&signs)).for_each(|(y, (mixed, sign))| *y = mixed * sign);
        }
        y
    }

    /// First coordinate and signs of each transform, in the order of encoding.
    fn transforms(&self, len: usize) -> Vec<(usize, Vec<f64>)> {
        if len == 0 {
            return Vec::new();
        }
        let window = 1 << len.ilog2();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        let starts = if window == len { vec![0] } else { vec![0, len - window] };
        let draw = |start| {
            let words: Vec<u32> = (0..window.div_ceil(32)).map(|_| stream.next_u32()).collect();
            let sign = |i: usize| if (words[i / 32] >> (i % 32)) & 1 == 1 { -1.0 } else { 1.0 };
            (start, (0..window).map(sign).collect())
        };
        starts.into_iter().map(draw).collect()
    }
}

/// `H x/√N` by its definition: entry `(r, c)` of `H` is −1 to the number of common bits of `r` and `c`.
fn hadamard(x: &[f64]) -> Vec<f64> {
    let entry = |r: usize, c: usize| if (r & c).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let norm = (x.len() as f64).sqrt();
    (0..x.len()).map(|r| x.iter().enumerate().map(|(c, x)| entry(r, c) * x).sum::<f64>() / norm).collect()
}

/// Rounds to nine significant bits, as a scale is stored.
fn round_scale(scale: f64) -> f64 {
    let step = (scale.log2().floor() - 8.0).exp2();
    if scale > 0.0 { (scale / step).round_ties_even() * step } else { 0.0 }
}
