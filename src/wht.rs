//! The random rotation: signs, then an orthonormal Walsh–Hadamard transform, `z = H D x`.
//!
//! It spreads the energy of a row evenly over its coordinates and makes them nearly normal, which is what the
//! Lloyd–Max tables expect. A length that is not a power of two is mixed by two overlapping transforms, of the
//! first and of the last `2^k` coordinates with the largest `2^k` below the length, each with signs of its own;
//! nothing is padded. Length 1 is left as it is but for its sign, length 0 is nothing.
//!
//! The signs are the bits of the ChaCha8 key stream whose key is the seed in little-endian order followed by
//! 24 zero bytes, with nonce and counter 0: least significant bit of each 32-bit word first, 1 = negative. The
//! second transform starts on a new word.

use crate::error::{Result, try_reserve};
use fearless_simd::{Simd, SimdBase, f32x16};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The rotation for one length and one seed. Applying it allocates nothing.
#[derive(Debug, Clone)]
pub struct Rotation {
    len: usize,
    /// Length of a transform: the largest power of two not above `len`, 0 for `len` 0.
    window: usize,
    /// Signs of the first transform, then of the second one, if there is one, times `1/√window`.
    factors: Vec<f32>,
}

impl Rotation {
    /// The rotation of `len` coordinates drawn from `seed`.
    pub fn new(len: usize, seed: u64) -> Result<Self> {
        let mut rotation = Self::with_room(len)?;
        rotation.redraw(len, seed);
        Ok(rotation)
    }

    /// The rotation of no coordinates, with room to become that of up to `len` without allocating.
    pub(crate) fn with_room(len: usize) -> Result<Self> {
        let factors = try_reserve(2 * len, "the signs of the rotation")?;
        Ok(Self { len: 0, window: 0, factors })
    }

    /// Becomes the rotation of `len` coordinates drawn from `seed`.
    pub(crate) fn redraw(&mut self, len: usize, seed: u64) {
        let window = if len == 0 { 0 } else { 1 << len.ilog2() };
        let transforms = if len == window { 1 } else { 2 };
        (self.len, self.window) = (len, window);
        let norm = (1.0 / (window.max(1) as f64).sqrt()) as f32;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        self.factors.clear();
        for _ in 0..transforms {
            let mut word = 0;
            for i in 0..window {
                if i % 32 == 0 {
                    word = stream.next_u32();
                }
                self.factors.push(if (word >> (i % 32)) & 1 == 1 { -norm } else { norm });
            }
        }
    }

    /// Whether the rotation can become that of `len` coordinates without allocating.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.factors.capacity() >= 2 * len
    }

    /// Rotates `x` in place.
    #[inline(always)]
    pub fn forward<S: Simd>(&self, simd: S, x: &mut [f32]) {
        let (first, second) = self.factors.split_at(self.window);
        mix(simd, &mut x[..self.window], first);
        if !second.is_empty() {
            mix(simd, &mut x[self.len - self.window..], second);
        }
    }

    /// Undoes [`Rotation::forward`] up to rounding, and multiplies by `scale`. `z` is scratch afterwards.
    #[inline(always)]
    pub fn inverse<S: Simd>(&self, simd: S, z: &mut [f32], scale: f32, x: &mut [f32]) {
        let (first, second) = self.factors.split_at(self.window);
        if !second.is_empty() {
            let z = &mut z[self.len - self.window..];
            walsh_hadamard(simd, z);
            z.iter_mut().zip(second).for_each(|(z, factor)| *z *= factor);
        }
        match self.window {
            64 => in_registers_to::<S, 4>(simd, sorted(simd, z.as_chunks().0), (first, scale), x),
            128 => in_registers_to::<S, 8>(simd, sorted(simd, z.as_chunks().0), (first, scale), x),
            256.. => {
                let z = &mut z[..self.window];
                for chunk in z.as_chunks_mut::<CHUNK>().0 {
                    in_registers::<S, 8>(sorted(simd, chunk.as_chunks().0), chunk);
                }
                beyond_to(simd, z, (first, scale), x);
            }
            _ => {
                walsh_hadamard(simd, &mut z[..self.window]);
                for ((x, z), factor) in x.iter_mut().zip(&*z).zip(first) {
                    *x = z * factor * scale;
                }
            }
        }
        for (x, z) in x.iter_mut().zip(&*z).skip(self.window) {
            *x = z * scale;
        }
    }

    /// Whether [`Rotation::inverse_of`] is for rotations like this one.
    #[inline(always)]
    pub fn is_chunked(&self) -> bool {
        self.window == self.len && self.len >= CHUNK
    }

    /// As [`Rotation::inverse`], of values that come straight from where they are read. `z` is scratch.
    #[inline(always)]
    pub(crate) fn inverse_of<S: Simd, V: Source>(
        &self,
        simd: S,
        values: V,
        scale: f32,
        z: &mut [f32],
        x: &mut [f32],
    ) {
        if self.window == CHUNK {
            return in_registers_to::<S, 8>(simd, values.sorted(simd, 0), (&self.factors, scale), x);
        }
        let z = &mut z[..self.window];
        for (i, chunk) in z.as_chunks_mut::<CHUNK>().0.iter_mut().enumerate() {
            in_registers::<S, 8>(values.sorted(simd, i), chunk);
        }
        beyond_to(simd, z, (&self.factors, scale), x);
    }
}

/// What is transformed in registers.
const CHUNK: usize = 128;

/// Where the values of a transform are read from.
pub(crate) trait Source {
    /// The values of a chunk, each two vectors' worth with those of even index first.
    fn sorted<S: Simd>(&self, simd: S, chunk: usize) -> [f32x16<S>; 8];
}

#[inline(always)]
fn mix<S: Simd>(simd: S, x: &mut [f32], factors: &[f32]) {
    if x.len() < CHUNK {
        x.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
        return walsh_hadamard(simd, x);
    }
    for (chunk, factors) in x.as_chunks_mut::<CHUNK>().0.iter_mut().zip(factors.as_chunks::<CHUNK>().0) {
        let mut all = [f32x16::splat(simd, 0.0); 8];
        for i in 0..4 {
            let a = f32x16::from_slice(simd, &chunk[32 * i..][..16]);
            let b = f32x16::from_slice(simd, &chunk[32 * i + 16..][..16]);
            let a = a * f32x16::from_slice(simd, &factors[32 * i..][..16]);
            let b = b * f32x16::from_slice(simd, &factors[32 * i + 16..][..16]);
            (all[2 * i], all[2 * i + 1]) = a.deinterleave(b);
        }
        in_registers::<S, 8>(all, chunk);
    }
    beyond(x);
}

/// The unnormalised transform in natural order; the length is a power of two, or 0.
#[inline(always)]
fn walsh_hadamard<S: Simd>(simd: S, x: &mut [f32]) {
    match x.len() {
        2 => small::<2>(x.try_into().expect("length 2")),
        4 => small::<4>(x.try_into().expect("length 4")),
        8 => small::<8>(x.try_into().expect("length 8")),
        16 => small::<16>(x.try_into().expect("length 16")),
        _ => {}
    }
    // Where it is shorter than a chunk, there is none.
    let (chunks, rest) = x.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        in_registers::<S, 8>(sorted(simd, chunk.as_chunks().0), chunk);
    }
    match rest.len() {
        64 => in_registers::<S, 4>(sorted(simd, rest.as_chunks().0), rest),
        32 => in_registers::<S, 2>(sorted(simd, rest.as_chunks().0), rest),
        _ => {}
    }
    beyond(x);
}

/// The stages that are left when chunks are transformed.
#[inline(always)]
fn beyond(x: &mut [f32]) {
    let mut half = CHUNK;
    if half < x.len() && !(x.len() / half).ilog2().is_multiple_of(2) {
        stage(x, half);
        half *= 2;
    }
    while half < x.len() {
        two_stages(x, half);
        half *= 4;
    }
}

/// As [`beyond`], of at least two chunks; the last stages write what they find, times the factors and the scale, to `x`.
#[inline(always)]
fn beyond_to<S: Simd>(simd: S, z: &mut [f32], (factors, scale): (&[f32], f32), x: &mut [f32]) {
    let len = z.len();
    if len == 2 * CHUNK {
        for i in (0..CHUNK).step_by(16) {
            let [a, b] = at(simd, z, [i, i + CHUNK]);
            put(simd, a + b, (factors, scale), x, i);
            put(simd, a - b, (factors, scale), x, i + CHUNK);
        }
        return;
    }
    let quarter = len / 4;
    for part in z.chunks_exact_mut(quarter) {
        beyond(part);
    }
    for i in (0..quarter).step_by(16) {
        let [a, b, c, d] = at(simd, z, [i, i + quarter, i + 2 * quarter, i + 3 * quarter]);
        let ((ab, a_b), (cd, c_d)) = ((a + b, a - b), (c + d, c - d));
        put(simd, ab + cd, (factors, scale), x, i);
        put(simd, a_b + c_d, (factors, scale), x, i + quarter);
        put(simd, ab - cd, (factors, scale), x, i + 2 * quarter);
        put(simd, a_b - c_d, (factors, scale), x, i + 3 * quarter);
    }
}

/// Writes a vector, times its factors and the scale.
#[inline(always)]
fn put<S: Simd>(simd: S, z: f32x16<S>, (factors, scale): (&[f32], f32), x: &mut [f32], at: usize) {
    let factor = f32x16::from_slice(simd, &factors[at..][..16]);
    (z * factor * scale).store_slice(&mut x[at..][..16]);
}

#[inline(always)]
fn at<S: Simd, const N: usize>(simd: S, z: &[f32], starts: [usize; N]) -> [f32x16<S>; N] {
    let mut all = [f32x16::splat(simd, 0.0); N];
    for i in 0..N {
        all[i] = f32x16::from_slice(simd, &z[starts[i]..][..16]);
    }
    all
}

/// Loads as much as fills `N` vectors, each two vectors' worth with values of even index first.
#[inline(always)]
fn sorted<S: Simd, const N: usize>(simd: S, x: &[[f32; 16]]) -> [f32x16<S>; N] {
    let x = &x[..N];
    // Plain loops: what a closure computes is not compiled for the tier.
    let mut all = [f32x16::splat(simd, 0.0); N];
    for i in 0..N / 2 {
        let (a, b) = (f32x16::from_slice(simd, &x[2 * i]), f32x16::from_slice(simd, &x[2 * i + 1]));
        (all[2 * i], all[2 * i + 1]) = a.deinterleave(b);
    }
    all
}

/// The transform of `all`, to `x`.
#[inline(always)]
fn in_registers<S: Simd, const N: usize>(all: [f32x16<S>; N], x: &mut [f32]) {
    let all = transformed(all);
    let x = &mut x.as_chunks_mut::<16>().0[..N];
    for i in 0..N {
        all[i].store_slice(&mut x[i]);
    }
}

/// The transform of `all`, times the factors and the scale, to `x`.
#[inline(always)]
fn in_registers_to<S: Simd, const N: usize>(
    simd: S,
    all: [f32x16<S>; N],
    (factors, scale): (&[f32], f32),
    x: &mut [f32],
) {
    let all = transformed(all);
    for i in 0..N {
        put(simd, all[i], (factors, scale), x, 16 * i);
    }
}

/// The transform of what [`sorted`] gives, `N` a power of two. Within pairs of vectors, sums and differences of neighbours
/// are sorted apart, so that after five stages everything is where it was.
#[inline(always)]
fn transformed<S: Simd, const N: usize>(mut all: [f32x16<S>; N]) -> [f32x16<S>; N] {
    for i in 0..N / 2 {
        let (mut a, mut b) = (all[2 * i] + all[2 * i + 1], all[2 * i] - all[2 * i + 1]);
        for _ in 0..4 {
            let (even, odd) = a.deinterleave(b);
            (a, b) = (even + odd, even - odd);
        }
        (all[2 * i], all[2 * i + 1]) = (a, b);
    }
    let mut half = 2;
    while half < N {
        for i in 0..N {
            if i & half == 0 {
                (all[i], all[i + half]) = (all[i] + all[i + half], all[i] - all[i + half]);
            }
        }
        half *= 2;
    }
    all
}

/// Sums and differences of what is `half` apart.
#[inline(always)]
fn stage(x: &mut [f32], half: usize) {
    for pair in x.chunks_exact_mut(2 * half) {
        let (low, high) = pair.split_at_mut(half);
        for (a, b) in low.iter_mut().zip(high) {
            (*a, *b) = (*a + *b, *a - *b);
        }
    }
}

/// A stage and the one after it.
#[inline(always)]
fn two_stages(x: &mut [f32], half: usize) {
    for four in x.chunks_exact_mut(4 * half) {
        let (low, high) = four.split_at_mut(2 * half);
        let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            let (ab, cd) = ((*a + *b, *a - *b), (*c + *d, *c - *d));
            (*a, *b) = (ab.0 + cd.0, ab.1 + cd.1);
            (*c, *d) = (ab.0 - cd.0, ab.1 - cd.1);
        }
    }
}

/// All stages of a transform whose length is known to the compiler.
#[inline(always)]
fn small<const N: usize>(x: &mut [f32; N]) {
    let mut half = 1;
    while half < N {
        let mut sums = [0.0; N];
        for i in 0..N {
            let (a, b) = (x[i & !half], x[i | half]);
            sums[i] = if i & half == 0 { a + b } else { a - b };
        }
        *x = sums;
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fearless_simd::{Level, dispatch};

    fn forward(rotation: &Rotation, x: &mut [f32]) {
        dispatch!(Level::new(), simd => rotation.forward(simd, x));
    }

    fn ramp(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + 11) % 101) as f32 - 50.0).collect()
    }

    #[test]
    fn signs_are_pinned() {
        let signs = Rotation::new(32, 7).unwrap().factors;
        let word = signs.iter().enumerate().fold(0_u32, |w, (i, &s)| w | (u32::from(s < 0.0) << i));
        let mut key = [0; 32];
        key[0] = 7;
        assert_eq!(word, ChaCha8Rng::from_seed(key).next_u32());
        // As an independent implementation of ChaCha8 has it.
        assert_eq!(word, 0x2c44_ba73);
    }

    #[test]
    fn rotation_keeps_lengths_and_inverts() {
        for len in (0..=70).chain([96, 127, 128, 129, 192, 257, 576, 1152, 4095, 4096]) {
            let rotation = Rotation::new(len, 3).unwrap();
            let x = ramp(len);
            let mut z = x.clone();
            forward(&rotation, &mut z);
            let energy = |v: &[f32]| v.iter().map(|&a| f64::from(a) * f64::from(a)).sum::<f64>();
            assert!((energy(&x) - energy(&z)).abs() <= 1e-5 * energy(&x), "length {len}");
            let mut back = vec![0.0; len];
            dispatch!(Level::new(), simd => rotation.inverse(simd, &mut z, 3.0, &mut back));
            for (a, b) in x.iter().zip(&back) {
                assert!((3.0 * a - b).abs() < 6e-4, "length {len}: {a} became {b}");
            }
        }
    }

    #[test]
    fn every_coordinate_is_mixed() {
        for len in [3, 33, 65, 96, 257, 1152] {
            let rotation = Rotation::new(len, 0).unwrap();
            for loud in [0, len / 2, len - 1] {
                let mut x = vec![0.0; len];
                x[loud] = 1.0;
                forward(&rotation, &mut x);
                let peak = x.iter().fold(0_f32, |m, v| m.max(v.abs()));
                assert!(peak <= 0.75, "length {len}: coordinate {loud} stayed at {peak}");
            }
        }
    }

    #[test]
    fn matches_the_definition() {
        for len in [2, 4, 8, 16, 32, 64, 128, 256] {
            let rotation = Rotation::new(len, 5).unwrap();
            let x = ramp(len);
            let mut z = x.clone();
            forward(&rotation, &mut z);
            for (row, &got) in z.iter().enumerate() {
                let sum: f32 = (0..len)
                    .map(|col| if (row & col).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 } * rotation.factors[col].signum() * x[col])
                    .sum();
                assert!((got - sum / (len as f32).sqrt()).abs() < 1e-4);
            }
        }
    }
}
