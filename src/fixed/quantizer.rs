//! Scalar quantisation with the Lloyd–Max tables of the standard normal distribution.
//!
//! A symbol is the index of a level in ascending order, `0 .. 2^bits`. Thresholds are the midpoints of
//! neighbouring levels. Magnitudes are compared, and the sign decides the side; so a value on a threshold
//! goes outward, and 0 and −0 go to the first positive level.
//!
//! There is one rule and several ways to find the symbol, because what is fastest depends on the number of
//! bits and on the tier. They agree for every value, on thresholds and off: tests hold them against each
//! other.

use super::levels::{DISTORTION, POSITIVE_LEVELS};
use crate::params::MAX_BITS;
use crate::vector::sums::pairwise_on;
use crate::vector::wht::{self, Source};
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::vector::x86::{only_avx2, symbols as avx2};
use fearless_simd::prelude::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::u8x32;
use fearless_simd::{f32x16, u8x64};

/// The tables of one width, laid out for the kernels.
#[derive(Debug, Clone)]
pub struct Quantizer {
    /// 1 to 8.
    pub(super) bits: u8,
    /// All levels in ascending order; entries beyond `2^bits` repeat the last. 256 of them for any number of
    /// bits, so that no symbol is out of range and the look-up needs no check.
    levels: [f32; 256],
    /// The first, second, … byte of the first 16 levels, four times over: bytes are looked up within each 128
    /// bits of a register, in a table of sixteen that is in the same bits.
    planes: [[u8; 64]; 4],
    /// Thresholds between the positive levels, ascending, then infinity, which only infinite values reach.
    thresholds: [f32; 128],
    /// How many thresholds lie at or below the start of each cell.
    below: [u8; CELLS],
    /// Tables of up to 4 bits; with more they are not used.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    cells: avx2::CellTables,
}

/// Magnitudes are looked up in cells of 1/100, which is less than the smallest distance of two thresholds
/// (0.0169 with 8 bits), so a cell has one threshold at most.
const CELLS_PER_UNIT: f32 = 100.0;
/// The last cell reaches from 5.11 to infinity and has no threshold: the largest one is 4.395, with 8 bits.
/// 512 bytes of table stay in the nearest cache.
const CELLS: usize = 512;

impl Quantizer {
    /// The quantiser with 1 to 8 bits.
    ///
    /// # Panics
    /// With another number of bits, which [`Params`](crate::Params) never have.
    pub fn new(bits: u8) -> Self {
        assert!((1..=MAX_BITS).contains(&bits), "1 to 8 bits, got {bits}");
        let positive = POSITIVE_LEVELS[usize::from(bits) - 1];
        let half = positive.len();
        let mut levels = [positive[half - 1]; 256];
        for (i, &level) in positive.iter().enumerate() {
            levels[half + i] = level;
            levels[half - 1 - i] = -level;
        }
        let mut thresholds = [f32::INFINITY; 128];
        for (threshold, pair) in thresholds.iter_mut().zip(positive.windows(2)) {
            *threshold = 0.5 * (pair[0] + pair[1]);
        }
        let mut below = [0; CELLS];
        for (cell, below) in below.iter_mut().enumerate() {
            let start = cell as f32 / CELLS_PER_UNIT;
            *below = thresholds.iter().filter(|&&threshold| threshold <= start).count() as u8;
        }
        let planes = std::array::from_fn(|byte| std::array::from_fn(|i| levels[i % 16].to_le_bytes()[byte]));
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let cells = avx2::CellTables::new(positive, &thresholds);
        Self {
            bits,
            levels,
            planes,
            thresholds,
            below,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            cells,
        }
    }

    /// The levels in ascending order.
    pub fn levels(&self) -> &[f32] {
        &self.levels[..1 << self.bits]
    }

    /// Expected mean squared error on N(0,1), from theory.
    pub fn distortion(&self) -> f64 {
        DISTORTION[usize::from(self.bits) - 1]
    }

    /// `symbols[i]` = index of the level nearest to `values[i] * inverse_scale`. The shorter slice decides
    /// how many.
    #[inline(always)]
    pub fn quantize(&self, values: &[f32], inverse_scale: f32, symbols: &mut [u8]) {
        match self.bits {
            1 => self.by_counting::<0>(values, inverse_scale, symbols),
            2 => self.by_counting::<1>(values, inverse_scale, symbols),
            3 => self.by_counting::<3>(values, inverse_scale, symbols),
            4 => self.by_halving(values, inverse_scale, symbols),
            5 => self.by_counting::<15>(values, inverse_scale, symbols),
            _ => self.by_cells(values, inverse_scale, symbols),
        }
    }

    /// Counts the thresholds up to a magnitude: cheapest as long as there are few, since it has no branch and
    /// vectorises.
    #[inline(always)]
    fn by_counting<const N: usize>(&self, values: &[f32], inverse_scale: f32, symbols: &mut [u8]) {
        let half = 1_i32 << (self.bits - 1);
        for (&value, symbol) in values.iter().zip(symbols) {
            let magnitude = value.abs() * inverse_scale;
            let mut step = 0_i32;
            for threshold in &self.thresholds[..N] {
                step += i32::from(magnitude >= *threshold);
            }
            *symbol = (if value < 0.0 { half - 1 - step } else { half + step }) as u8;
        }
    }

    /// Halves the range of the eight positive levels three times: three comparisons and selections, where
    /// counting would take seven comparisons.
    #[inline(always)]
    fn by_halving(&self, values: &[f32], inverse_scale: f32, symbols: &mut [u8]) {
        let [t0, t1, t2, t3, t4, t5, t6] = *self.thresholds.first_chunk().expect("there are 128");
        for (&value, symbol) in values.iter().zip(symbols) {
            let magnitude = value.abs() * inverse_scale;
            let upper = magnitude >= t3;
            let (below, middle, above) = if upper { (t4, t5, t6) } else { (t0, t1, t2) };
            let far = magnitude >= middle;
            let last = magnitude >= if far { above } else { below };
            let step = 4 * i32::from(upper) + 2 * i32::from(far) + i32::from(last);
            *symbol = (if value < 0.0 { 7 - step } else { 8 + step }) as u8;
        }
    }

    /// Looks up how many thresholds lie below the cell of a magnitude, and compares with the one that may be
    /// in the cell: the same work for 31 thresholds and for 127.
    #[inline(always)]
    fn by_cells(&self, values: &[f32], inverse_scale: f32, symbols: &mut [u8]) {
        let half = 1_i32 << (self.bits - 1);
        for (&value, symbol) in values.iter().zip(symbols) {
            let magnitude = value.abs() * inverse_scale;
            let below = self.below[((magnitude * CELLS_PER_UNIT) as usize).min(CELLS - 1)];
            // `below` is at most 127; the mask tells the compiler, and saves the check of the index.
            let step = i32::from(below) + i32::from(magnitude >= self.thresholds[usize::from(below & 127)]);
            *symbol = (if value < 0.0 { half - 1 - step } else { half + step }) as u8;
        }
    }

    /// [`Quantizer::dequantize`] for up to four bits, and for the symbols that fill whole vectors. Returns
    /// how many those are.
    #[inline(always)]
    fn by_planes<S: Simd>(&self, simd: S, symbols: &[u8], values: &mut [f32]) -> usize {
        let (symbols, values) = (symbols.as_chunks::<64>().0, values.as_chunks_mut::<64>().0);
        for (symbols, values) in symbols.iter().zip(values) {
            let levels = wht::look_up_levels(simd, &self.planes, u8x64::from_slice(simd, symbols));
            for i in 0..4 {
                levels[i].store_slice(&mut values[16 * i..][..16]);
            }
        }
        64 * symbols.len()
    }

    /// [`Quantizer::quantize`] for up to four bits and a multiple of 64 values, and the inner products of the
    /// levels with the values and with themselves, to the bit what [`dot`](crate::vector::sums::dot) gives.
    #[inline(always)]
    pub fn quantize_measured<S: Simd>(
        &self,
        simd: S,
        values: &[f32],
        inverse_scale: f32,
        symbols: &mut [u8],
    ) -> (f32, f32) {
        let (mut zq, mut qq) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 0.0));
        let (values, symbols) = (values.as_chunks::<64>().0, symbols.as_chunks_mut::<64>().0);
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(token) = only_avx2(simd) {
            let (tables, mut sums) = (self.cells.load(simd), [zq, qq]);
            for (values, symbols) in values
                .as_flattened()
                .as_chunks::<32>()
                .0
                .iter()
                .zip(symbols.as_flattened_mut().as_chunks_mut::<32>().0)
            {
                let found: u8x32<S>;
                (found, sums) = avx2::find_symbols_measured(simd, token, values, inverse_scale, tables, sums);
                found.store_slice(symbols);
            }
            return (pairwise_on(sums[0]), pairwise_on(sums[1]));
        }
        for (values, symbols) in values.iter().zip(symbols) {
            self.quantize(values, inverse_scale, symbols);
            let levels = wht::look_up_levels(simd, &self.planes, u8x64::from_slice(simd, symbols));
            for i in 0..4 {
                zq += f32x16::from_slice(simd, &values[16 * i..][..16]) * levels[i];
                qq += levels[i] * levels[i];
            }
        }
        (pairwise_on(zq), pairwise_on(qq))
    }

    /// `values[i]` = level of `symbols[i]`. Symbols come from a stream of `bits` bits each, or from
    /// `quantize`, so none is larger; a larger one would not panic, but what it gives is not defined.
    #[inline(always)]
    pub fn dequantize<S: Simd>(&self, simd: S, symbols: &[u8], values: &mut [f32]) {
        let done = if self.bits <= 4 { self.by_planes(simd, symbols, values) } else { 0 };
        for (value, &symbol) in values[done..].iter_mut().zip(&symbols[done..]) {
            *value = self.levels[usize::from(symbol)];
        }
    }
}

/// Packed symbols of four bits, read as their levels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nibbles<'a> {
    pub(super) quantizer: &'a Quantizer,
    /// Symbols of even index in the lower halves.
    pub(super) packed: &'a [u8],
}

impl Source for Nibbles<'_> {
    // A chunk of 128 values has 64 bytes.
    #[inline(always)]
    fn transform_chunk<S: Simd>(&self, simd: S, chunk: usize) -> [f32x16<S>; 8] {
        wht::transform_levels(simd, &self.quantizer.planes, &self.packed[64 * chunk..][..64])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::sums::dot;
    use crate::vector::tier::dispatch;
    use fearless_simd::Level;

    #[test]
    fn both_searches_find_the_nearest_level() {
        for bits in 1..=MAX_BITS {
            let quantizer = Quantizer::new(bits);
            let values: Vec<f32> = (-6000..=6000).map(|i| i as f32 * 1e-3).collect();
            let mut symbols = vec![0; values.len()];
            quantizer.quantize(&values, 1.0, &mut symbols);
            for (&value, &symbol) in values.iter().zip(&symbols) {
                let chosen = (quantizer.levels()[usize::from(symbol)] - value).abs();
                let best = quantizer.levels().iter().map(|l| (l - value).abs()).fold(f32::MAX, f32::min);
                assert!(chosen <= best * (1.0 + 1e-5) + 1e-6, "{bits} bits, {value}: {chosen} > {best}");
            }
        }
    }

    /// Also right on thresholds and at the ends of cells.
    #[test]
    fn tiers_find_the_same_symbols() {
        let steps = |x: f32| [x.next_down(), x, x.next_up()];
        for bits in 1..=4 {
            let quantizer = Quantizer::new(bits);
            let cells = (0..=8).flat_map(|cell| steps(cell as f32 * 0.3));
            let mut values: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 1e-3).chain(cells).collect();
            values.extend(quantizer.thresholds.into_iter().flat_map(steps));
            values.extend([1e-30, 7.0, 1e4, 1e20, f32::MAX, f32::INFINITY]);
            values.extend(values.clone().iter().map(|x| -x));
            values.resize(values.len().next_multiple_of(64), 0.0);
            for scale in [1.0, 0.37] {
                for values in values.as_chunks::<64>().0 {
                    let mut plain = [0; 64];
                    quantizer.quantize(values, scale, &mut plain);
                    let levels = plain.map(|symbol| quantizer.levels()[usize::from(symbol)]);
                    let sums = [dot(values, &levels), dot(&levels, &levels)].map(f32::to_bits);
                    for level in [Level::baseline(), Level::new()] {
                        let mut symbols = [0; 64];
                        let found = dispatch!(level, simd => {
                            quantizer.quantize_measured(simd, values, scale, &mut symbols)
                        });
                        assert_eq!(symbols, plain, "{bits} bits, {values:?} times {scale}");
                        assert_eq!(
                            [found.0, found.1].map(f32::to_bits),
                            sums,
                            "{bits} bits, {values:?} times {scale}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn levels_come_back_from_their_symbols() {
        for bits in 1..=MAX_BITS {
            let quantizer = Quantizer::new(bits);
            let count = quantizer.levels().len();
            let mut symbols = vec![0; count];
            quantizer.quantize(quantizer.levels(), 1.0, &mut symbols);
            let expected: Vec<u8> = (0..=255).take(count).collect();
            assert_eq!(symbols, expected);
            let mut back = vec![0.0; count];
            dispatch!(Level::new(), simd => quantizer.dequantize(simd, &symbols, &mut back));
            assert_eq!(back, quantizer.levels());
        }
    }

    #[test]
    #[should_panic(expected = "1 to 8 bits")]
    fn nine_bits_do_not_exist() {
        Quantizer::new(9);
    }
}
