//! Means and how sure they are, and a rate read off a curve.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub value: f64,
    /// Half the width of the interval, by Student's distribution: `t·s/√n`. None for a single sample.
    pub half: Option<f64>,
    /// Number of samples.
    pub n: usize,
}

impl Mean {
    /// The mean of samples taken to be independent and normal; there must be one.
    pub fn of(samples: &[f64]) -> Self {
        let n = samples.len();
        let value = samples.iter().sum::<f64>() / n as f64;
        let half = (n > 1).then(|| {
            let freedom = (n - 1) as f64;
            let variance = samples.iter().map(|x| (x - value).powi(2)).sum::<f64>() / freedom;
            let student = StudentsT::new(0.0, 1.0, freedom).expect("a positive number of degrees of freedom");
            student.inverse_cdf(0.975) * (variance / n as f64).sqrt()
        });
        Self { value, half, n }
    }
}

/// The bits per value at which a curve of points (bits per value, error) first reaches an error: the logarithm of
/// the error is taken to be linear in between. None if the curve does not pass through it.
pub fn rate_at(curve: &[(f64, f64)], error: f64) -> Option<f64> {
    let mut points = curve.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.windows(2).map(|pair| (pair[0], pair[1])).find_map(|(low, high)| {
        let reached = low.1 >= error && error >= high.1 && low.1 > high.1;
        reached.then(|| low.0 + (high.0 - low.0) * (low.1 / error).ln() / (low.1 / high.1).ln())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_follow_students_distribution() {
        // Tabulated quantiles 0.975 with 1, 4 and 11 degrees of freedom.
        for (n, quantile) in [(2, 12.706), (5, 2.7764), (12, 2.2010)] {
            let samples: Vec<f64> = (0..n).map(f64::from).collect();
            let Mean { value, half, n } = Mean::of(&samples);
            let count = n as f64;
            assert_eq!(value, (count - 1.0) / 2.0);
            // The variance of 0 … n − 1, with n − 1 in the denominator, is n(n + 1)/12.
            let expected = quantile * ((count + 1.0) / 12.0).sqrt();
            assert!((half.unwrap() / expected - 1.0).abs() < 1e-4, "{n}: {half:?}, expected {expected}");
        }
        assert_eq!(Mean::of(&[3.0]), Mean { value: 3.0, half: None, n: 1 });
    }

    #[test]
    fn a_rate_lies_between_its_neighbours() {
        let curve = [(1.0, 0.1), (3.0, 0.001), (2.0, 0.01)];
        let at = |error| rate_at(&curve, error);
        assert_eq!(at(0.01), Some(2.0));
        assert!((at(0.001 * 10_f64.sqrt()).unwrap() - 2.5).abs() < 1e-12);
        assert_eq!((at(0.2), at(0.0009)), (None, None));
        // A floor that more bits do not lower.
        assert_eq!(rate_at(&[(1.0, 0.1), (2.0, 0.02), (3.0, 0.02)], 0.01), None);
    }
}
