//! Bits that differ by component: reverse water-filling in whole bits.
//!
//! Components have variances `σ_j²`; one quantised with `b` bits keeps the distortion `σ_j²·D(b)` of the
//! Lloyd–Max quantiser, `D(0) = 1`. `D` is convex, so giving each bit in turn to the component whose
//! distortion it lowers most is optimal: the bits of a row go to the largest of all `σ_j²·(D(b) − D(b + 1))`.
//! (Components with variance above a water level get enough bits to come near it; the others get none.)
//!
//! Whole bits, and the same for every row, keep the rate fixed and rows at known places. A coder at a step
//! saves more, since its sizes follow each row; this one is for engines that need blocks of one size.

use super::levels::DISTORTION;
use super::quantizer::Quantizer;
use crate::error::{Result, try_reserve};
use crate::params::MAX_BITS;
use crate::vector::pack::{BitPacker, unpack};
use fearless_simd::Simd;
use std::ops::Range;

/// Deviations below this share of the largest get no bits: 2^−24 is the rounding error of a binary32, so such
/// a component of a row is mostly rounding of the transform.
const FLOOR: f64 = 1.0 / (1 << 24) as f64;

/// The widths and scales of the components of a row.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// Neighbours of equal width. Variances usually descend, so there are few spans, and each is quantised
    /// and packed in one call.
    spans: Vec<WidthSpan>,
    /// `σ_j` over the largest of them, and its inverse; both 0 for components without bits, whose values then
    /// count for nothing. Multiplying by a stored inverse is faster than dividing, and the same on all tiers.
    shares: Vec<f32>,
    inverses: Vec<f32>,
    /// Number of components with bits.
    coded: usize,
    /// Sum of all widths.
    row_bits: usize,
    /// The quantisers of 1 to 8 bits, whether or not a component has that width.
    quantizers: Vec<Quantizer>,
    /// Expected squared error as a share of the variance.
    distortion: f64,
}

/// Components next to each other with the same number of bits, 0 to 8.
#[derive(Debug, Clone, PartialEq)]
struct WidthSpan {
    width: u8,
    range: Range<usize>,
}

impl Allocation {
    /// Distributes `⌊bits · variances.len()⌋` bits per row. Variances are finite and not below 0, in any
    /// order. Bits that no component can use (all have eight, or no variance) are left over.
    ///
    /// The result follows from the arguments alone, with operations that IEEE 754 defines, so the decoder
    /// computes it again instead of reading it from the block.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
    pub fn new(variances: &[f32], bits: f32) -> Result<Self> {
        const WHAT: &str = "the allocation of bits";
        let budget = (f64::from(bits) * variances.len() as f64) as usize;
        let largest = variances.iter().fold(0.0, |largest: f64, &variance| largest.max(f64::from(variance)));
        let mut widths = try_reserve(variances.len(), WHAT)?;
        widths.resize(variances.len(), 0_u8);
        let distortion = distribute(variances, largest * FLOOR * FLOOR, budget, &mut widths)?;

        let (mut shares, mut inverses) =
            (try_reserve(variances.len(), WHAT)?, try_reserve(variances.len(), WHAT)?);
        let mut spans: Vec<WidthSpan> = try_reserve(variances.len(), WHAT)?;
        for (j, (&width, &variance)) in widths.iter().zip(variances).enumerate() {
            let share = if width > 0 { (f64::from(variance) / largest).sqrt() } else { 0.0 };
            shares.push(share as f32);
            inverses.push(if width > 0 { (1.0 / share) as f32 } else { 0.0 });
            match spans.last_mut() {
                Some(span) if span.width == width => span.range.end = j + 1,
                _ => spans.push(WidthSpan { width, range: j..j + 1 }),
            }
        }
        let coded = widths.iter().filter(|&&width| width > 0).count();
        let row_bits = widths.iter().map(|&width| usize::from(width)).sum();
        let mut quantizers = try_reserve(usize::from(MAX_BITS), WHAT)?;
        quantizers.extend((1..=MAX_BITS).map(Quantizer::new));
        Ok(Self { spans, shares, inverses, coded, row_bits, quantizers, distortion })
    }

    /// Bits of the symbols of a row.
    pub fn row_bits(&self) -> usize {
        self.row_bits
    }

    /// Number of components that have bits.
    pub fn coded(&self) -> usize {
        self.coded
    }

    /// Share of the variance that normal rows with these variances are expected to lose.
    pub fn distortion(&self) -> f64 {
        self.distortion
    }

    /// Mean square of the coded components, each in units of its share of the largest deviation: 1 for a
    /// typical row whose largest deviation is 1.
    #[inline(always)]
    pub fn mean_square(&self, z: &[f32]) -> f32 {
        let sum: f64 = z.iter().zip(&self.inverses).map(|(z, inverse)| f64::from(z * inverse).powi(2)).sum();
        (sum / self.coded.max(1) as f64) as f32
    }

    /// [`Quantizer::quantize`] for each component in units of its deviation. `white` is scratch for a row.
    /// The symbols of components without bits are 0.
    #[inline(always)]
    pub fn quantize(&self, z: &[f32], inverse_scale: f32, white: &mut [f32], symbols: &mut [u8]) {
        for ((white, z), inverse) in white.iter_mut().zip(z).zip(&self.inverses) {
            *white = z * inverse;
        }
        for WidthSpan { width, range } in &self.spans {
            let symbols = &mut symbols[range.clone()];
            match self.quantizer(*width) {
                Some(quantizer) => quantizer.quantize(&white[range.clone()], inverse_scale, symbols),
                None => symbols.fill(0),
            }
        }
    }

    /// [`Quantizer::dequantize`] for each component, times its deviation; 0 for components without bits.
    #[inline(always)]
    pub fn dequantize<S: Simd>(&self, simd: S, symbols: &[u8], q: &mut [f32]) {
        for WidthSpan { width, range } in &self.spans {
            let q = &mut q[range.clone()];
            match self.quantizer(*width) {
                Some(quantizer) => quantizer.dequantize(simd, &symbols[range.clone()], q),
                None => q.fill(0.0),
            }
        }
        for (q, share) in q.iter_mut().zip(&self.shares) {
            *q *= share;
        }
    }

    /// Packs the symbols of a row into `out` and returns how many bytes became complete. A row may end within
    /// a byte, which the next row fills.
    #[inline(always)]
    pub fn push(&self, packer: &mut BitPacker, symbols: &[u8], out: &mut [u8]) -> usize {
        let mut written = 0;
        for WidthSpan { width, range } in self.spans.iter().filter(|span| span.width > 0) {
            written += packer.push(&symbols[range.clone()], *width, &mut out[written..]);
        }
        written
    }

    /// Reads the symbols of row `row`; those of components without bits are 0.
    #[inline(always)]
    pub fn unpack(&self, stream: &[u8], row: usize, symbols: &mut [u8]) {
        let mut at = row * self.row_bits;
        for WidthSpan { width, range } in &self.spans {
            let symbols = &mut symbols[range.clone()];
            if *width > 0 {
                unpack(stream, *width, at, symbols);
                at += usize::from(*width) * symbols.len();
            } else {
                symbols.fill(0);
            }
        }
    }

    /// The quantiser of a width; `None` for 0, which wraps to an index that no quantiser has.
    #[inline(always)]
    fn quantizer(&self, width: u8) -> Option<&Quantizer> {
        self.quantizers.get(usize::from(width).wrapping_sub(1))
    }
}

/// Adds bits to `widths` and returns the share of the variance that is left. Among equal gains that of the
/// lower component comes first, so that the order is the same wherever it is computed.
///
/// It sorts all gains that there can be, 8 per component, at the cost of 16 bytes for each: a heap would need
/// less memory, but this is done once per codec.
///
/// # Errors
/// [`OutOfMemory`](crate::Error::OutOfMemory)
fn distribute(variances: &[f32], floor: f64, budget: usize, widths: &mut [u8]) -> Result<f64> {
    let mut gains: Vec<(f64, u32)> =
        try_reserve(variances.len() * usize::from(MAX_BITS), "the allocation of bits")?;
    for (j, &variance) in (0..).zip(variances) {
        let variance = f64::from(variance);
        if variance > floor {
            let mut before = 1.0;
            for after in DISTORTION {
                gains.push((variance * (before - after), j));
                before = after;
            }
        }
    }
    // Gains of a component fall with each bit, so the largest ones are always its first bits.
    gains.sort_unstable_by(|(a, i), (b, j)| b.total_cmp(a).then(i.cmp(j)));
    let total: f64 = variances.iter().map(|&variance| f64::from(variance)).sum();
    let mut left = total;
    for &(gain, j) in gains.iter().take(budget) {
        widths[j as usize] += 1;
        left -= gain;
    }
    Ok(if total > 0.0 { (left / total).max(0.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::tier::dispatch;
    use fearless_simd::Level;

    fn widths(variances: &[f32], bits: f32) -> Vec<u8> {
        let allocation = Allocation::new(variances, bits).unwrap();
        allocation.spans.iter().flat_map(|span| span.range.clone().map(|_| span.width)).collect()
    }

    /// The least distortion of all ways to distribute the bits.
    fn exhaustive(variances: &[f32], budget: usize) -> f64 {
        let Some((&first, rest)) = variances.split_first() else { return 0.0 };
        let with = |bits: usize| {
            let own = if bits == 0 { 1.0 } else { DISTORTION[bits - 1] };
            f64::from(first) * own + exhaustive(rest, budget - bits)
        };
        (0..=budget.min(8)).map(with).fold(f64::MAX, f64::min)
    }

    #[test]
    fn bits_go_where_they_lower_the_distortion_most() {
        let variances = [0.01, 4.0, 0.3, 1.0, 0.0, 60.0];
        let total: f32 = variances.iter().sum();
        for budget in 0..14 {
            let allocation = Allocation::new(&variances, (budget as f32 + 0.5) / 6.0).unwrap();
            assert_eq!(allocation.row_bits(), budget);
            let best = exhaustive(&variances, budget) / f64::from(total);
            assert!((allocation.distortion() - best).abs() < 1e-6, "{budget} bits");
        }
    }

    #[test]
    fn equal_components_get_equal_bits() {
        assert_eq!(widths(&[1.0; 4], 3.0), [3; 4]);
        assert_eq!(widths(&[1.0; 4], 2.5), [3, 3, 2, 2]);
        assert_eq!(widths(&[0.0; 3], 2.0), [0; 3]);
        assert_eq!(widths(&[1.0, 1e-20], 8.0), [8, 0], "no bits for what is rounding");
        assert_eq!(widths(&[1.0], 0.5), [0]);
    }

    #[test]
    fn rows_come_back_through_the_stream() {
        let variances: Vec<f32> = (0..37).map(|j| 2.0_f32.powi(-(j / 4))).collect();
        let allocation = Allocation::new(&variances, 2.3).unwrap();
        let rows: Vec<Vec<u8>> = (0..5)
            .map(|i| {
                let z: Vec<f32> = (0..37)
                    .map(|j| (((i * 41 + j * 29) % 17) as f32 - 8.0) / 4.0 * variances[j].sqrt())
                    .collect();
                let (mut white, mut symbols) = (vec![0.0; 37], vec![9; 37]);
                allocation.quantize(&z, 1.0, &mut white, &mut symbols);
                let mut q = vec![f32::NAN; 37];
                dispatch!(Level::new(), simd => allocation.dequantize(simd, &symbols, &mut q));
                for ((z, q), share) in z.iter().zip(&q).zip(&allocation.shares) {
                    assert!((z - q).abs() <= 1.25 * share || (*share == 0.0 && *q == 0.0), "{z} became {q}");
                }
                symbols
            })
            .collect();
        let (mut packer, mut stream, mut out) = (BitPacker::default(), Vec::new(), [0; 64]);
        for row in &rows {
            let len = allocation.push(&mut packer, row, &mut out);
            stream.extend_from_slice(&out[..len]);
        }
        stream.extend(packer.finish());
        assert_eq!(stream.len(), (5 * allocation.row_bits()).div_ceil(8));
        for (i, row) in rows.iter().enumerate() {
            let mut symbols = vec![7; 37];
            allocation.unpack(&stream, i, &mut symbols);
            assert_eq!(&symbols, row);
        }
    }
}
