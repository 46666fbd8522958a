//! The query metric: how much an error in each direction of a row matters to the queries that will meet it.
//!
//! An error `e` of a key changes the logit of a query `a` by `⟨a,e⟩`, so the expected squared change is `eᵀ Σ
//! e` with `Σ = E(a aᵀ)`. A row is transformed by the root of `M`, which is block-diagonal: for a segment
//! with queries `M_s = (1 − ρ)·Σ_s/m_s + ρ·I` with the mean diagonal `m_s` of `Σ_s`, else the identity. So a
//! metric moves error within a segment, never between segments, and no direction is free: the next queries
//! are not those that were seen.
//!
//! A key is coded as it was before its rotary embedding, at position `t`; a query at position `p` meets it
//! turned by `p − t`. `Σ` is therefore averaged over distances from 0 to `p`.

use crate::error::{Error, Result, try_reserve, try_vec};
use crate::tensor::rope::Rope;
use nalgebra::{DMatrix, SymmetricEigen};
use std::ops::Range;

/// `ρ`: the share of the metric that is the identity. It bounds the ratio of the errors that two directions
/// may get, and keeps the root invertible with fewer queries than coordinates.
const RIDGE: f64 = 0.1;
/// Distances that stand for all those from 0 to a query's position. The time to add a query is proportional.
const DISTANCES: usize = 8;

/// Sums over the queries of each segment. Queries themselves are not kept.
#[derive(Debug)]
pub struct QueryMetric {
    segments: Vec<Sum>,
}

/// The queries of one segment.
#[derive(Debug)]
struct Sum {
    /// Coordinates of the segment in a row.
    range: Range<usize>,
    /// `Σ a aᵀ`; empty without queries.
    products: DMatrix<f64>,
}

/// `M^½` and `M^−½`, both symmetric.
#[derive(Debug)]
pub(crate) struct Roots {
    pub root: DMatrix<f64>,
    pub inverse: DMatrix<f64>,
}

impl QueryMetric {
    /// A metric without queries, for segments that lie at these coordinates.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub fn new(ranges: impl Iterator<Item = Range<usize>> + Clone) -> Result<Self> {
        let mut segments = try_reserve(ranges.clone().count(), "the metric")?;
        segments.extend(ranges.map(|range| Sum { range, products: DMatrix::zeros(0, 0) }));
        Ok(Self { segments })
    }

    /// Whether any queries were added.
    pub fn is_empty(&self) -> bool {
        self.segments.iter().all(|sum| sum.products.is_empty())
    }

    /// Adds finite queries `[_, dim of the segment]`. With positions and a rotary embedding, they are queries
    /// as they were before it; otherwise they are taken as they are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    ///
    /// # Panics
    /// If there is no such segment, or if there are fewer positions than queries. Callers have checked both.
    pub fn add(&mut self, segment: usize, queries: &[f32], rope: Option<(&Rope, &[i32])>) -> Result<()> {
        let sum = &mut self.segments[segment];
        let dim = sum.range.len();
        let count = queries.len() / dim;
        let distances = if rope.is_some() { DISTANCES } else { 1 };
        if sum.products.is_empty() {
            // A trial reservation: nalgebra aborts if memory is short, this returns an error.
            drop(try_vec(dim * dim, 0.0_f64, "the metric")?);
            sum.products = DMatrix::zeros(dim, dim);
        }
        let mut turned = try_vec(dim, 0.0_f32, "the metric")?;
        drop(try_vec(count * distances * dim, 0.0_f64, "the metric")?);
        let mut panel = DMatrix::zeros(dim, count * distances);
        for (i, mut column) in panel.column_iter_mut().enumerate() {
            let (query, distance) = (i / distances, i % distances);
            turned.copy_from_slice(&queries[query * dim..(query + 1) * dim]);
            if let Some((rope, positions)) = rope {
                let share = (distance as f64 + 0.5) / DISTANCES as f64;
                rope.turn((f64::from(positions[query]) * share).round(), &mut turned);
            }
            // Squares of the columns of a query add up to one query.
            let weight = 1.0 / (distances as f64).sqrt();
            column.iter_mut().zip(&turned).for_each(|(out, x)| *out = weight * f64::from(*x));
        }
        sum.products.gemm(1.0, &panel, &panel.transpose(), 1.0);
        Ok(())
    }

    /// The roots of the metric. Takes a decomposition per segment, cubic in its dimension.
    ///
    /// # Errors
    /// [`Error::NotConverged`], [`Error::OutOfMemory`]
    pub(crate) fn roots(&self) -> Result<Roots> {
        let dim = self.segments.last().map_or(0, |sum| sum.range.end);
        drop(try_vec(2 * dim * dim, 0.0_f64, "the metric")?);
        let mut roots = Roots { root: DMatrix::identity(dim, dim), inverse: DMatrix::identity(dim, dim) };
        for Sum { range, products } in &self.segments {
            let n = range.len();
            let mean = products.trace() / n as f64;
            // Without queries, or if all of them are zero, every direction counts alike.
            if products.is_empty() || !(mean > 0.0 && mean.is_finite()) {
                continue;
            }
            let metric = products * ((1.0 - RIDGE) / mean) + DMatrix::identity(n, n) * RIDGE;
            let limit = super::eigen::eigen_limit(n);
            let eigen =
                SymmetricEigen::try_new(metric, f64::EPSILON, limit).ok_or(Error::NotConverged { dim: n })?;
            let power = |exponent: f64| {
                // No eigenvalue lies below the ridge, except by rounding.
                let scale = eigen.eigenvalues.map(|value| value.max(0.5 * RIDGE).powf(exponent));
                &eigen.eigenvectors * DMatrix::from_diagonal(&scale) * eigen.eigenvectors.transpose()
            };
            let place = (range.start, range.start);
            roots.root.view_mut(place, (n, n)).copy_from(&power(0.5));
            roots.inverse.view_mut(place, (n, n)).copy_from(&power(-0.5));
        }
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::rope::Pairing;

    #[test]
    fn roots_are_those_of_the_metric() {
        let mut metric = QueryMetric::new([0..3, 3..5].into_iter()).unwrap();
        assert!(metric.is_empty());
        metric.add(0, &[3.0, 0.0, 0.0, 0.0, 1.0, 1.0], None).unwrap();
        let Roots { root, inverse } = metric.roots().unwrap();
        let square = &root * &root;
        // Σ = diag(9, [[1, 1], [1, 1]]), of mean diagonal 11/3.
        let expected = [[9.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]];
        for (i, row) in expected.iter().enumerate() {
            for (j, x) in row.iter().enumerate() {
                let identity = f64::from(u8::from(i == j));
                assert!((square[(i, j)] - (0.9 * x * 3.0 / 11.0 + 0.1 * identity)).abs() < 1e-12);
            }
        }
        assert_eq!(square[(3, 3)], 1.0, "a segment without queries");
        assert!((root * inverse - DMatrix::identity(5, 5)).amax() < 1e-12);
    }

    /// Over many turns of a fast pair every direction of its plane counts alike; a slow pair keeps its
    /// direction.
    #[test]
    fn queries_are_averaged_over_distances() {
        let rope = Rope { pairing: Pairing::Interleaved, inv_freq: vec![1.0, 1e-9] };
        let mut metric = QueryMetric::new(std::iter::once(0..4)).unwrap();
        for position in 500..900 {
            metric.add(0, &[1.0, 0.0, 1.0, 0.0], Some((&rope, &[position]))).unwrap();
        }
        let products = &metric.segments[0].products / 400.0;
        assert!((products[(0, 0)] - 0.5).abs() < 0.05 && (products[(1, 1)] - 0.5).abs() < 0.05, "{products}");
        assert!((products[(2, 2)] - 1.0).abs() < 1e-4 && products[(3, 3)] < 1e-4, "{products}");
    }
}
