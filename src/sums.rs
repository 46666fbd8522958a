//! Sums over a row in a fixed order, the same on every tier: sixteen partial sums, added pairwise.

use fearless_simd::{Simd, SimdBase, SimdSplit, f32x16};

/// Inner product.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    add_products(&mut sums, a_rest, b_rest);
    pairwise(sums)
}

/// [`dot`], compiled for a tier.
#[inline(always)]
pub fn dot_on<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = f32x16::splat(simd, 0.0);
    for (a, b) in a.iter().zip(b) {
        sums += f32x16::from_slice(simd, a) * f32x16::from_slice(simd, b);
    }
    if a_rest.is_empty() { pairwise_on(sums) } else { with_rest(sums, a_rest, b_rest) }
}

/// `‖a − s·b‖²`.
#[inline(always)]
pub fn square_of_difference<S: Simd>(simd: S, a: &[f32], s: f32, b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = f32x16::splat(simd, 0.0);
    for (a, b) in a.iter().zip(b) {
        let off = f32x16::from_slice(simd, a) - f32x16::from_slice(simd, b) * s;
        sums += off * off;
    }
    if a_rest.is_empty() {
        return pairwise_on(sums);
    }
    let mut rest = [0.0; 16];
    for (off, (a, b)) in rest.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *off = a - b * s;
    }
    with_rest(sums, &rest[..a_rest.len()], &rest[..a_rest.len()])
}

/// The sum of the partial ones.
#[inline(always)]
pub(crate) fn pairwise_on<S: Simd>(sums: f32x16<S>) -> f32 {
    let (low, high) = sums.split();
    let (low, high) = (low + high).split();
    let mut four = [0.0; 4];
    (low + high).store_slice(&mut four);
    (four[0] + four[2]) + (four[1] + four[3])
}

#[inline(always)]
fn with_rest<S: Simd>(sums: f32x16<S>, a: &[f32], b: &[f32]) -> f32 {
    let mut all = [0.0; 16];
    sums.store_slice(&mut all);
    add_products(&mut all, a, b);
    pairwise(all)
}

#[inline(always)]
fn add_products(sums: &mut [f32; 16], a: &[f32], b: &[f32]) {
    for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
        *sum += a * b;
    }
}

#[inline(always)]
fn pairwise(mut sums: [f32; 16]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch;
    use fearless_simd::Level;

    #[test]
    fn the_order_of_a_sum_does_not_depend_on_how_it_is_compiled() {
        for len in [0, 1, 5, 15, 16, 17, 64, 100, 128, 257] {
            let a: Vec<f32> = (0..len).map(|i| ((i * 37 + 11) % 101) as f32 / 7.0 - 5.0).collect();
            let b: Vec<f32> = (0..len).map(|i| ((i * 53 + 29) % 97) as f32 / 3.0 - 15.0).collect();
            let difference: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b * 0.3).collect();
            let plain = [dot(&a, &b), dot(&difference, &difference)];
            for level in [Level::baseline(), Level::new()] {
                let found = dispatch!(level, simd => {
                    [dot_on(simd, &a, &b), square_of_difference(simd, &a, 0.3, &b)]
                });
                assert_eq!(found.map(f32::to_bits), plain.map(f32::to_bits), "length {len}");
            }
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(plain[0]) - exact).abs() <= 1e-5 * (1.0 + exact.abs()) * len as f64);
        }
    }
}
