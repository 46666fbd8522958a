//! Products of many rows with one fixed matrix, in integers.
//!
//! The matrix is rounded to 16 bits, rows come rounded to 16 bits, and products are summed in 32 bits. The
//! callers keep rows short enough that no sum overflows ([`Matrix::limit`]). A sum of integers is then exact
//! in any order, so every CPU tier gives the same bits although each one adds in an order of its own. This
//! takes half the instructions of binary32 with fused multiply-add, which SSE2 does not have and which would
//! round differently, and a quarter of those of binary32 without it.
//!
//! Both operands hold *pairs* of neighbouring values, because the instruction that this is built on
//! multiplies two pairs of 16-bit integers and adds the two products to one 32-bit integer (`pmaddwd` on
//! x86).
//!
//! ```text
//! rows    groups of 8: [⌈n/8⌉][⌈depth/2⌉][8 rows][2]
//! matrix  blocks of 16 columns: [⌈width/16⌉][⌈depth/2⌉][16 columns][2]
//! ```
//!
//! An odd depth and a width that is not a multiple of 16 are filled up with zeros, which add nothing to a
//! sum.

use super::sums::{ROUND, dot, peak};
use super::tier::{dispatch, on_tier};
use crate::error::{Result, try_vec};
use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, SimdBase, f32x16, i16x32, i32x16};
use std::ops::Range;

/// Rows of a group: with two blocks of columns their sums fill 16 of the 32 registers of AVX-512, and each
/// pair of the matrix that is loaded serves eight rows.
pub(crate) const TILE_ROWS: usize = 8;
/// Columns of a block: one register of AVX-512, two of AVX2, four of SSE2 and NEON.
const COLUMNS: usize = 16;

/// Two neighbouring values of each row of a group.
pub(crate) type Pairs = [[i16; 2]; TILE_ROWS];

/// Rows of 16-bit integers to multiply with a [`Matrix`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedRows<'a> {
    /// Groups of 8 rows, of [`Matrix::pairs`] pairs each.
    pub groups: &'a [Pairs],
    /// Number of rows; those after it in the last group have undefined products.
    pub count: usize,
    /// Pairs per row that may differ from 0. Those behind it are not read, which is what makes it cheap to
    /// decode rows whose last coefficients are all 0.
    pub live_pairs: usize,
}

/// A matrix `[depth, width]` that rows of `depth` values are multiplied with.
#[derive(Debug)]
pub(crate) struct Matrix {
    width: usize,
    /// Pairs of values per row: half the depth, rounded up.
    pairs: usize,
    /// `[blocks, pairs]`, so that a product of a row and a block reads memory in order.
    packed: Vec<[i16; 2 * COLUMNS]>,
    /// The value of the integer 1: a power of two, so that scaling by it rounds nothing.
    unit: f32,
    /// Largest `Σ q²` of a row of integers that cannot overflow.
    limit: u64,
}

impl Matrix {
    /// Rounds a matrix of finite values to 16 bits and packs it, on the tier `level`. The values are
    /// `[depth, width]`, or `[width, depth]` if they are `transposed`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(level: Level, depth: usize, width: usize, values: &[f32], transposed: bool) -> Result<Self> {
        let (pairs, blocks) = (depth.div_ceil(2), width.div_ceil(COLUMNS));
        let mut packed = try_vec(pairs * blocks, [0; 2 * COLUMNS], "the codec")?;
        let peak = dispatch!(level, _simd => peak(values));
        // The peak becomes an integer from 2^14 to 2^15: the finest unit that 16 bits have room for. The
        // exponent is clamped so that the unit and its inverse are normal numbers, also for a matrix of
        // zeros.
        let exponent = ((peak.max(f32::MIN_POSITIVE).to_bits() >> 23) as i32 - 127).clamp(-100, 100);
        let (unit, inverse) = (power_of_two(exponent - 14), power_of_two(14 - exponent));
        // At least 1, so that a matrix of zeros has a limit too.
        let mut most = 1;
        for (block, lines) in packed.chunks_exact_mut(pairs.max(1)).enumerate() {
            let columns = block * COLUMNS..width.min((block + 1) * COLUMNS);
            let energies = dispatch!(level, simd => {
                if transposed {
                    let columns = &values[columns.start * depth..columns.end * depth];
                    pack_transposed(simd, columns.chunks_exact(depth), inverse, lines);
                } else {
                    pack(simd, values, width, columns, inverse, lines);
                }
                energies(simd, lines)
            });
            most = energies.into_iter().fold(most, u64::max);
        }
        // By Cauchy and Schwarz |Σ q·m| ≤ √(Σ q²)·√(Σ m²), which has to stay below 2^31. The same holds for
        // every part of the sum, so no partial sum overflows either.
        Ok(Self { width, pairs, packed, unit, limit: (1 << 62) / most - 1 })
    }

    /// Largest `Σ q²` of a row of integers whose products with all columns fit in 32 bits. A row above it
    /// must not be multiplied: its sums would wrap.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The value of the integer 1 of the matrix: a product of integers, times this and times the scale of
    /// the row, is the product of the values.
    pub fn unit(&self) -> f32 {
        self.unit
    }

    /// Pairs of values per row.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Floats per row of products: the columns in whole blocks, so that blocks are stored without a mask.
    pub fn stride(&self) -> usize {
        self.width.next_multiple_of(COLUMNS)
    }

    /// `out[r, c] = scales[r]·Σₖ rows[r, k]·matrix[k, c] + bias[c]` for the first `rows.count` rows; an empty
    /// `bias` stands for zeros. `out` is `[count, stride]` with `count` rounded up to whole groups of 8, and
    /// `bias` is `[stride]`.
    ///
    /// Rows of each group are limited by [`Matrix::limit`]. The last step, from an integer to a float, is a
    /// conversion, a product and a sum, each rounded once, in this order on every tier.
    ///
    /// Blocks of columns are the outer loop: one or two of them stay in the cache while all rows pass.
    /// On AVX-512 two blocks at a time share what is loaded of the rows. Tiers with narrower registers have
    /// too few of them for that, and take four rows of one block. A single row, which is what decoding one
    /// row out of a block needs, has a path of its own that does not compute the other seven.
    #[inline(never)]
    pub fn multiply<S: Simd>(
        &self,
        simd: S,
        rows: PackedRows<'_>,
        scales: &[f32],
        bias: &[f32],
        out: &mut [f32],
    ) {
        on_tier!(simd, self.multiply_groups(simd, rows, scales, bias, out));
    }

    /// [`Matrix::multiply`], inlined on AVX2, where that saves 2 % of the instructions of decoding. On the
    /// other tiers it costs up to 15 %.
    #[inline(always)]
    pub fn multiply_decoded<S: Simd>(
        &self,
        simd: S,
        rows: PackedRows<'_>,
        scales: &[f32],
        bias: &[f32],
        out: &mut [f32],
    ) {
        if S::f32s::LEN == 8 && rows.count > 1 {
            self.multiply_groups(simd, rows, scales, bias, out);
        } else {
            self.multiply(simd, rows, scales, bias, out);
        }
    }

    #[inline(always)]
    fn multiply_groups<S: Simd>(
        &self,
        simd: S,
        rows: PackedRows<'_>,
        scales: &[f32],
        bias: &[f32],
        out: &mut [f32],
    ) {
        let PackedRows { groups: rows, count, live_pairs: live } = rows;
        let (stride, blocks) = (self.stride(), self.stride() / COLUMNS);
        let block = |index: usize| &self.packed[index * self.pairs..][..live];
        let wide = S::f32s::LEN >= COLUMNS;
        let mut at = 0;
        while at < blocks {
            let two = wide && at + 1 < blocks;
            let groups = rows.chunks_exact(self.pairs).zip(scales.as_chunks::<TILE_ROWS>().0);
            let groups = groups.zip(out.chunks_exact_mut(TILE_ROWS * stride)).take(count.div_ceil(TILE_ROWS));
            for (index, ((group, scales), out)) in groups.enumerate() {
                let (group, left) = (&group[..live], count - index * TILE_ROWS);
                // Plain loops: a closure is a function of its own, which is not compiled for the tier.
                if left == 1 {
                    let [[sums]] = tile::<S, 0, 1, 1>(simd, group, [block(at)]);
                    store_block(simd, sums, scales[0], bias, at, &mut out[..stride]);
                    if two {
                        let [[sums]] = tile::<S, 0, 1, 1>(simd, group, [block(at + 1)]);
                        store_block(simd, sums, scales[0], bias, at + 1, &mut out[..stride]);
                    }
                } else if two {
                    let sums = tile::<S, 0, 8, 2>(simd, group, [block(at), block(at + 1)]);
                    for (row, [a, b]) in sums.into_iter().enumerate() {
                        let out = &mut out[row * stride..][..stride];
                        store_block(simd, a, scales[row], bias, at, out);
                        store_block(simd, b, scales[row], bias, at + 1, out);
                    }
                } else {
                    let sums = tile::<S, 0, 4, 1>(simd, group, [block(at)]);
                    for (row, [sums]) in sums.into_iter().enumerate() {
                        store_block(simd, sums, scales[row], bias, at, &mut out[row * stride..][..stride]);
                    }
                    if left > 4 {
                        let sums = tile::<S, 4, 4, 1>(simd, group, [block(at)]);
                        for (row, [sums]) in (4..).zip(sums) {
                            store_block(
                                simd,
                                sums,
                                scales[row],
                                bias,
                                at,
                                &mut out[row * stride..][..stride],
                            );
                        }
                    }
                }
            }
            at += if two { 2 } else { 1 };
        }
    }
}

/// Writes block `at` of a row of products: sums, times a scale, plus the bias if there is any.
///
/// A bias of 0 is added all the same: the sum of a product and 0 differs from the product only in the sign of
/// a zero, and one path for both keeps the tiers alike.
#[inline(always)]
fn store_block<S: Simd>(simd: S, sums: i32x16<S>, scale: f32, bias: &[f32], at: usize, row: &mut [f32]) {
    let range = at * COLUMNS..(at + 1) * COLUMNS;
    let bias = match bias.get(range.clone()) {
        Some(bias) => f32x16::from_slice(simd, bias),
        None => f32x16::splat(simd, 0.0),
    };
    (f32x16::float_from(sums) * scale + bias).store_slice(&mut row[range]);
}

/// Sums of products of `ROWS` rows of a group, from row `FROM` on, with `BLOCKS` blocks of columns. `rows`
/// and `blocks` are of the same length. The numbers are constants so that all sums are in registers.
#[inline(always)]
fn tile<S: Simd, const FROM: usize, const ROWS: usize, const BLOCKS: usize>(
    simd: S,
    rows: &[Pairs],
    blocks: [&[[i16; 2 * COLUMNS]]; BLOCKS],
) -> [[i32x16<S>; BLOCKS]; ROWS] {
    let mut sums = [[i32x16::splat(simd, 0); BLOCKS]; ROWS];
    let blocks = blocks.map(|block| &block[..rows.len()]);
    for (k, pairs) in rows.iter().enumerate() {
        let columns = blocks.map(|block| i16x32::from_slice(simd, &block[k]));
        for (sums, [a, b]) in sums.iter_mut().zip(&pairs[FROM..FROM + ROWS]) {
            // Both values of the pair, as one integer of 32 bits, in every column.
            let pair = i32::from(*a as u16) | (i32::from(*b) << 16);
            let pair: i16x32<S> = i32x16::splat(simd, pair).bitcast();
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum += pair.pairwise_dot_product(column);
            }
        }
    }
    sums
}

/// Packs the block `columns` of a matrix with `width` columns, whose values are multiplied by `scale`.
#[inline(always)]
fn pack<S: Simd>(
    simd: S,
    values: &[f32],
    width: usize,
    columns: Range<usize>,
    scale: f32,
    lines: &mut [[i16; 2 * COLUMNS]],
) {
    for (rows, line) in values.chunks(2 * width).zip(lines) {
        // The last row of an odd depth has no partner: `nearest` makes zeros of an empty slice.
        let (a, b) = rows.split_at(width);
        let low = nearest(simd, &a[columns.clone()], scale) & 0xFFFF;
        let high = nearest(simd, b.get(columns.clone()).unwrap_or_default(), scale) << 16;
        let both: i16x32<S> = (low | high).bitcast();
        both.store_slice(line);
    }
}

/// Packs a block of a transposed matrix, whose columns lie one after the other in memory. What it writes is
/// what [`pack`] writes for the same matrix.
#[inline(always)]
fn pack_transposed<'a, S: Simd>(
    simd: S,
    columns: impl Iterator<Item = &'a [f32]>,
    scale: f32,
    lines: &mut [[i16; 2 * COLUMNS]],
) {
    for (i, column) in columns.enumerate() {
        for (column, lines) in column.chunks(COLUMNS).zip(lines.chunks_mut(COLUMNS / 2)) {
            let q: [i32; COLUMNS] = nearest(simd, column, scale).into();
            let q = q.map(|q| q as i16);
            for (line, pair) in lines.iter_mut().zip(q.as_chunks::<2>().0) {
                line[2 * i..2 * i + 2].copy_from_slice(pair);
            }
        }
    }
}

/// The sums of the squares of a block's columns. A pair adds at most 2·32,767², which fits in 32 bits, and a
/// column has at most 2^11 pairs; only their sum needs 64.
#[inline(always)]
fn energies<S: Simd>(simd: S, lines: &[[i16; 2 * COLUMNS]]) -> [u64; COLUMNS] {
    let mut energies = [0; COLUMNS];
    for line in lines {
        let line = i16x32::from_slice(simd, line);
        let squares: [i32; COLUMNS] = line.pairwise_dot_product(line).into();
        energies.iter_mut().zip(squares).for_each(|(energy, square)| *energy += u64::from(square as u32));
    }
    energies
}

/// Sixteen values, filled up with zeros if there are fewer.
#[inline(always)]
fn pad_to_block(values: &[f32]) -> [f32; COLUMNS] {
    if let Some(all) = values.first_chunk() {
        return *all;
    }
    let mut padded = [0.0; COLUMNS];
    padded[..values.len()].copy_from_slice(values);
    padded
}

/// The integers nearest to up to sixteen values times `scale`, none beyond ±32,767. Ties go away from 0, as
/// with [`f32::round`], which itself is not vectorised.
///
/// It adds the number before one half and cuts off. One half would be wrong for the number before it: their
/// sum rounds to 1. −32,768 is left out because the sum of two of its squares is 2^31, which overflows.
#[inline(always)]
fn nearest<S: Simd>(simd: S, values: &[f32], scale: f32) -> i32x16<S> {
    const BELOW_HALF: f32 = 0.5_f32.next_down();
    let x = (f32x16::from_slice(simd, &pad_to_block(values)) * scale).max(-32767.0).min(32767.0);
    (x + f32x16::splat(simd, BELOW_HALF).copysign(x)).to_int()
}

/// `2^exponent`, exactly; the exponent is that of a normal number, −126 to 127.
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

/// Rounds a row to integers `q` with `Σ q²` within `limit` and stores them as row `row` of a group. Returns
/// the scale: the values are about `q·scale`. A row of zeros has scale 0.
///
/// A row is as fine as both bounds allow, so what is lost follows from the scale, and the caller can tell
/// whether that is fine enough. Ties go to even ([`ROUND`]).
#[inline(always)]
pub(crate) fn put_rounded(values: &[f32], limit: u64, row: usize, group: &mut [Pairs]) -> f32 {
    let (peak, energy) = (peak(values), dot(values, values));
    // The margin of 1 % is for what rounding adds to the length of a row. That is at most √depth/2, which it
    // covers for any row of up to 1,300 values, and beyond for all whose rounding errors do not add up.
    let root = (limit as f64).sqrt() as f32 * 0.99;
    // Further below 32,767 than rounding to an integer and the errors of binary32 can add.
    let most = (32_700.0 / peak).min(root / energy.sqrt());
    // The quotients of a row of zeros are infinite.
    let inverse = if most.is_finite() { most } else { 0.0 };
    let round = |x: f32| (x * inverse + ROUND).to_bits() as i16;
    let (pairs, rest) = values.as_chunks::<2>();
    for (out, [a, b]) in group.iter_mut().zip(pairs) {
        out[row] = [round(*a), round(*b)];
    }
    if let ([last], Some(out)) = (rest, group.get_mut(pairs.len())) {
        out[row] = [round(*last), 0];
    }
    if inverse > 0.0 { 1.0 / inverse } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(i: usize) -> f32 {
        ((i * i * 31 + i * 17) % 97) as f32 / 97.0 - 0.5
    }

    #[test]
    fn the_nearest_integer_is_that_of_the_library() {
        let nearest = |values: [f32; COLUMNS]| -> [i32; COLUMNS] {
            dispatch!(Level::new(), simd => nearest(simd, &values, 1.0).into())
        };
        assert_eq!([nearest([40_000.0; 16]), nearest([-40_000.0; 16])], [[32_767; 16], [-32_767; 16]]);
        for half in -65_000..=65_000 {
            let x = half as f32 / 2.0;
            let mut values = [x.next_down(); COLUMNS];
            values[..3].copy_from_slice(&[x, x.next_up(), x + 0.25]);
            assert_eq!(nearest(values), values.map(|x| x.round() as i32), "{x:e}");
        }
    }

    /// Every shape, against the sum in binary64; on every level the same bits.
    #[test]
    fn products_are_those_of_the_definition() {
        for (depth, width) in [(1, 1), (2, 16), (7, 40), (64, 33), (130, 48)] {
            let values: Vec<f32> = (0..depth * width).map(value).collect();
            let matrix = Matrix::new(Level::new(), depth, width, &values, false).unwrap();
            let columns: Vec<f32> =
                (0..width).flat_map(|c| values[c..].iter().step_by(width).copied()).collect();
            let same = Matrix::new(Level::new(), depth, width, &columns, true).unwrap();
            assert_eq!((&same.packed, same.unit, same.limit), (&matrix.packed, matrix.unit, matrix.limit));
            let n = 16;
            let rows: Vec<f32> = (0..n * depth).map(|i| value(3 * i + 1) * (1 + i % n) as f32).collect();
            let mut packed = vec![[[0; 2]; TILE_ROWS]; 2 * matrix.pairs()];
            let mut scales = vec![0.0; n];
            for (r, row) in rows.chunks(depth).enumerate() {
                let group = &mut packed[r / TILE_ROWS * matrix.pairs()..][..matrix.pairs()];
                scales[r] = put_rounded(row, matrix.limit(), r % TILE_ROWS, group) * matrix.unit();
            }
            let bias: Vec<f32> = (0..matrix.stride()).map(|c| c as f32).collect();
            let run = |level: Level| {
                let mut out = vec![0.0; n * matrix.stride()];
                let rows = PackedRows { groups: &packed, count: n, live_pairs: matrix.pairs() };
                dispatch!(level, simd => matrix.multiply(simd, rows, &scales, &bias, &mut out));
                out
            };
            let out = run(Level::new());
            assert_eq!(out, run(Level::baseline()));
            for (r, row) in rows.chunks(depth).enumerate() {
                let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                for c in 0..width {
                    let exact: f64 =
                        (0..depth).map(|k| f64::from(row[k]) * f64::from(value(k * width + c))).sum();
                    let off = f64::from(out[r * matrix.stride() + c]) - exact - c as f64;
                    assert!(off.abs() < 2e-4 * length + 1e-6 * c as f64, "{depth} x {width}: {off}");
                }
            }
        }
    }

    /// Rows and columns as long as they may be, all of one sign: the sum comes near 2^31 and does not wrap.
    #[test]
    fn the_longest_rows_do_not_overflow() {
        let (depth, width) = (512, 16);
        let matrix = Matrix::new(Level::new(), depth, width, &vec![0.044; depth * width], false).unwrap();
        let mut packed = vec![[[0; 2]; TILE_ROWS]; matrix.pairs()];
        let scale = put_rounded(&vec![1.0; depth], matrix.limit(), 0, &mut packed);
        let mut out = vec![0.0; TILE_ROWS * 16];
        let scales = [scale * matrix.unit(); TILE_ROWS];
        let rows = PackedRows { groups: &packed, count: 1, live_pairs: matrix.pairs() };
        dispatch!(Level::new(), simd => matrix.multiply(simd, rows, &scales, &[], &mut out));
        assert!((out[0] / (512.0 * 0.044) - 1.0).abs() < 1e-3, "{}", out[0]);
        assert!(out[0] / scales[0] > 0.9 * f32::powi(2.0, 31));
    }

    #[test]
    fn zeros_have_no_scale() {
        let mut group = [[[7; 2]; TILE_ROWS]; 2];
        assert_eq!(put_rounded(&[0.0; 3], 1 << 30, 2, &mut group), 0.0);
        assert_eq!([group[0][2], group[1][2]], [[0; 2]; 2]);
        let matrix = Matrix::new(Level::new(), 3, 2, &[0.0; 6], false).unwrap();
        assert!(matrix.unit() > 0.0);
    }
}
