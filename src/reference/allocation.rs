//! Bits by component for rdo at a fixed rate: reverse water-filling (Cover and Thomas, section 10.3.3) in
//! whole bits.
//!
//! A component of variance `σ²` that is quantised with `b` bits keeps the squared error `σ²·D(b)`. `D` is
//! convex, so giving each bit in turn to the component whose error it lowers most is optimal. Components
//! whose variance lies below the water level get none.

/// `D(b)`: mean squared error on N(0, 1) of the Lloyd–Max quantiser with 0 to 8 bits.
const DISTORTION: [f64; 9] = [
    1.0,
    0.3633802276,
    0.1174818478,
    0.03454776079,
    0.009501008008,
    0.002504668356,
    0.0006442396653,
    0.00016347823,
    4.118508287e-05,
];

/// Deviations below this part of the largest get no bits: they hold only what rounding left.
const FLOOR: f64 = 1.0 / 16_777_216.0;

/// Bits of each component, `⌊bits · rank⌋` in all, at most 8 each. `bits` is their average. Fewer are given
/// if all components that can use bits are full.
pub fn allocate(variances: &[f32], bits: f32) -> Vec<u8> {
    let largest = variances.iter().fold(0.0, |largest: f64, &variance| largest.max(f64::from(variance)));
    let mut widths = vec![0_u8; variances.len()];
    // What one more bit would take off the error of component `j`.
    let gain = |j: usize, width: u8| {
        let (variance, b) = (f64::from(variances[j]), usize::from(width));
        if variance <= largest * FLOOR * FLOOR || b == 8 {
            return 0.0;
        }
        variance * (DISTORTION[b] - DISTORTION[b + 1])
    };
    for _ in 0..(f64::from(bits) * variances.len() as f64) as usize {
        let gains = widths.iter().enumerate().map(|(j, &width)| (j, gain(j, width)));
        // The first of several that are equal, as `min_by` gives it.
        match gains.min_by(|(_, a), (_, b)| b.total_cmp(a)) {
            Some((j, gain)) if gain > 0.0 => widths[j] += 1,
            _ => break,
        }
    }
    widths
}
