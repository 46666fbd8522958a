//! Weighted principal component analysis: moments of the rows, and the axes that follow from them.
//!
//! Mean `μ = Σ wᵢxᵢ / W`, covariance `C = Σ wᵢ(xᵢ−μ)(xᵢ−μ)ᵀ / W` with `W = Σ wᵢ`, accumulated in binary64
//! about the first row with a weight, so that a mean much larger than the deviations costs no digits. (Keys
//! often have such means.) The axes are the eigenvectors of `C` in descending order of their eigenvalues. The
//! largest component of each is made positive, since a decomposition may return either sign.

use super::eigen::{eigen, eigen_limit, fix_sign};
use super::metric::Roots;
use crate::error::{Result, try_vec};
use nalgebra::DMatrix;

/// Rows that enter the covariance in one matrix product. Row by row it would be bound by memory, and the
/// panel of 256 rows in binary64 still fits in a cache.
const ROWS_PER_PRODUCT: usize = 256;

/// Weighted sums over rows, from which the axes follow.
#[derive(Debug, Clone)]
pub struct Moments {
    rows: u64,
    weight: f64,
    /// The first row with a weight, which the sums are taken about. Any row near the mean would do.
    origin: Vec<f64>,
    /// `Σ w(x − origin)`.
    sum: Vec<f64>,
    /// `Σ w(x − origin)(x − origin)ᵀ`.
    scatter: DMatrix<f64>,
}

/// The mean and the principal axes of rows.
#[derive(Debug, Clone)]
pub struct Axes {
    /// `μ`.
    pub mean: Vec<f64>,
    /// Eigenvalues of the covariance, descending, not negative. There may be fewer than coordinates; the
    /// others are 0.
    pub variances: Vec<f64>,
    /// The eigenvectors, row-major `[variances.len(), d]`, orthonormal.
    pub vectors: Vec<f64>,
}

impl Moments {
    /// Sums over no rows of `d` coordinates.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub fn new(d: usize) -> Result<Self> {
        // Allocated here: nalgebra aborts on failure.
        let scatter = DMatrix::from_vec(d, d, try_vec(d * d, 0.0, "the covariance")?);
        Ok(Self {
            rows: 0,
            weight: 0.0,
            origin: try_vec(d, 0.0, "the mean")?,
            sum: try_vec(d, 0.0, "the mean")?,
            scatter,
        })
    }

    /// Number of rows added, with or without a weight.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds finite rows, row-major `[weights.len(), d]`, with finite weights that are not negative.
    pub fn add(&mut self, rows: &[f32], weights: &[f32]) {
        let d = self.origin.len();
        if self.weight == 0.0 {
            // No row counted so far, so nothing was summed about another origin.
            self.origin.fill(0.0);
            for (origin, &x) in self.origin.iter_mut().zip(first_weighted(rows, weights, d)) {
                *origin = f64::from(x);
            }
        }
        for (rows, weights) in rows.chunks(ROWS_PER_PRODUCT * d).zip(weights.chunks(ROWS_PER_PRODUCT)) {
            let mut panel = DMatrix::zeros(d, weights.len());
            for ((row, &weight), mut column) in rows.chunks_exact(d).zip(weights).zip(panel.column_iter_mut())
            {
                let weight = f64::from(weight);
                let root = weight.sqrt();
                for (i, out) in column.iter_mut().enumerate() {
                    let deviation = f64::from(row[i]) - self.origin[i];
                    self.sum[i] += weight * deviation;
                    *out = root * deviation;
                }
                self.weight += weight;
            }
            self.scatter.gemm(1.0, &panel, &panel.transpose(), 1.0);
        }
        self.rows += weights.len() as u64;
    }

    /// Sum of the weights added.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Mean and axes of the rows added so far. If no row has a weight, the mean is 0 and there is no
    /// variance.
    ///
    /// # Errors
    /// [`Error::NotConverged`], also for sums that are not finite; [`Error::OutOfMemory`].
    pub fn axes(&self) -> Result<Axes> {
        let (mean, covariance) = self.covariance();
        let (variances, vectors) = eigen(covariance, eigen_limit(self.origin.len()))?;
        Ok(Axes { mean, variances, vectors })
    }

    /// The axes of the rows transformed by `root`, a symmetric matrix, taken back to the space of the rows by
    /// its inverse. Their coefficients are uncorrelated; the axes are orthonormal only under the metric
    /// `root²`.
    ///
    /// # Errors
    /// Those of [`Moments::axes`].
    pub fn axes_under(&self, Roots { root, inverse }: &Roots) -> Result<Axes> {
        let (mean, covariance) = self.covariance();
        let d = self.origin.len();
        let (variances, vectors) = eigen(root * covariance * root, eigen_limit(d))?;
        // The axes are rows; column-major they are columns, which the inverse root turns.
        let turned = inverse * DMatrix::from_vec(d, d, vectors);
        Ok(Axes { mean, variances, vectors: turned.as_slice().to_vec() })
    }

    /// The mean, and the covariance about it: that about the origin, less the square of the distance between
    /// them.
    fn covariance(&self) -> (Vec<f64>, DMatrix<f64>) {
        let d = self.origin.len();
        let weight = if self.weight > 0.0 { self.weight } else { 1.0 };
        let shift: Vec<f64> = self.sum.iter().map(|sum| sum / weight).collect();
        let mean = self.origin.iter().zip(&shift).map(|(origin, shift)| origin + shift).collect();
        let covariance = DMatrix::from_fn(d, d, |i, j| self.scatter[(i, j)] / weight - shift[i] * shift[j]);
        (mean, covariance)
    }
}

/// Mean and axes of one block, row-major `[weights.len(), d]`. With fewer rows than coordinates the Gram
/// matrix of the rows is decomposed instead, which is smaller and has the same eigenvalues other than 0.
///
/// # Errors
/// [`Error::NotConverged`], [`Error::OutOfMemory`]
pub fn axes_of_block(rows: &[f32], weights: &[f32], d: usize) -> Result<Axes> {
    let n = weights.len();
    if n >= d {
        let mut moments = Moments::new(d)?;
        moments.add(rows, weights);
        return moments.axes();
    }
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    let total = if total > 0.0 { total } else { 1.0 };
    let mut mean = try_vec(d, 0.0_f64, "the mean")?;
    let first = first_weighted(rows, weights, d);
    // About the first row with a weight, as in `Moments`, so that a large mean costs no digits.
    for (row, &weight) in rows.chunks_exact(d).zip(weights).filter(|(_, weight)| **weight > 0.0) {
        for (i, mean) in mean.iter_mut().enumerate() {
            *mean += f64::from(weight) / total * (f64::from(row[i]) - f64::from(first[i]));
        }
    }
    for (mean, &x) in mean.iter_mut().zip(first) {
        *mean += f64::from(x);
    }
    let deviations = DMatrix::from_fn(n, d, |r, c| {
        let root = (f64::from(weights[r]) / total).sqrt();
        // A row without weight may be so large that 0 times its square is not a number.
        if root > 0.0 { root * (f64::from(rows[r * d + c]) - mean[c]) } else { 0.0 }
    });
    let (mut variances, gram) = eigen(&deviations * deviations.transpose(), eigen_limit(n))?;
    // Below this share of the largest eigenvalue a direction is rounding error, and dividing by its root
    // would only blow it up.
    let floor = variances.first().map_or(0.0, |largest| largest * 1e-12);
    variances.retain(|&variance| variance > floor);
    let mut vectors = try_vec(variances.len() * d, 0.0, "the axes")?;
    for ((axis, along), variance) in vectors.chunks_exact_mut(d).zip(gram.chunks_exact(n)).zip(&variances) {
        for (c, out) in axis.iter_mut().enumerate() {
            *out = (0..n).map(|r| along[r] * deviations[(r, c)]).sum::<f64>() / variance.sqrt();
        }
        fix_sign(axis);
    }
    Ok(Axes { mean, variances, vectors })
}

/// The first row that has a weight; empty if none has.
fn first_weighted<'a>(rows: &'a [f32], weights: &[f32], d: usize) -> &'a [f32] {
    let first = weights.iter().position(|&weight| weight > 0.0);
    first.map_or(&[], |first| &rows[first * d..(first + 1) * d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize, d: usize) -> Vec<f32> {
        (0..n * d).map(|i| ((i * i * 31 + i * 17) % 97) as f32 / 10.0 + 1000.0 * (i % d) as f32).collect()
    }

    /// `‖C v − λ v‖` and `|⟨v_i,v_j⟩ − δ_ij|`, against a covariance computed plainly.
    fn check(rows: &[f32], weights: &[f32], d: usize, axes: &Axes) {
        let total: f64 = weights.iter().copied().map(f64::from).sum();
        for i in 0..d {
            let mean = rows.chunks(d).zip(weights).map(|(r, &w)| f64::from(w) * f64::from(r[i])).sum::<f64>()
                / total;
            assert!((mean - axes.mean[i]).abs() < 1e-9 * mean.abs().max(1.0));
        }
        let covariance = |i: usize, j: usize| {
            let term = |r: &[f32]| (f64::from(r[i]) - axes.mean[i]) * (f64::from(r[j]) - axes.mean[j]);
            rows.chunks(d).zip(weights).map(|(r, &w)| f64::from(w) * term(r)).sum::<f64>() / total
        };
        let matrix = DMatrix::from_fn(d, d, covariance);
        for (a, (axis, &variance)) in axes.vectors.chunks(d).zip(&axes.variances).enumerate() {
            for i in 0..d {
                let image: f64 = (0..d).map(|j| matrix[(i, j)] * axis[j]).sum();
                assert!((image - variance * axis[i]).abs() < 1e-8 * axes.variances[0]);
            }
            for (b, other) in axes.vectors.chunks(d).enumerate() {
                let product: f64 = axis.iter().zip(other).map(|(x, y)| x * y).sum();
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-7);
            }
        }
        let (trace, sum) = (matrix.trace(), axes.variances.iter().sum::<f64>());
        assert!(
            (trace - sum).abs() <= 1e-9 * trace,
            "{} x {d}: trace {trace}, variances {sum}",
            weights.len()
        );
        assert!(axes.variances.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn axes_diagonalise_the_covariance() {
        for (n, d) in [(40, 6), (6, 6), (5, 9), (2, 30), (600, 5)] {
            let rows = rows(n, d);
            let weights: Vec<f32> = (0..n).map(|i| (i % 4) as f32).collect();
            check(&rows, &weights, d, &axes_of_block(&rows, &weights, d).unwrap());
        }
    }

    #[test]
    fn rows_without_weight_change_nothing() {
        for (n, d) in [(40, 6), (5, 9)] {
            let rows = rows(n, d);
            let plain = axes_of_block(&rows, &vec![1.0; n], d).unwrap();
            for size in [1e6, 1e20, 3e38] {
                let wild = [vec![size; d], rows.clone(), vec![-size; d]].concat();
                let weights = [vec![0.0], vec![1.0; n], vec![0.0]].concat();
                let axes = axes_of_block(&wild, &weights, d).unwrap();
                assert!(axes.mean.iter().zip(&plain.mean).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs()));
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * plain.variances[0];
                assert!(axes.variances.iter().zip(&plain.variances).all(close), "{n} rows, {size}");
            }
        }
    }

    #[test]
    fn degenerate_blocks_have_axes() {
        for (n, d) in [(1, 1), (1, 7), (9, 3), (3, 9)] {
            for (weight, mean) in [(0.0, 0.0), (1.0, 2.5)] {
                let rows = vec![2.5; n * d];
                let axes = axes_of_block(&rows, &vec![weight; n], d).unwrap();
                assert_eq!(axes.mean, vec![mean; d]);
                assert_eq!(axes.variances.iter().sum::<f64>(), 0.0);
            }
        }
    }
}
