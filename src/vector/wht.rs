//! The Walsh–Hadamard transform, unnormalised and in natural order: chunks of [`CHUNK`] in registers, then
//! stages over memory.
//!
//! A transform of `2^k` values has `k` stages; stage `s` replaces each pair of values that are `2^s` apart by
//! their sum and their difference. The stages come in ascending order on every tier and each value is the
//! rounded sum or difference of two, so every tier gives the same bits, however it moves values around.
//!
//! Shuffles dominate the first stages, where partners share a register. So registers are not put back in
//! order after each stage: a shuffle sorts values by one bit of their index, and after a whole turn of such
//! sorts everything is back in its place.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::vector::x86::{only_avx2, wht as avx2};
use fearless_simd::prelude::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::{f32x8, u8x32, x86::Avx2};
use fearless_simd::{f32x16, u8x64, u16x32};

/// Values that are transformed in registers: eight of AVX-512, sixteen of AVX2, which is all that AVX2 has.
/// It is also the usual dimension of a head, which is then transformed without a stage over memory.
pub const CHUNK: usize = 128;

/// Where the values of a transform come from, if not from a slice of floats: packed symbols are looked up and
/// transformed in one go, without being written to memory in between.
pub trait Source {
    /// The transform of values `CHUNK·chunk .. CHUNK·(chunk + 1)`.
    fn transform_chunk<S: Simd>(&self, simd: S, chunk: usize) -> [f32x16<S>; 8];
}

/// The unnormalised transform in natural order; the length is a power of two, or 0. Other lengths
/// are not checked for and come out wrong.
#[inline(always)]
pub fn walsh_hadamard<S: Simd>(simd: S, x: &mut [f32]) {
    match x.len() {
        2 => transform_small::<2>(x.try_into().expect("length 2")),
        4 => transform_small::<4>(x.try_into().expect("length 4")),
        8 => transform_small::<8>(x.try_into().expect("length 8")),
        16 => transform_small::<16>(x.try_into().expect("length 16")),
        _ => {}
    }
    // A slice shorter than a chunk has no chunks, and is the rest.
    let (chunks, rest) = x.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        store_vectors(transform_vectors::<S, 8>(simd, load_vectors(simd, chunk.as_chunks().0)), chunk);
    }
    match rest.len() {
        64 => store_vectors(transform_vectors::<S, 4>(simd, load_vectors(simd, rest.as_chunks().0)), rest),
        32 => store_vectors(transform_vectors::<S, 2>(simd, load_vectors(simd, rest.as_chunks().0)), rest),
        _ => {}
    }
    finish_stages(x);
}

/// The stages that are left once every chunk is transformed.
///
/// Two at a time, since each pass over memory costs more than its sums; a single one comes first if their
/// number is odd.
#[inline(always)]
pub fn finish_stages(x: &mut [f32]) {
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

/// Finishes the transform of at least two chunks in `z` as [`finish_stages`] does, and writes
/// `x[i] = z[i]·factors[i]·scale`. `z` is scratch afterwards.
///
/// The last one or two stages multiply while they write. That saves one more pass over memory, which for rows
/// of two chunks is all there is to do here.
#[inline(always)]
pub fn finish_scaled<S: Simd>(simd: S, z: &mut [f32], factors: &[f32], scale: f32, x: &mut [f32]) {
    let len = z.len();
    let vectors = len / 16;
    let (factors, x) = (&factors.as_chunks().0[..vectors], &mut x.as_chunks_mut().0[..vectors]);
    if len == 2 * CHUNK {
        let half = vectors / 2;
        for i in 0..half {
            let [a, b] = load_vectors_at(simd, z, [i, i + half]);
            store_vector_scaled(simd, a + b, &factors[i], scale, &mut x[i]);
            store_vector_scaled(simd, a - b, &factors[i + half], scale, &mut x[i + half]);
        }
        return;
    }
    for part in z.chunks_exact_mut(len / 4) {
        finish_stages(part);
    }
    let quarter = vectors / 4;
    for i in 0..quarter {
        let places = [i, i + quarter, i + 2 * quarter, i + 3 * quarter];
        let [a, b, c, d] = load_vectors_at(simd, z, places);
        // Two stages; `a_b` is the difference of `a` and `b`.
        let ((ab, a_b), (cd, c_d)) = ((a + b, a - b), (c + d, c - d));
        for (sum, place) in [ab + cd, a_b + c_d, ab - cd, a_b - c_d].into_iter().zip(places) {
            store_vector_scaled(simd, sum, &factors[place], scale, &mut x[place]);
        }
    }
}

/// Writes a vector, times its factors and the scale: two products, each rounded, in this order on every tier
/// and on every path, so that a row does not depend on the one it takes.
#[inline(always)]
fn store_vector_scaled<S: Simd>(simd: S, z: f32x16<S>, factors: &[f32; 16], scale: f32, x: &mut [f32; 16]) {
    (z * f32x16::from_slice(simd, factors) * scale).store_slice(x);
}

/// Loads the vectors with the given numbers.
#[inline(always)]
fn load_vectors_at<S: Simd, const N: usize>(simd: S, z: &[f32], places: [usize; N]) -> [f32x16<S>; N] {
    let z = z.as_chunks::<16>().0;
    let mut all = [f32x16::splat(simd, 0.0); N];
    for i in 0..N {
        all[i] = f32x16::from_slice(simd, &z[places[i]]);
    }
    all
}

/// Loads the first `N` vectors.
///
/// # Panics
/// If `x` has fewer.
#[inline(always)]
pub fn load_vectors<S: Simd, const N: usize>(simd: S, x: &[[f32; 16]]) -> [f32x16<S>; N] {
    let x = &x[..N];
    // A plain loop: a closure is a function of its own, which is not compiled for the tier.
    let mut all = [f32x16::splat(simd, 0.0); N];
    for i in 0..N {
        all[i] = f32x16::from_slice(simd, &x[i]);
    }
    all
}

/// Writes `N` vectors to the start of `x`.
///
/// # Panics
/// If `x` is shorter.
#[inline(always)]
pub fn store_vectors<S: Simd, const N: usize>(all: [f32x16<S>; N], x: &mut [f32]) {
    let x = &mut x.as_chunks_mut::<16>().0[..N];
    for i in 0..N {
        all[i].store_slice(&mut x[i]);
    }
}

/// Writes `N` vectors to the start of `x`, times the factors and the scale.
///
/// # Panics
/// If `x` or `factors` is shorter.
#[inline(always)]
pub fn store_scaled<S: Simd, const N: usize>(
    simd: S,
    all: [f32x16<S>; N],
    factors: &[f32],
    scale: f32,
    x: &mut [f32],
) {
    let (factors, x) = (&factors.as_chunks().0[..N], &mut x.as_chunks_mut().0[..N]);
    for i in 0..N {
        store_vector_scaled(simd, all[i], &factors[i], scale, &mut x[i]);
    }
}

/// The transform of `16·N` values in registers; `N` is a power of two from 2 on.
///
/// AVX2 takes a path of its own for 64 values or more: the portable one sorts whole vectors of sixteen, and
/// AVX2 has no shuffle that picks single values from two whole registers.
#[inline(always)]
pub fn transform_vectors<S: Simd, const N: usize>(simd: S, mut all: [f32x16<S>; N]) -> [f32x16<S>; N] {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let (Some(token), true) = (only_avx2(simd), N >= 4) {
        // The first stages compute `even ± odd·one` with a fused multiply-add. That is allowed here although
        // its kind is not elsewhere: `odd·1` is exact, so the fused operation rounds once, as a plain sum
        // does, to the same bits. The black box hides from LLVM that it is 1. Otherwise it would see sums of
        // shuffled registers and make horizontal additions of them, which take twice as long.
        let one = std::hint::black_box(1.0);
        let first = x86_values(simd, token, one, &all[..4]);
        all[..4].copy_from_slice(&first);
        if N == 8 {
            let second = x86_values(simd, token, one, &all[4..]);
            all[4..].copy_from_slice(&second);
        }
        return last_stages(all, 4);
    }
    let _ = simd;
    // Values of even index first, which is the order that the sorted transform begins with.
    for i in 0..N / 2 {
        (all[2 * i], all[2 * i + 1]) = all[2 * i].deinterleave(all[2 * i + 1]);
    }
    transform_sorted(all)
}

/// The transform of a chunk of packed symbols of four bits, those of even index in the lower halves of bytes.
/// A symbol stands for one of sixteen levels; `planes` has the first bytes of all levels, then the second
/// ones, and so on, each sixteen repeated four times.
///
/// Low and high halves of bytes are masked apart, which sorts the values by the lowest bit of their index for
/// free: the first shuffle of a transform is saved.
#[inline(always)]
pub fn transform_levels<S: Simd>(simd: S, planes: &[[u8; 64]; 4], packed: &[u8]) -> [f32x16<S>; 8] {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(token) = only_avx2(simd) {
        // Multiplying by 1 is exact, so the fused operation rounds as a plain sum; the black box keeps LLVM
        // from making slow horizontal additions. See `transform_vectors`.
        let one = std::hint::black_box(1.0);
        let [a, b, c, d] = x86_levels(simd, token, one, planes, &packed[..32]);
        let [e, f, g, h] = x86_levels(simd, token, one, planes, &packed[32..64]);
        // The seventh stage, between the two halves of the chunk.
        return [a + e, b + f, c + g, d + h, a - e, b - f, c - g, d - h];
    }
    let mut all = [f32x16::splat(simd, 0.0); 8];
    let packed = u8x64::from_slice(simd, &packed[..64]);
    let (even, odd) =
        (look_up_levels(simd, planes, packed & 0x0F), look_up_levels(simd, planes, packed >> 4));
    for i in 0..4 {
        (all[2 * i], all[2 * i + 1]) = (even[i], odd[i]);
    }
    transform_sorted(all)
}

/// The levels of 64 symbols below 16. The four bytes of a level are looked up one by one, because the look-up
/// in registers that tiers have is one of bytes in a table of sixteen; then the bytes of each level are
/// joined.
#[inline(always)]
pub fn look_up_levels<S: Simd>(simd: S, planes: &[[u8; 64]; 4], symbols: u8x64<S>) -> [f32x16<S>; 4] {
    let mut found = [symbols; 4];
    for (found, plane) in found.iter_mut().zip(planes) {
        *found = u8x64::from_slice(simd, plane).swizzle_dyn_within_blocks(symbols);
    }
    let [a, b, c, d] = found;
    let (low, high) = (a.interleave(b), c.interleave(d));
    let (first, rest) =
        (join_halves(low.0.bitcast(), high.0.bitcast()), join_halves(low.1.bitcast(), high.1.bitcast()));
    [first.0, first.1, rest.0, rest.1]
}

/// Joins 32 values from the lower and the upper halves of their bits.
#[inline(always)]
fn join_halves<S: Simd>(low: u16x32<S>, high: u16x32<S>) -> (f32x16<S>, f32x16<S>) {
    let (first, second) = low.interleave(high);
    (first.bitcast(), second.bitcast())
}

/// The first six stages of 64 values, with AVX2. `one` is 1.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
fn x86_values<S: Simd>(simd: S, token: Avx2, one: f32, all: &[f32x16<S>]) -> [f32x16<S>; 4] {
    let mut x = [f32x8::splat(simd, 0.0).into(); 8];
    for k in 0..4 {
        let (low, high) = all[k].split();
        (x[2 * k], x[2 * k + 1]) = (low.into(), high.into());
    }
    join_vectors(simd, avx2::transform_values(token, one, x))
}

/// The first six stages of the levels of 64 symbols in 32 bytes, with AVX2. `one` is 1.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
fn x86_levels<S: Simd>(
    simd: S,
    token: Avx2,
    one: f32,
    planes: &[[u8; 64]; 4],
    packed: &[u8],
) -> [f32x16<S>; 4] {
    let mut tables = [u8x32::splat(simd, 0).into(); 4];
    for i in 0..4 {
        tables[i] = u8x32::from_slice(simd, &planes[i][..32]).into();
    }
    let packed = u8x32::from_slice(simd, packed);
    let even = avx2::look_up_levels(token, tables, (packed & 0x0F).into());
    let odd = avx2::look_up_levels(token, tables, (packed >> 4).into());
    join_vectors(simd, avx2::transform_even_odd(token, one, even, odd))
}

/// Joins pairs of registers of eight values to vectors of sixteen.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
fn join_vectors<S: Simd, T: Copy + SimdInto<f32x8<S>, S>>(simd: S, x: [T; 8]) -> [f32x16<S>; 4] {
    let mut all = [f32x16::splat(simd, 0.0); 4];
    for k in 0..4 {
        let (low, high): (f32x8<S>, f32x8<S>) = (x[2 * k].simd_into(simd), x[2 * k + 1].simd_into(simd));
        all[k] = low.combine(high);
    }
    all
}

/// The transform of pairs of vectors, each of which holds 32 values: those of even index in the first vector,
/// those of odd index in the second.
///
/// A stage adds and subtracts whole vectors; then one sort by the lowest bit of a place brings the partners
/// of the next stage into one place of the two vectors. The place has five bits with that of the vector, so
/// after five stages and four sorts, and the one that the caller made, everything is where it was.
#[inline(always)]
fn transform_sorted<S: Simd, const N: usize>(mut all: [f32x16<S>; N]) -> [f32x16<S>; N] {
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

/// The stages whose partners are at least `half` vectors apart: whole vectors, without shuffles.
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

/// One stage over memory: sums and differences of values that are `half` apart. Vectorised by the compiler.
#[inline(always)]
fn stage(x: &mut [f32], half: usize) {
    for pair in x.chunks_exact_mut(2 * half) {
        let (low, high) = pair.split_at_mut(half);
        for (a, b) in low.iter_mut().zip(high) {
            (*a, *b) = (*a + *b, *a - *b);
        }
    }
}

/// Two stages over memory, of distance `half` and `2·half`, with one load and one store per value.
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

/// All stages of a transform below 32 values, the length being known to the compiler, which unrolls them.
#[inline(always)]
fn transform_small<const N: usize>(x: &mut [f32; N]) {
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
