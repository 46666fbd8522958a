//! The transform of a skeleton with a query metric. Its basis is not orthonormal, so the transform is an
//! inverse and not the transpose.
//!
//! It is computed when a skeleton is fitted or loaded, not stored: it would double the size of the skeleton,
//! and only encoders use it. Loading a profile computes one per skeleton, so its speed matters.

use crate::error::{Result, try_reserve, try_vec};
use nalgebra::linalg::{LU, try_invert_to};
use nalgebra::{DMatrix, DVectorViewMut};

/// Rows and columns that are eliminated together. Almost all the work is then in products of large matrices,
/// which run near the speed of the processor; eliminating one at a time is bound by memory.
const BLOCK: usize = 64;
/// Values that a product of matrices packs at a time, from above: memory that nalgebra will take for itself.
const PACKED: usize = 1 << 19;

/// The transform `(Bᵀ)⁻¹`, row-major, that turns rows into coefficients, for the basis `B` `[dim, dim]` that
/// turns coefficients into rows. `None` if `B` has no usable inverse: it is singular, or the result is not
/// finite.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
pub(super) fn transform(basis: &[f32], dim: usize) -> Result<Option<Vec<f32>>> {
    // Allocated here: nalgebra aborts on failure.
    let matrix = || -> Result<DMatrix<f64>> {
        let mut values = try_reserve(dim * dim, "the skeleton")?;
        for column in 0..dim {
            values.extend(basis[column..].iter().step_by(dim).map(|&x| f64::from(x)));
        }
        Ok(DMatrix::from_vec(dim, dim, values))
    };
    let mut inverse = matrix()?;
    let mut order = try_reserve(dim, "the skeleton")?;
    order.extend(0..dim);
    let found = if dim <= BLOCK {
        try_invert_to(matrix()?, &mut inverse)
    } else {
        // A trial reservation of what the elimination allocates below, as its copies cannot report an error.
        drop(try_vec(4 * dim * BLOCK + PACKED, 0.0_f64, "the skeleton")?);
        invert(&mut inverse, &mut order).is_some()
    };
    if !found {
        return Ok(None);
    }
    let mut rows = try_vec(dim * dim, 0.0_f32, "the skeleton")?;
    for (column, row) in inverse.column_iter().zip(&order) {
        rows[row * dim..][..dim].iter_mut().zip(&column).for_each(|(out, x)| *out = *x as f32);
    }
    Ok(rows.iter().all(|x| x.is_finite()).then_some(rows))
}

/// Inverts in place by Gauss–Jordan elimination, in blocks, with pivots. The columns of the result are those
/// of the inverse in another order, which `order` says. `None` if a block has no inverse.
///
/// Pivots are found among the rows that are left, for the columns of one block at a time, so that rounding
/// errors stay small.
fn invert(matrix: &mut DMatrix<f64>, order: &mut [usize]) -> Option<()> {
    let dim = matrix.nrows();
    for k in (0..dim).step_by(BLOCK) {
        let size = BLOCK.min(dim - k);
        let swaps = LU::new(matrix.view((k, k), (dim - k, size)).clone_owned());
        swaps.p().permute_rows(&mut matrix.rows_range_mut(k..));
        swaps.p().permute_rows(&mut DVectorViewMut::from_slice(&mut order[k..], dim - k));
        let pivot = matrix.view((k, k), (size, size)).clone_owned().try_inverse()?;
        let down = matrix.view((0, k), (dim, size)).clone_owned();
        let across = &pivot * matrix.view((k, 0), (size, dim));
        matrix.gemm(-1.0, &down, &across, 1.0);
        matrix.view_mut((0, k), (dim, size)).gemm(-1.0, &down, &pivot, 0.0);
        matrix.view_mut((k, 0), (size, dim)).copy_from(&across);
        matrix.view_mut((k, k), (size, size)).copy_from(&pivot);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_without_an_inverse_is_none() {
        assert_eq!(transform(&[1.0, 2.0, 2.0, 4.0], 2).unwrap(), None);
        let rows = transform(&[2.0, 0.0, 1.0, 1.0], 2).unwrap().unwrap();
        // x = Bᵀ y, so y = (Bᵀ)⁻¹ x: the rows of the inverse of [[2, 1], [0, 1]].
        assert_eq!(rows, [0.5, -0.5, 0.0, 1.0]);
        let dim = BLOCK + 1;
        assert_eq!(transform(&vec![0.0; dim * dim], dim).unwrap(), None);
    }

    /// Axes of lengths from 1 to 100, shuffled, so that blocks on the diagonal have no inverse, and half of
    /// the times reflected.
    #[test]
    fn large_matrices_are_inverted_in_blocks() {
        for (dim, reflected) in [(BLOCK, 1.0), (BLOCK + 1, 0.0), (3 * BLOCK, 0.0), (200, 1.0)] {
            let squares: usize = (1..=dim).map(|k| k * k).sum();
            let basis: Vec<f32> = (0..dim * dim)
                .map(|at| {
                    let (i, j) = (at / dim, at % dim);
                    let (length, axis) = (1.0 + 99.0 * (i as f64 / dim as f64).powi(2), (7 * i + 3) % dim);
                    let mirror = 2.0 * ((axis + 1) * (j + 1)) as f64 / squares as f64;
                    (length * (f64::from(u8::from(axis == j)) - reflected * mirror)) as f32
                })
                .collect();
            let rows = transform(&basis, dim).unwrap().unwrap();
            for (i, row) in rows.chunks_exact(dim).enumerate() {
                for (j, axis) in basis.chunks_exact(dim).enumerate() {
                    let product: f64 = row.iter().zip(axis).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    let off = product - f64::from(u8::from(i == j));
                    assert!(off.abs() < 1e-5, "{dim}: {off}");
                }
            }
        }
    }
}
