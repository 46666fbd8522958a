//! Products of many rows with one fixed matrix, in integers.
//!
//! The matrix is rounded to 16 bits, rows come rounded to 16 bits, products are summed in 32 bits. A sum never
//! overflows, because rows whose length allows it to are refused beforehand ([`Matrix::limit`]); so it is exact, whatever
//! the order, and every CPU tier gives the same bits. That takes half the instructions of binary32 with fused
//! multiply-add, and a quarter of those without.
//!
//! ```text
//! rows    groups of 8: [⌈n/8⌉][⌈depth/2⌉][8 rows][2]
//! matrix  blocks of 16 columns: [⌈width/16⌉][⌈depth/2⌉][16 columns][2]
//! ```

use crate::error::{Result, try_vec};
use crate::simd::dispatch;
use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, SimdBase, f32x16, i16x32, i32x16};
use std::ops::Range;

/// Rows of a group.
pub(crate) const GROUP: usize = 8;
/// Columns of a block.
const COLUMNS: usize = 16;

/// Two neighbouring values of each row of a group.
pub(crate) type Pairs = [[i16; 2]; GROUP];

/// A matrix `[depth, width]` that rows of `depth` values are multiplied with.
#[derive(Debug)]
pub(crate) struct Matrix {
    width: usize,
    /// Pairs of values that a row has.
    pairs: usize,
    packed: Vec<[i16; 2 * COLUMNS]>,
    /// What 1 stands for: a power of two.
    unit: f32,
    /// Largest `Σ q²` of a row of integers that cannot overflow.
    limit: u64,
}

impl Matrix {
    /// Rounds and packs a matrix of finite values, `[depth, width]` or, where it is `transposed`, `[width, depth]`.
    pub fn new(depth: usize, width: usize, values: &[f32], transposed: bool) -> Result<Self> {
        let (pairs, blocks) = (depth.div_ceil(2), width.div_ceil(COLUMNS));
        let mut packed = try_vec(pairs * blocks, [0; 2 * COLUMNS], "the codec")?;
        let level = Level::new();
        let peak =
            dispatch!(level, _simd => values.iter().fold(0, |peak, x| peak.max(x.to_bits() & 0x7FFF_FFFF)));
        // The peak becomes an integer from 2^14 to 2^15.
        let exponent = ((peak.max(f32::MIN_POSITIVE.to_bits()) >> 23) as i32 - 127).clamp(-100, 100);
        let (unit, inverse) = (power_of_two(exponent - 14), power_of_two(14 - exponent));
        let mut most = 1;
        for (block, lines) in packed.chunks_exact_mut(pairs.max(1)).enumerate() {
            let columns = block * COLUMNS..width.min((block + 1) * COLUMNS);
            let energies = dispatch!(level, simd => {
                if transposed {
                    let columns = &values[columns.start * depth..columns.end * depth];
                    pack_transposed(simd, columns.chunks_exact(depth), inverse, lines);
                } else {
                    pack(simd, values, (width, columns), inverse, lines);
                }
                energies(simd, lines)
            });
            most = energies.into_iter().fold(most, u64::max);
        }
        // |Σ q·m| ≤ √(Σ q²)·√(Σ m²), which has to stay below 2^31.
        Ok(Self { width, pairs, packed, unit, limit: (1 << 62) / most - 1 })
    }

    /// Largest `Σ q²` of a row of integers.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What the product of a row's 1 with the matrix's 1 stands for, in the row's units.
    pub fn unit(&self) -> f32 {
        self.unit
    }

    /// Pairs of values that a row has.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Floats that a row of products takes: the columns, in whole blocks.
    pub fn stride(&self) -> usize {
        self.width.next_multiple_of(COLUMNS)
    }

    /// `out[r, c] = scales[r]·Σₖ rows[r, k]·matrix[k, c] + bias[c]` of the first `count` rows, `out` being `[count, stride]`
    /// in whole groups of 8 rows.
    ///
    /// `rows` has groups of `pairs` pairs each, of which those from `live` on are 0. Where `bias` is empty, it is 0. What
    /// the rows of a group from `count` on become is undefined.
    #[inline(always)]
    pub fn multiply<S: Simd>(
        &self,
        simd: S,
        (rows, count, live): (&[Pairs], usize, usize),
        scales: &[f32],
        bias: &[f32],
        out: &mut [f32],
    ) {
        let (stride, blocks) = (self.stride(), self.stride() / COLUMNS);
        let block = |index: usize| &self.packed[index * self.pairs..][..live];
        let wide = S::f32s::LEN >= COLUMNS;
        let mut at = 0;
        while at < blocks {
            let two = wide && at + 1 < blocks;
            let groups = rows.chunks_exact(self.pairs).zip(scales.as_chunks::<GROUP>().0);
            let groups = groups.zip(out.chunks_exact_mut(GROUP * stride)).take(count.div_ceil(GROUP));
            for (index, ((group, scales), out)) in groups.enumerate() {
                let (group, left) = (&group[..live], count - index * GROUP);
                // Plain loops: what a closure computes is not compiled for the tier.
                if left == 1 {
                    let [[sums]] = tile::<S, 0, 1, 1>(simd, group, [block(at)]);
                    put(simd, sums, scales[0], bias, at, &mut out[..stride]);
                    if two {
                        let [[sums]] = tile::<S, 0, 1, 1>(simd, group, [block(at + 1)]);
                        put(simd, sums, scales[0], bias, at + 1, &mut out[..stride]);
                    }
                } else if two {
                    let sums = tile::<S, 0, 8, 2>(simd, group, [block(at), block(at + 1)]);
                    for (row, [a, b]) in sums.into_iter().enumerate() {
                        let out = &mut out[row * stride..][..stride];
                        put(simd, a, scales[row], bias, at, out);
                        put(simd, b, scales[row], bias, at + 1, out);
                    }
                } else {
                    let sums = tile::<S, 0, 4, 1>(simd, group, [block(at)]);
                    for (row, [sums]) in sums.into_iter().enumerate() {
                        put(simd, sums, scales[row], bias, at, &mut out[row * stride..][..stride]);
                    }
                    if left > 4 {
                        let sums = tile::<S, 4, 4, 1>(simd, group, [block(at)]);
                        for (row, [sums]) in (4..).zip(sums) {
                            put(simd, sums, scales[row], bias, at, &mut out[row * stride..][..stride]);
                        }
                    }
                }
            }
            at += if two { 2 } else { 1 };
        }
    }
}

/// Writes block `at` of a row: sums, times a scale, plus the bias, if there is any.
#[inline(always)]
fn put<S: Simd>(simd: S, sums: i32x16<S>, scale: f32, bias: &[f32], at: usize, row: &mut [f32]) {
    let range = at * COLUMNS..(at + 1) * COLUMNS;
    let bias = match bias.get(range.clone()) {
        Some(bias) => f32x16::from_slice(simd, bias),
        None => f32x16::splat(simd, 0.0),
    };
    (f32x16::float_from(sums) * scale + bias).store_slice(&mut row[range]);
}

/// Sums of `ROWS` rows of a group, from row `FROM` on, and `BLOCKS` blocks.
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
            let pair = i32::from(*a as u16) | (i32::from(*b) << 16);
            let pair: i16x32<S> = i32x16::splat(simd, pair).bitcast();
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum += pair.pairwise_dot_product(column);
            }
        }
    }
    sums
}

/// Packs a block of columns of rows of `width` values, times `scale`.
#[inline(always)]
fn pack<S: Simd>(
    simd: S,
    values: &[f32],
    (width, columns): (usize, Range<usize>),
    scale: f32,
    lines: &mut [[i16; 2 * COLUMNS]],
) {
    for (rows, line) in values.chunks(2 * width).zip(lines) {
        let (a, b) = rows.split_at(width);
        let low = nearest(simd, &a[columns.clone()], scale) & 0xFFFF;
        let high = nearest(simd, b.get(columns.clone()).unwrap_or_default(), scale) << 16;
        let both: i16x32<S> = (low | high).bitcast();
        both.store_slice(line);
    }
}

/// As [`pack`], of columns that lie one after the other.
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

/// The sums of the squares of a block's columns.
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

/// Sixteen values; zeros, where there are fewer.
#[inline(always)]
fn sixteen(values: &[f32]) -> [f32; COLUMNS] {
    if let Some(all) = values.first_chunk() {
        return *all;
    }
    let mut padded = [0.0; COLUMNS];
    padded[..values.len()].copy_from_slice(values);
    padded
}

/// The integers nearest to up to sixteen values times `scale`, of two that are as near the one further from 0; none beyond
/// ±32,767.
#[inline(always)]
fn nearest<S: Simd>(simd: S, values: &[f32], scale: f32) -> i32x16<S> {
    const BELOW_HALF: f32 = 0.5_f32.next_down();
    let x = (f32x16::from_slice(simd, &sixteen(values)) * scale).max(-32767.0).min(32767.0);
    (x + f32x16::splat(simd, BELOW_HALF).copysign(x)).to_int()
}

/// `2^exponent`, of a normal number.
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

/// Rounds a row to integers `q` with `Σ q²` within `limit` and puts them into its place of a group; values are
/// `q·scale` with the scale that is returned. A row of zeros has scale 0.
#[inline(always)]
pub(crate) fn put_rounded(values: &[f32], limit: u64, row: usize, group: &mut [Pairs]) -> f32 {
    // Adding it rounds to the nearest integer, ties to even, and leaves that in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let peak = values.iter().fold(0, |peak, x| peak.max(x.to_bits() & 0x7FFF_FFFF));
    let energy = crate::sums::dot(values, values);
    let peak = f32::from_bits(peak);
    // What rounding may add to the length is far below the margin.
    let root = (limit as f64).sqrt() as f32 * 0.99;
    let most = (32_700.0 / peak).min(root / energy.sqrt());
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
            let matrix = Matrix::new(depth, width, &values, false).unwrap();
            let columns: Vec<f32> =
                (0..width).flat_map(|c| values[c..].iter().step_by(width).copied()).collect();
            let same = Matrix::new(depth, width, &columns, true).unwrap();
            assert_eq!((&same.packed, same.unit, same.limit), (&matrix.packed, matrix.unit, matrix.limit));
            let n = 16;
            let rows: Vec<f32> = (0..n * depth).map(|i| value(3 * i + 1) * (1 + i % n) as f32).collect();
            let mut packed = vec![[[0; 2]; GROUP]; 2 * matrix.pairs()];
            let mut scales = vec![0.0; n];
            for (r, row) in rows.chunks(depth).enumerate() {
                let group = &mut packed[r / GROUP * matrix.pairs()..][..matrix.pairs()];
                scales[r] = put_rounded(row, matrix.limit(), r % GROUP, group) * matrix.unit();
            }
            let bias: Vec<f32> = (0..matrix.stride()).map(|c| c as f32).collect();
            let run = |level: Level| {
                let mut out = vec![0.0; n * matrix.stride()];
                dispatch!(level, simd => matrix.multiply(simd, (&packed, n, matrix.pairs()), &scales, &bias, &mut out));
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
        let matrix = Matrix::new(depth, width, &vec![0.044; depth * width], false).unwrap();
        let mut packed = vec![[[0; 2]; GROUP]; matrix.pairs()];
        let scale = put_rounded(&vec![1.0; depth], matrix.limit(), 0, &mut packed);
        let mut out = vec![0.0; GROUP * 16];
        let scales = [scale * matrix.unit(); GROUP];
        dispatch!(Level::new(), simd => matrix.multiply(simd, (&packed, 1, matrix.pairs()), &scales, &[], &mut out));
        assert!((out[0] / (512.0 * 0.044) - 1.0).abs() < 1e-3, "{}", out[0]);
        assert!(out[0] / scales[0] > 0.9 * f32::powi(2.0, 31));
    }

    #[test]
    fn zeros_have_no_scale() {
        let mut group = [[[7; 2]; GROUP]; 2];
        assert_eq!(put_rounded(&[0.0; 3], 1 << 30, 2, &mut group), 0.0);
        assert_eq!([group[0][2], group[1][2]], [[0; 2]; 2]);
        let matrix = Matrix::new(3, 2, &[0.0; 6], false).unwrap();
        assert!(matrix.unit() > 0.0);
    }
}
