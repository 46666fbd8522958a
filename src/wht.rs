//! The Walsh–Hadamard transform, unnormalised and in natural order: chunks of [`CHUNK`] in registers, then stages over memory.

use fearless_simd::{Simd, SimdBase, f32x16};

/// What is transformed in registers.
pub const CHUNK: usize = 128;

/// Where the values of a transform are read from.
pub trait Source {
    /// The values of a chunk, each two vectors' worth with those of even index first.
    fn sorted<S: Simd>(&self, simd: S, chunk: usize) -> [f32x16<S>; 8];
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
pub fn sorted<S: Simd, const N: usize>(simd: S, x: &[[f32; 16]]) -> [f32x16<S>; N] {
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
pub fn in_registers<S: Simd, const N: usize>(all: [f32x16<S>; N], x: &mut [f32]) {
    let all = transformed(all);
    let x = &mut x.as_chunks_mut::<16>().0[..N];
    for i in 0..N {
        all[i].store_slice(&mut x[i]);
    }
}

/// The transform of `all`, times the factors and the scale, to `x`.
#[inline(always)]
pub fn in_registers_to<S: Simd, const N: usize>(
    simd: S,
    all: [f32x16<S>; N],
    (factors, scale): (&[f32], f32),
    x: &mut [f32],
) {
    let all = transformed(all);
    for (i, z) in all.into_iter().enumerate() {
        put(simd, z, (factors, scale), x, 16 * i);
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
