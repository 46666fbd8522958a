//! The random rotation: signs, then an orthonormal Walsh–Hadamard transform, `z = H D x`.
//!
//! It spreads the energy of a row evenly over its coordinates and makes them nearly normal, which is what the
//! Lloyd–Max tables expect. A length that is not a power of two is mixed by two overlapping transforms, of
//! the first and of the last `2^k` coordinates with the largest `2^k` below the length, each with signs of
//! its own; nothing is padded, so no bits are spent on coordinates that are not there. Length 1 only has its
//! sign changed. A transform of `n` coordinates takes `n·log₂ n` additions and no matrix.
//!
//! The signs are part of the format. Without them rows that are smooth or periodic, as the columns of the
//! transform are, would end up in a few coordinates.
//!
//! The signs are the bits of the ChaCha8 key stream whose key is the seed in little-endian order followed by
//! 24 zero bytes, with nonce and counter 0: least significant bit of each 32-bit word first, 1 = negative.
//! The second transform starts on a new word.

use crate::error::{Result, try_reserve};
use crate::seed::{self, Purpose};
use crate::vector::wht::{
    CHUNK, Source, finish_scaled, finish_stages, load_vectors, store_scaled, store_vectors,
    transform_vectors, walsh_hadamard,
};
use fearless_simd::{Simd, SimdBase, f32x16};
use rand::Rng;

/// The rotation for one length and one seed. Applying it allocates nothing. The signs are drawn once, when it
/// is made, and not for each row.
#[derive(Debug, Clone)]
pub struct Rotation {
    len: usize,
    /// Length of a transform: the largest power of two not above `len`, 0 for `len` 0.
    window: usize,
    /// Signs of the first transform, then of the second one, if there is one, times `1/√window`, so that
    /// signs and norm are one product.
    factors: Vec<f32>,
}

impl Rotation {
    /// The rotation of `len` coordinates drawn from `seed`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(len: usize, seed: u64) -> Result<Self> {
        let mut rotation = Self::with_room(len)?;
        rotation.redraw(len, seed);
        Ok(rotation)
    }

    /// The rotation of no coordinates, with room to become that of up to `len` without allocating: blocks
    /// that bring a skeleton each have a rank of their own.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub(crate) fn with_room(len: usize) -> Result<Self> {
        let factors = try_reserve(2 * len, "the signs of the rotation")?;
        Ok(Self { len: 0, window: 0, factors })
    }

    /// Becomes the rotation of `len` coordinates drawn from `seed`. Without room for them it would allocate,
    /// and abort if that fails; so ask [`Rotation::has_room`] first.
    pub(crate) fn redraw(&mut self, len: usize, seed: u64) {
        let window = if len == 0 { 0 } else { 1 << len.ilog2() };
        let transforms = if len == window { 1 } else { 2 };
        (self.len, self.window) = (len, window);
        let norm = (1.0 / (window.max(1) as f64).sqrt()) as f32;
        let mut stream = seed::stream(seed, Purpose::Rotation);
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

    /// Rotates `x`, of the length of the rotation, in place.
    #[inline(always)]
    pub fn forward<S: Simd>(&self, simd: S, x: &mut [f32]) {
        let (first, second) = self.factors.split_at(self.window);
        mix(simd, &mut x[..self.window], first);
        if !second.is_empty() {
            mix(simd, &mut x[self.len - self.window..], second);
        }
    }

    /// Undoes [`Rotation::forward`] up to rounding, multiplies by `scale` and writes to `x`. `z` is scratch
    /// afterwards.
    ///
    /// The transform is its own inverse, so this is: transform, then factors. The second one goes first.
    /// Windows of 64 and 128, the usual heads, stay in registers from `z` to `x`; longer ones multiply in the
    /// last stages over memory. Whatever the path, each value is multiplied by its factor and then by the
    /// scale.
    #[inline(always)]
    pub fn inverse<S: Simd>(&self, simd: S, z: &mut [f32], scale: f32, x: &mut [f32]) {
        let (first, second) = self.factors.split_at(self.window);
        if !second.is_empty() {
            let z = &mut z[self.len - self.window..];
            walsh_hadamard(simd, z);
            z.iter_mut().zip(second).for_each(|(z, factor)| *z *= factor);
        }
        match self.window {
            64 => store_scaled(
                simd,
                transform_vectors::<S, 4>(simd, load_vectors(simd, z.as_chunks().0)),
                first,
                scale,
                x,
            ),
            128 => store_scaled(
                simd,
                transform_vectors::<S, 8>(simd, load_vectors(simd, z.as_chunks().0)),
                first,
                scale,
                x,
            ),
            256.. => {
                let z = &mut z[..self.window];
                for chunk in z.as_chunks_mut::<CHUNK>().0 {
                    store_vectors(
                        transform_vectors::<S, 8>(simd, load_vectors(simd, chunk.as_chunks().0)),
                        chunk,
                    );
                }
                finish_scaled(simd, z, first, scale, x);
            }
            _ => {
                walsh_hadamard(simd, &mut z[..self.window]);
                for ((x, z), factor) in x.iter_mut().zip(&*z).zip(first) {
                    *x = z * factor * scale;
                }
            }
        }
        // Behind the first window only the second transform was at work.
        for (x, z) in x.iter_mut().zip(&*z).skip(self.window) {
            *x = z * scale;
        }
    }

    /// Whether [`Rotation::inverse_of`] can be used: one transform of whole chunks, so that no value is
    /// needed twice.
    #[inline(always)]
    pub(crate) fn is_chunked(&self) -> bool {
        self.window == self.len && self.len >= CHUNK
    }

    /// [`Rotation::inverse`] for values that a [`Source`] transforms as it reads them. `z` is scratch. The
    /// bits are those of the other way.
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
            return store_scaled(simd, values.transform_chunk(simd, 0), &self.factors, scale, x);
        }
        let z = &mut z[..self.window];
        for (i, chunk) in z.as_chunks_mut::<CHUNK>().0.iter_mut().enumerate() {
            store_vectors(values.transform_chunk(simd, i), chunk);
        }
        finish_scaled(simd, z, &self.factors, scale, x);
    }
}

/// One window: signs and norm, then the transform. Chunks are multiplied in registers on their way into it.
#[inline(always)]
fn mix<S: Simd>(simd: S, x: &mut [f32], factors: &[f32]) {
    if x.len() < CHUNK {
        x.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
        return walsh_hadamard(simd, x);
    }
    for (chunk, factors) in x.as_chunks_mut::<CHUNK>().0.iter_mut().zip(factors.as_chunks::<CHUNK>().0) {
        let mut all = load_vectors::<S, 8>(simd, chunk.as_chunks().0);
        for i in 0..8 {
            all[i] *= f32x16::from_slice(simd, &factors[16 * i..][..16]);
        }
        store_vectors(transform_vectors(simd, all), chunk);
    }
    finish_stages(x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::tier::dispatch;
    use fearless_simd::Level;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

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
                    .map(|col| {
                        let sign = if (row & col).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                        sign * rotation.factors[col].signum() * x[col]
                    })
                    .sum();
                assert!((got - sum / (len as f32).sqrt()).abs() < 1e-4);
            }
        }
    }
}
