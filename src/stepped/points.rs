//! Reconstruction points of a row as integers of 16 bits: whether they fit, and how they are put into a panel.
//!
//! These rules are part of the format: they decide which way a decoded row takes.

use crate::vector::matrix::Pairs;
use crate::vector::sums::ROUND;

/// Octaves by which points are made coarser if they do not fit as they are: then they are eighths of a step,
/// whose rounding is still small beside the step, and rows eight times as large are spared the wide path.
pub(super) const COARSER: u32 = 3;
/// Largest contribution of a centre, in units of a point, that is rounded to a whole number of them. Larger
/// ones would leave the range in which [`nearest_integer`] is exact.
pub(super) const LARGEST_POINT: f32 = 1e6;

/// Nearest integer, ties to even, of a number of magnitude at most [`LARGEST_POINT`]. Adding `ROUND` leaves
/// the integer in the low bits of the mantissa, which takes no conversion and rounds alike on every tier.
#[inline(always)]
pub(super) fn nearest_integer(x: f32) -> i32 {
    (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

/// `point / 2^shift`, rounded to nearest, halves upwards. The decoder in `docs/FORMAT.md` does the same.
#[inline(always)]
fn coarsen(point: i32, shift: u32) -> i32 {
    point.wrapping_add((1 << shift) >> 1) >> shift
}

/// Whether points, coarsened, have 16 bits and the sum of their squares is within the limit, beyond which a
/// sum of products might overflow. Points beyond 2^17 are refused in any case, coarsened or not: their
/// squares are then small enough to be computed without a check.
#[inline(always)]
pub(super) fn fits(points: &[i32], shift: u32, limit: u64) -> bool {
    let (mut low, mut high) = (0, 0);
    for &point in points {
        (low, high) = (point.min(low), point.max(high));
    }
    if low < -(1 << 17) || high > 1 << 17 {
        return false;
    }
    let (low, high) = (coarsen(low, shift), coarsen(high, shift));
    let square = |&point: &i32| u64::from(coarsen(point, shift).unsigned_abs().pow(2));
    low >= -32767 && high <= 32767 && points.iter().map(square).sum::<u64>() <= limit
}

/// Puts the points of a row, coarsened, into its place in a group, and zeros after them.
#[inline(always)]
pub(super) fn put_points(points: &[i32], shift: u32, row: usize, group: &mut [Pairs]) {
    let (pairs, rest) = points.as_chunks::<2>();
    let q = |point: i32| coarsen(point, shift) as i16;
    let (head, tail) = group.split_at_mut(pairs.len());
    for (out, [a, b]) in head.iter_mut().zip(pairs) {
        out[row] = [q(*a), q(*b)];
    }
    let last = rest.first().map(|&last| [q(last), 0]);
    tail.iter_mut().enumerate().for_each(|(i, out)| out[row] = last.filter(|_| i == 0).unwrap_or_default());
}
