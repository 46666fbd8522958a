//! Symbols of up to four bits, and the inner products of their levels, with AVX2.
//!
//! AVX2 looks up one of eight 32-bit values by one instruction (`vpermd`). Four bits have eight positive
//! levels and seven thresholds between them, so each of the three tables that this takes fits in one
//! register.
//!
//! The magnitude of a value falls into one of eight cells of equal width. A cell has at most one threshold,
//! so one look-up and one comparison give the symbol, and no value runs through a chain of comparisons.

#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{f32x8, f32x16, i32x8, kernel, u8x32, x86::Avx2};

/// Width of a cell, in units of the deviation. The thresholds of 1 to 4 bits lie at up to 2.4; in cells of
/// 0.3 no two of them share one, and none is within 0.04 of the end of one. So it does not matter that
/// rounding may put a value that is at the end of a cell into its neighbour: both give the same symbol. The
/// eighth cell reaches to infinity.
const CELL: f32 = 0.3;

/// Tables of eight cells of magnitudes, as they are kept with a quantiser.
#[derive(Debug, Clone)]
pub struct CellTables {
    /// The threshold in each cell. NaN if there is none: no comparison with it is true.
    thresholds: [f32; 8],
    /// The symbol of a positive value in the cell, below its threshold.
    symbols: [i32; 8],
    /// The positive level whose symbol ends in these three bits: the look-up ignores higher ones.
    levels: [f32; 8],
    /// The bits of a symbol, all set.
    mask: i32,
}

/// The same tables in registers, loaded once per row.
#[derive(Clone, Copy)]
pub struct CellRegisters {
    thresholds: __m256,
    symbols: __m256i,
    levels: __m256,
    mask: __m256i,
}

impl CellTables {
    /// Tables for the positive levels, at most eight, and for the thresholds between them, followed by
    /// infinity.
    pub fn new(positive: &[f32], thresholds: &[f32]) -> Self {
        let half = positive.len();
        let start = |cell: usize| cell as f32 * CELL;
        let first = |cell: usize| thresholds.iter().filter(|&&threshold| threshold <= start(cell)).count();
        Self {
            thresholds: std::array::from_fn(|cell| {
                let next = thresholds[first(cell).min(thresholds.len() - 1)];
                let inside = next.is_finite() && (cell == 7 || next < start(cell + 1));
                if inside { next } else { f32::NAN }
            }),
            symbols: std::array::from_fn(|cell| (half + first(cell)) as i32),
            levels: std::array::from_fn(|i| positive[(i + 8 - half % 8) % half]),
            mask: 2 * half as i32 - 1,
        }
    }

    /// Loads the tables.
    #[inline(always)]
    pub fn load<S: Simd>(&self, simd: S) -> CellRegisters {
        CellRegisters {
            thresholds: f32x8::from_slice(simd, &self.thresholds).into(),
            symbols: i32x8::from_slice(simd, &self.symbols).into(),
            levels: f32x8::from_slice(simd, &self.levels).into(),
            mask: i32x8::splat(simd, self.mask).into(),
        }
    }
}

/// The symbols of `values · inverse_scale`. The inner products of their levels with the values and with
/// themselves are added to `sums`, sixteen partial sums each, in the order of `vector::sums`: that is what
/// makes this path give the bits of the others.
#[inline(always)]
pub fn find_symbols_measured<S: Simd>(
    simd: S,
    avx2: Avx2,
    values: &[f32; 32],
    inverse_scale: f32,
    tables: CellRegisters,
    [zq, qq]: [f32x16<S>; 2],
) -> (u8x32<S>, [f32x16<S>; 2]) {
    let ((zq_low, zq_high), (qq_low, qq_high)) = (zq.split(), qq.split());
    let sums = [zq_low.into(), zq_high.into(), qq_low.into(), qq_high.into()];
    let mut all = [tables.levels; 4];
    for i in 0..4 {
        all[i] = f32x8::from_slice(simd, &values[8 * i..][..8]).into();
    }
    let (symbols, [zq_low, zq_high, qq_low, qq_high]) = find_symbols(avx2, all, inverse_scale, tables, sums);
    let half = |sum: __m256| -> f32x8<S> { sum.simd_into(simd) };
    let sums = [half(zq_low).combine(half(zq_high)), half(qq_low).combine(half(qq_high))];
    (symbols.simd_into(simd), sums)
}

kernel!(
    /// Four registers of values to one of symbols. `sums` are two registers per inner product.
    #[inline]
    fn find_symbols(
        avx2: Avx2,
        values: [__m256; 4],
        inverse_scale: f32,
        tables: CellRegisters,
        sums: [__m256; 4],
    ) -> (__m256i, [__m256; 4]) {
        let scale = _mm256_set1_ps(inverse_scale);
        let (mut found, mut sums) = ([tables.mask; 4], sums);
        for i in 0..4 {
            let size = _mm256_andnot_ps(_mm256_set1_ps(-0.0), values[i]);
            let magnitude = _mm256_mul_ps(size, scale);
            // The middle of the last cell at most, so that infinite values have a cell too. The comparison is
            // with the magnitude itself.
            let inside = _mm256_min_ps(magnitude, _mm256_set1_ps(7.5 * CELL));
            let cell = _mm256_cvttps_epi32(_mm256_mul_ps(inside, _mm256_set1_ps(1.0 / CELL)));
            let threshold = _mm256_permutevar8x32_ps(tables.thresholds, cell);
            let reached = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(magnitude, threshold));
            // A comparison that is true gives −1.
            let symbol = _mm256_sub_epi32(_mm256_permutevar8x32_epi32(tables.symbols, cell), reached);
            let level = _mm256_permutevar8x32_ps(tables.levels, symbol);
            // A value and its level have the same sign, so their product is that of the magnitudes. Registers
            // of even and odd number go to different sums, as value `i` goes to partial sum `i mod 16`.
            sums[i & 1] = _mm256_add_ps(sums[i & 1], _mm256_mul_ps(size, level));
            sums[2 + (i & 1)] = _mm256_add_ps(sums[2 + (i & 1)], _mm256_mul_ps(level, level));
            // The levels are symmetric: what is negative has the complement.
            let negative = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(values[i], _mm256_setzero_ps()));
            found[i] = _mm256_and_si256(_mm256_xor_si256(symbol, negative), tables.mask);
        }
        let (a, b) = (_mm256_packs_epi32(found[0], found[1]), _mm256_packs_epi32(found[2], found[3]));
        // Packing works within the halves of registers; the last step puts groups of four bytes in order.
        let fours = _mm256_packs_epi16(a, b);
        let ordered = _mm256_permutevar8x32_epi32(fours, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        (ordered, sums)
    }
);
