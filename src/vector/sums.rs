//! Sums over a row in a fixed order, the same on every tier: sixteen partial sums, added pairwise.
//!
//! A sum of floats depends on the order of its terms. Here value `i` always goes to partial sum `i mod 16`,
//! with a product and a sum that are rounded separately, and the partial sums are added by halves: 16, 8, 4,
//! 2, 1. Sixteen is the width of AVX-512; a tier with narrower registers keeps the sums in several of them,
//! which also hides the latency of additions. Partial sums also lose less to rounding than one long sum
//! would.

use fearless_simd::{Simd, SimdBase, SimdSplit, f32x16};

/// Inner product, compiled for the baseline of the target: for fitting and for other work outside hot loops.
/// The bits are those of [`dot_on`]. If one slice is longer, its rest counts for nothing.
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

/// [`dot`], compiled for a tier: the same bits, for the loops over rows.
#[inline(always)]
pub fn dot_on<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = f32x16::splat(simd, 0.0);
    for (a, b) in a.iter().zip(b) {
        sums += f32x16::from_slice(simd, a) * f32x16::from_slice(simd, b);
    }
    if a_rest.is_empty() { pairwise_on(sums) } else { with_rest(sums, a_rest, b_rest) }
}

/// `‖a − s·b‖²`: the squared error of a row with scale `s`, without writing the decoded row. It is the
/// [`dot`] of the difference with itself, to the bit.
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

/// Largest magnitude in a row, 0 for an empty one; not finite if any value is not, so that one pass finds
/// both the peak and whether the row can be coded.
///
/// The order of magnitudes is the order of their bits, NaN above infinity. Unlike that of floats, the maximum
/// of integers vectorises, and it does not lose a NaN.
#[inline(always)]
pub(crate) fn peak(row: &[f32]) -> f32 {
    f32::from_bits(row.iter().fold(0, |peak, x| peak.max(x.to_bits() & 0x7FFF_FFFF)))
}

/// `1.5·2^23`. Adding it to a number of magnitude below 2^22 rounds to the nearest integer, ties to even, and
/// leaves that integer in the low bits of the sum: from 2^23 to 2^24 the last place of a binary32 is 1. The
/// half in 1.5 keeps the sum in this range for negative numbers, whose bits then are in two's complement.
///
/// It is one addition, which every tier has and rounds alike. Conversions to integers differ between tiers in
/// how they round and in what they do out of range.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// The sum of sixteen partial sums, by halves: the same tree as [`pairwise`], with registers as long as they
/// are whole.
#[inline(always)]
pub(crate) fn pairwise_on<S: Simd>(sums: f32x16<S>) -> f32 {
    let (low, high) = sums.split();
    let (low, high) = (low + high).split();
    let mut four = [0.0; 4];
    (low + high).store_slice(&mut four);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Adds the products of the last values, fewer than sixteen, and then all partial sums.
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

/// The sum of sixteen partial sums, by halves.
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
    use crate::vector::tier::dispatch;
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
