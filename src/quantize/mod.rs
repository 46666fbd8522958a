//! Scalar quantisation with the Lloyd–Max tables of the standard normal distribution.
//!
//! A symbol is the index of a level in ascending order, `0 .. 2^bits`. Thresholds are the midpoints of
//! neighbouring levels; a value on a threshold of positive sign goes outward.

mod allocation;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod avx2;
mod grid;
mod tables;

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::simd::only_avx2;
use crate::sums::pairwise_on;
use crate::wht::{self, Source};
pub use allocation::Allocation;
use fearless_simd::prelude::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::u8x32;
use fearless_simd::{f32x16, u8x64};
pub(crate) use grid::Grid;
pub use tables::DISTORTION;
use tables::POSITIVE_LEVELS;

/// Largest number of bits per symbol.
pub const MAX_BITS: u8 = 8;

/// The tables of one width, laid out for the kernels.
#[derive(Debug, Clone)]
pub struct Quantizer {
    bits: u8,
    /// All levels in ascending order; entries beyond `2^bits` repeat the last.
    levels: [f32; 256],
    /// The first, second, … byte of the first 16 levels, four times over.
    planes: [[u8; 64]; 4],
    /// Thresholds between the positive levels, ascending, then infinity.
    thresholds: [f32; 128],
    /// How many thresholds lie at or below the start of each cell.
    below: [u8; CELLS],
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    wide: avx2::Wide,
}

/// Magnitudes are looked up in cells of 1/100, which is less than the smallest distance of two thresholds
/// (0.019 with 8 bits), so a cell has one threshold at most. The last cell reaches to infinity and has none.
const CELLS_PER_UNIT: f32 = 100.0;
const CELLS: usize = 512;

impl Quantizer {
    /// The quantiser with 1 to 8 bits.
    ///
    /// # Panics
    /// With another number of bits.
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
        let wide = avx2::Wide::new(positive, &thresholds);
        Self {
            bits,
            levels,
            planes,
            thresholds,
            below,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            wide,
        }
    }

    /// The levels in ascending order.
    pub fn levels(&self) -> &[f32] {
        &self.levels[..1 << self.bits]
    }

    /// Mean squared error on N(0,1).
    pub fn distortion(&self) -> f64 {
        DISTORTION[usize::from(self.bits) - 1]
    }

    /// `symbols[i]` = index of the level nearest to `values[i] * inverse_scale`.
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

    /// Counts the thresholds below a magnitude: cheapest while there are few, since it has no branch.
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

    /// Halves the range of the sixteen levels three times.
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

    /// Looks up how many thresholds lie below the cell of a magnitude, and compares with the one in the cell.
    #[inline(always)]
    fn by_cells(&self, values: &[f32], inverse_scale: f32, symbols: &mut [u8]) {
        let half = 1_i32 << (self.bits - 1);
        for (&value, symbol) in values.iter().zip(symbols) {
            let magnitude = value.abs() * inverse_scale;
            let below = self.below[((magnitude * CELLS_PER_UNIT) as usize).min(CELLS - 1)];
            let step = i32::from(below) + i32::from(magnitude >= self.thresholds[usize::from(below & 127)]);
            *symbol = (if value < 0.0 { half - 1 - step } else { half + step }) as u8;
        }
    }

    /// As [`Quantizer::dequantize`], of the symbols that fill whole vectors, whose number is returned.
    #[inline(always)]
    fn by_planes<S: Simd>(&self, simd: S, symbols: &[u8], values: &mut [f32]) -> usize {
        let (symbols, values) = (symbols.as_chunks::<64>().0, values.as_chunks_mut::<64>().0);
        for (symbols, values) in symbols.iter().zip(values) {
            let levels = wht::levels(simd, &self.planes, u8x64::from_slice(simd, symbols));
            for i in 0..4 {
                levels[i].store_slice(&mut values[16 * i..][..16]);
            }
        }
        64 * symbols.len()
    }

    /// As [`Quantizer::quantize`]; then the levels' inner products with the values and with themselves. Of up to four bits
    /// and whole vectors.
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
        if let Some(avx2) = only_avx2(simd) {
            let (tables, mut sums) = (self.wide.tables(simd), [zq, qq]);
            for (values, symbols) in values
                .as_flattened()
                .as_chunks::<32>()
                .0
                .iter()
                .zip(symbols.as_flattened_mut().as_chunks_mut::<32>().0)
            {
                let found: u8x32<S>;
                (found, sums) = avx2::symbols_on(simd, avx2, values, inverse_scale, tables, sums);
                found.store_slice(symbols);
            }
            return (pairwise_on(sums[0]), pairwise_on(sums[1]));
        }
        for (values, symbols) in values.iter().zip(symbols) {
            self.quantize(values, inverse_scale, symbols);
            let levels = wht::levels(simd, &self.planes, u8x64::from_slice(simd, symbols));
            for i in 0..4 {
                zq += f32x16::from_slice(simd, &values[16 * i..][..16]) * levels[i];
                qq += levels[i] * levels[i];
            }
        }
        (pairwise_on(zq), pairwise_on(qq))
    }

    /// `values[i]` = level of `symbols[i]`. A symbol of more than `bits` bits gives the last level.
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
    quantizer: &'a Quantizer,
    /// Symbols of even index in the lower halves.
    packed: &'a [u8],
}

impl Source for Nibbles<'_> {
    #[inline(always)]
    fn transformed<S: Simd>(&self, simd: S, chunk: usize) -> [f32x16<S>; 8] {
        wht::of_levels(simd, &self.quantizer.planes, &self.packed[64 * chunk..][..64])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch;
    use crate::sums::dot;
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
