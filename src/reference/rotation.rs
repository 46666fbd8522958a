//! The rotation of turbo and kakeya: it spreads a row evenly, so that one table of levels fits all
//! coordinates.
//!
//! A Walsh–Hadamard transform of coordinates with random signs, `z = H D y / √w`. It needs a power of two, so
//! rows of another length take two transforms that overlap. The matrix is orthogonal: errors keep their
//! length.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The transforms of a seed, in the order of encoding: first coordinate and signs of each.
#[derive(Debug)]
pub(super) struct PlainRotation {
    transforms: Vec<(usize, Vec<f64>)>,
}

impl PlainRotation {
    /// The rotation of `len` coordinates. The signs are bits of the ChaCha8 stream with the seed as its key,
    /// the least significant bit of each word first; a transform begins with a new word.
    pub fn new(seed: u64, len: usize) -> Self {
        if len == 0 {
            return Self::none();
        }
        let window = 1 << len.ilog2();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        let starts = if window == len { vec![0] } else { vec![0, len - window] };
        let draw = |start| {
            let words: Vec<u32> = (0..window.div_ceil(32)).map(|_| stream.next_u32()).collect();
            let sign = |i: usize| if (words[i / 32] >> (i % 32)) & 1 == 1 { -1.0 } else { 1.0 };
            (start, (0..window).map(sign).collect())
        };
        Self { transforms: starts.into_iter().map(draw).collect() }
    }

    /// The rotation that changes nothing.
    pub fn none() -> Self {
        Self { transforms: Vec::new() }
    }

    /// Rotates coefficients.
    pub fn forward(&self, y: &[f64]) -> Vec<f64> {
        let mut z = y.to_vec();
        for (start, signs) in &self.transforms {
            let part = &mut z[*start..start + signs.len()];
            let signed: Vec<f64> = part.iter().zip(signs).map(|(z, sign)| z * sign).collect();
            part.copy_from_slice(&hadamard(&signed));
        }
        z
    }

    /// Undoes [`PlainRotation::forward`]: the last transform first. `H/√w` is its own inverse.
    pub fn back(&self, z: &[f64]) -> Vec<f64> {
        let mut y = z.to_vec();
        for (start, signs) in self.transforms.iter().rev() {
            let part = &mut y[*start..start + signs.len()];
            let mixed = hadamard(part);
            part.iter_mut().zip(mixed.iter().zip(signs)).for_each(|(y, (mixed, sign))| *y = mixed * sign);
        }
        y
    }
}

/// `H x/√N` by its definition: entry `(r, c)` of `H` is −1 to the number of common bits of `r` and `c`.
fn hadamard(x: &[f64]) -> Vec<f64> {
    let entry = |r: usize, c: usize| if (r & c).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let norm = (x.len() as f64).sqrt();
    (0..x.len()).map(|r| x.iter().enumerate().map(|(c, x)| entry(r, c) * x).sum::<f64>() / norm).collect()
}
