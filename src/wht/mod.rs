//! The Walsh–Hadamard transform, unnormalised and in natural order: chunks of [`CHUNK`] in registers, then stages over memory.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod avx2;

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::simd::only_avx2;
use fearless_simd::prelude::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::{f32x8, u8x32, x86::Avx2};
use fearless_simd::{f32x16, u8x64, u16x32};

/// What is transformed in registers.
pub const CHUNK: usize = 128;

/// Where the values of a transform are read from.
pub trait Source {
    /// The transform of a chunk.
    fn transformed<S: Simd>(&self, simd: S, chunk: usize) -> [f32x16<S>; 8];
}

/// The unnormalised transform in natural order; the length is a power of two, or 0.
#[inline(always)]
pub fn walsh_hadamard<S: Simd>(simd: S, x: &mut [f32]) {
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
        put(transformed::<S, 8>(simd, load(simd, chunk.as_chunks().0)), chunk);
    }
    match rest.len() {
        64 => put(transformed::<S, 4>(simd, load(simd, rest.as_chunks().0)), rest),
        32 => put(transformed::<S, 2>(simd, load(simd, rest.as_chunks().0)), rest),
        _ => {}
    }
    beyond(x);
}

/// The stages that are left when chunks are transformed.
#[inline(always)]
pub fn beyond(x: &mut [f32]) {
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
pub fn beyond_to<S: Simd>(simd: S, z: &mut [f32], (factors, scale): (&[f32], f32), x: &mut [f32]) {
    let len = z.len();
    let vectors = len / 16;
    let (factors, x) = (&factors.as_chunks().0[..vectors], &mut x.as_chunks_mut().0[..vectors]);
    if len == 2 * CHUNK {
        let half = vectors / 2;
        for i in 0..half {
            let [a, b] = at(simd, z, [i, i + half]);
            put_times(simd, a + b, (&factors[i], scale), &mut x[i]);
            put_times(simd, a - b, (&factors[i + half], scale), &mut x[i + half]);
        }
        return;
    }
    for part in z.chunks_exact_mut(len / 4) {
        beyond(part);
    }
    let quarter = vectors / 4;
    for i in 0..quarter {
        let places = [i, i + quarter, i + 2 * quarter, i + 3 * quarter];
        let [a, b, c, d] = at(simd, z, places);
        let ((ab, a_b), (cd, c_d)) = ((a + b, a - b), (c + d, c - d));
        for (sum, place) in [ab + cd, a_b + c_d, ab - cd, a_b - c_d].into_iter().zip(places) {
            put_times(simd, sum, (&factors[place], scale), &mut x[place]);
        }
    }
}

/// Writes a vector, times its factors and the scale.
#[inline(always)]
fn put_times<S: Simd>(simd: S, z: f32x16<S>, (factors, scale): (&[f32; 16], f32), x: &mut [f32; 16]) {
    (z * f32x16::from_slice(simd, factors) * scale).store_slice(x);
}

#[inline(always)]
fn at<S: Simd, const N: usize>(simd: S, z: &[f32], places: [usize; N]) -> [f32x16<S>; N] {
    let z = z.as_chunks::<16>().0;
    let mut all = [f32x16::splat(simd, 0.0); N];
    for i in 0..N {
        all[i] = f32x16::from_slice(simd, &z[places[i]]);
    }
    all
}

/// Loads `N` vectors.
#[inline(always)]
pub fn load<S: Simd, const N: usize>(simd: S, x: &[[f32; 16]]) -> [f32x16<S>; N] {
    let x = &x[..N];
    // Plain loops: what a closure computes is not compiled for the tier.
    let mut all = [f32x16::splat(simd, 0.0); N];
    for i in 0..N {
        all[i] = f32x16::from_slice(simd, &x[i]);
    }
    all
}

/// Writes vectors.
#[inline(always)]
pub fn put<S: Simd, const N: usize>(all: [f32x16<S>; N], x: &mut [f32]) {
    let x = &mut x.as_chunks_mut::<16>().0[..N];
    for i in 0..N {
        all[i].store_slice(&mut x[i]);
    }
}

/// Writes vectors, times the factors and the scale.
#[inline(always)]
pub fn put_all_times<S: Simd, const N: usize>(
    simd: S,
    all: [f32x16<S>; N],
    (factors, scale): (&[f32], f32),
    x: &mut [f32],
) {
    let (factors, x) = (&factors.as_chunks().0[..N], &mut x.as_chunks_mut().0[..N]);
    for i in 0..N {
        put_times(simd, all[i], (&factors[i], scale), &mut x[i]);
    }
}

/// The transform of `16·N` values, `N` a power of two from 2 on.
#[inline(always)]
pub fn transformed<S: Simd, const N: usize>(simd: S, mut all: [f32x16<S>; N]) -> [f32x16<S>; N] {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let (Some(avx2), true) = (only_avx2(simd), N >= 4) {
        let one = std::hint::black_box(1.0);
        let first = x86_values(simd, avx2, one, &all[..4]);
        all[..4].copy_from_slice(&first);
        if N == 8 {
            let second = x86_values(simd, avx2, one, &all[4..]);
            all[4..].copy_from_slice(&second);
        }
        return last_stages(all, 4);
    }
    let _ = simd;
    for i in 0..N / 2 {
        (all[2 * i], all[2 * i + 1]) = all[2 * i].deinterleave(all[2 * i + 1]);
    }
    of_sorted(all)
}

/// The transform of a chunk of packed symbols of four bits, those of even index in the lower halves of bytes. A symbol stands
/// for one of sixteen levels, whose four bytes `planes` has one after the other.
#[inline(always)]
pub fn of_levels<S: Simd>(simd: S, planes: &[[u8; 64]; 4], packed: &[u8]) -> [f32x16<S>; 8] {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(avx2) = only_avx2(simd) {
        let one = std::hint::black_box(1.0);
        let [a, b, c, d] = x86_levels(simd, avx2, one, planes, &packed[..32]);
        let [e, f, g, h] = x86_levels(simd, avx2, one, planes, &packed[32..64]);
        return [a + e, b + f, c + g, d + h, a - e, b - f, c - g, d - h];
    }
    let mut all = [f32x16::splat(simd, 0.0); 8];
    let packed = u8x64::from_slice(simd, &packed[..64]);
    let (even, odd) = (levels(simd, planes, packed & 0x0F), levels(simd, planes, packed >> 4));
    for i in 0..4 {
        (all[2 * i], all[2 * i + 1]) = (even[i], odd[i]);
    }
    of_sorted(all)
}

/// The levels of 64 symbols: the four bytes of sixteen levels are looked up one after the other.
#[inline(always)]
pub fn levels<S: Simd>(simd: S, planes: &[[u8; 64]; 4], symbols: u8x64<S>) -> [f32x16<S>; 4] {
    let mut found = [symbols; 4];
    for (found, plane) in found.iter_mut().zip(planes) {
        *found = u8x64::from_slice(simd, plane).swizzle_dyn_within_blocks(symbols);
    }
    let [a, b, c, d] = found;
    let (low, high) = (a.interleave(b), c.interleave(d));
    let (first, rest) = (words(low.0.bitcast(), high.0.bitcast()), words(low.1.bitcast(), high.1.bitcast()));
    [first.0, first.1, rest.0, rest.1]
}

/// 32 values, of the lower and the upper halves of their bits.
#[inline(always)]
fn words<S: Simd>(low: u16x32<S>, high: u16x32<S>) -> (f32x16<S>, f32x16<S>) {
    let (first, second) = low.interleave(high);
    (first.bitcast(), second.bitcast())
}

/// The first six stages, of four vectors.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
fn x86_values<S: Simd>(simd: S, avx2: Avx2, one: f32, all: &[f32x16<S>]) -> [f32x16<S>; 4] {
    let mut x = [f32x8::splat(simd, 0.0).into(); 8];
    for k in 0..4 {
        let (low, high) = all[k].split();
        (x[2 * k], x[2 * k + 1]) = (low.into(), high.into());
    }
    pairs(simd, avx2::of_values(avx2, one, x))
}

/// The first six stages, of the levels of 32 bytes.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
fn x86_levels<S: Simd>(
    simd: S,
    avx2: Avx2,
    one: f32,
    planes: &[[u8; 64]; 4],
    packed: &[u8],
) -> [f32x16<S>; 4] {
    let mut tables = [u8x32::splat(simd, 0).into(); 4];
    for i in 0..4 {
        tables[i] = u8x32::from_slice(simd, &planes[i][..32]).into();
    }
    let packed = u8x32::from_slice(simd, packed);
    let even = avx2::levels(avx2, tables, (packed & 0x0F).into());
    let odd = avx2::levels(avx2, tables, (packed >> 4).into());
    pairs(simd, avx2::of_halves(avx2, one, even, odd))
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
fn pairs<S: Simd, T: Copy + SimdInto<f32x8<S>, S>>(simd: S, x: [T; 8]) -> [f32x16<S>; 4] {
    let mut all = [f32x16::splat(simd, 0.0); 4];
    for k in 0..4 {
        let (low, high): (f32x8<S>, f32x8<S>) = (x[2 * k].simd_into(simd), x[2 * k + 1].simd_into(simd));
        all[k] = low.combine(high);
    }
    all
}

/// The transform of vectors of which each two have the values of even index first. Within such pairs, sums and differences
/// of neighbours are sorted apart, so that after five stages everything is where it was.
#[inline(always)]
fn of_sorted<S: Simd, const N: usize>(mut all: [f32x16<S>; N]) -> [f32x16<S>; N] {
    for i in 0..N / 2 {
        let (mut a, mut b) = (all[2 * i] + all[2 * i + 1], all[2 * i] - all[2 * i + 1]);
        for _ in 0..4 {
            let (even, odd) = a.deinterleave(b);
            (a, b) = (even + odd, even - odd);
        }
        (all[2 * i], all[2 * i + 1]) = (a, b);
    }
    last_stages(all, 2)
}

/// The stages of vectors that are at least `half` vectors apart.
#[inline(always)]
fn last_stages<S: Simd, const N: usize>(mut all: [f32x16<S>; N], mut half: usize) -> [f32x16<S>; N] {
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
