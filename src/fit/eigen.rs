//! Eigenvalues and eigenvectors of symmetric matrices.

use crate::error::{Error, Result, try_vec};
use nalgebra::{DMatrix, SymmetricEigen};

/// Iterations after which the eigenvalues of a matrix of size `d` count as not converging. About two per
/// eigenvalue are usual; the limit keeps a hostile matrix from running for ever.
pub(super) fn eigen_limit(d: usize) -> usize {
    30 * d + 100
}

/// Eigenvalues, descending and not negative, and eigenvectors as rows. Equal eigenvalues keep the order of
/// the decomposition.
///
/// # Errors
/// [`Error::NotConverged`], also for a matrix that is not finite, on which the iteration would not end;
/// [`Error::OutOfMemory`].
pub(super) fn eigen(matrix: DMatrix<f64>, limit: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let d = matrix.nrows();
    let not_converged = Error::NotConverged { dim: d };
    if matrix.iter().any(|x| !x.is_finite()) {
        return Err(not_converged);
    }
    let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, limit).ok_or(not_converged)?;
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
    let values = order.iter().map(|&i| eigen.eigenvalues[i].max(0.0)).collect();
    let mut vectors = try_vec(d * d, 0.0, "the axes")?;
    for (axis, &i) in vectors.chunks_exact_mut(d.max(1)).zip(&order) {
        axis.copy_from_slice(eigen.eigenvectors.column(i).as_slice());
        fix_sign(axis);
    }
    Ok((values, vectors))
}

/// Makes the component of largest magnitude positive; the first one if several are equal.
pub(super) fn fix_sign(axis: &mut [f64]) {
    let peak = axis.iter().fold(0.0_f64, |peak, &x| if x.abs() > peak.abs() { x } else { peak });
    if peak < 0.0 {
        axis.iter_mut().for_each(|x| *x = -*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_that_does_not_converge_is_an_error() {
        let matrix = DMatrix::from_fn(12, 12, |i, j| ((i * j) as f64).sin() + ((j * i) as f64).sin());
        assert_eq!(eigen(matrix, 1).unwrap_err(), Error::NotConverged { dim: 12 });
        assert!(eigen(DMatrix::from_element(2, 2, f64::NAN), 100).is_err());
    }
}
