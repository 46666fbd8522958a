//! What theory says about Gaussian rows.
//!
//! Rates are in bits per value, distortions relative to the variance. No code has less distortion than
//! `D(R) = 2^(−2R)` on independent normal values (Shannon 1959). With components of variances `σᵢ²` reverse
//! water-filling gives each the distortion `min(σᵢ², θ)` at a common level `θ`, and `½·log₂(σᵢ²/θ)` bits where
//! that is positive.

use statrs::function::erf::erfc;

/// Shannon's bound.
pub fn shannon(rate: f64) -> f64 {
    (-2.0 * rate).exp2()
}

/// Largest rate for which the quantiser below is computed.
pub const MAX_RATE: f64 = 10.0;

/// Distortion of a uniform quantiser with cells around the multiples of its step, each decoded to its mean, at
/// an entropy of `rate` bits, at most [`MAX_RATE`]: what a scalar quantiser with an ideal entropy coder reaches.
pub fn uniform_with_entropy(rate: f64) -> f64 {
    // The entropy falls as the step grows.
    let (mut fine, mut coarse) = (1e-3_f64, 20.0_f64);
    for _ in 0..60 {
        let step = (fine * coarse).sqrt();
        *(if uniform(step).0 > rate { &mut fine } else { &mut coarse }) = step;
    }
    uniform(fine).1
}

/// Entropy in bits, and distortion, of that quantiser on N(0,1).
fn uniform(step: f64) -> (f64, f64) {
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let tail = |x: f64| 0.5 * erfc(x / std::f64::consts::SQRT_2);
    let surprise = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    let mut entropy = surprise(1.0 - 2.0 * tail(0.5 * step));
    let mut captured = 0.0;
    let mut low = 0.5 * step;
    while low < 12.0 {
        let high = low + step;
        let mass = tail(low) - tail(high);
        if mass > 0.0 {
            entropy += 2.0 * surprise(mass);
            captured += 2.0 * (density(low) - density(high)).powi(2) / mass;
        }
        low = high;
    }
    (entropy, 1.0 - captured)
}

/// A component of rows that are coded with others at a common level of distortion.
pub struct Component {
    /// Rows that have it.
    pub rows: usize,
    pub variance: f64,
    /// Per tensor, the relative error of the tensor that a distortion of 1 in this component of all rows makes.
    pub weights: Vec<f64>,
}

/// Bits of all rows together at level `level`, and the relative error of each tensor.
pub fn water_fill(components: &[Component], level: f64) -> (f64, Vec<f64>) {
    let tensors = components.first().map_or(0, |component| component.weights.len());
    let mut errors = vec![0.0; tensors];
    let mut bits = 0.0;
    for Component { rows, variance, weights } in components {
        let distortion = variance.min(level);
        if *variance > level {
            bits += 0.5 * *rows as f64 * (variance / level).log2();
        }
        errors.iter_mut().zip(weights).for_each(|(error, weight)| *error += weight * distortion);
    }
    (bits, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(variance: f64, weights: &[f64]) -> Component {
        Component { rows: 1, variance, weights: weights.to_vec() }
    }

    #[test]
    fn equal_variances_have_shannons_bound() {
        let components: Vec<_> = (0..8).map(|_| component(3.0, &[1.0 / 24.0])).collect();
        for rate in [0.5, 1.0, 2.0, 4.0] {
            let (bits, errors) = water_fill(&components, 3.0 * shannon(rate));
            assert!((bits / 8.0 - rate).abs() < 1e-12);
            assert!((errors[0] - shannon(rate)).abs() < 1e-12);
        }
    }

    /// Variances 16, 4, 1: at level 2 the third gets no bits and keeps its variance; at level 1/4 all have the
    /// level, and the rate is half the logarithm of the geometric mean over it.
    #[test]
    fn components_below_the_level_are_left_out() {
        let components =
            [component(16.0, &[1.0, 0.0]), component(4.0, &[0.5, 0.5]), component(1.0, &[0.0, 1.0])];
        assert_eq!(water_fill(&components, 2.0), (1.5 + 0.5, vec![3.0, 2.0]));
        let (bits, errors) = water_fill(&components, 0.25);
        assert!((bits - 0.5 * (64.0_f64 / 0.25_f64.powi(3)).log2()).abs() < 1e-12);
        assert_eq!(errors, [0.375, 0.375]);
        assert_eq!(water_fill(&components, 16.0), (0.0, vec![18.0, 3.0]));
    }

    #[test]
    fn rows_count() {
        let components = [Component { rows: 10, ..component(4.0, &[1.0]) }];
        assert_eq!(water_fill(&components, 1.0).0, 10.0);
    }

    /// At high rate a uniform quantiser loses a quarter of a bit to the bound: `D = (πe/6)·2^(−2R)`.
    #[test]
    fn a_uniform_quantiser_loses_a_quarter_of_a_bit() {
        let factor = std::f64::consts::PI * std::f64::consts::E / 6.0;
        for rate in [4.0, 6.0] {
            let ratio = uniform_with_entropy(rate) / (factor * shannon(rate));
            assert!((ratio - 1.0).abs() < 2e-3, "{rate} bits: {ratio}");
        }
        // One threshold far out: nearly no bits and nearly all the variance.
        assert!((uniform_with_entropy(1e-4) - 1.0).abs() < 2e-3);
        // A cell and its two tails: an entropy that can be written down.
        let p = erfc(0.75 / std::f64::consts::SQRT_2);
        let entropy = -(1.0 - p) * (1.0 - p).log2() - p * (p / 2.0).log2();
        let (coarse, _) = uniform(1.5);
        assert!(coarse > entropy && coarse < entropy + 0.15, "{coarse}, three cells {entropy}");
    }
}
