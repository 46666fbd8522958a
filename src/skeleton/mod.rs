//! What rows have in common: mean, basis, variances, K-means centres.
//!
//! A row `x` becomes coefficients `y = T(x − μ)` with a basis `T` of `rank` orthonormal rows, and comes back as
//! `μ + Bᵀy`, with `B = T` unless the skeleton has a query metric: then `T` is not orthonormal, `B` is the inverse
//! of its transpose, and an error has in coefficients the size that it has under the metric. The identity skeleton, which turbo uses, has none of these: its coefficients are the row itself.
//! Basis and centres are rounded to binary16, in which they are stored, before anything is computed with them,
//! so encoder and decoder use the same numbers.

mod analysis;
mod fit;
mod metric;
mod reach;

pub use fit::{FitReport, Fitter};
pub(crate) use fit::{fit_block, index_bits};
pub(crate) use metric::{QueryMetric, Roots};
pub use reach::Reach;

use crate::error::{Result, try_reserve};
use crate::sums::{dot, dot_on};
use fearless_simd::Simd;

/// What is fitted once and shared by rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Skeleton {
    dim: usize,
    rank: usize,
    /// `[dim]`; empty for the identity.
    mean: Vec<f32>,
    /// Largest magnitude in the mean.
    peak: f32,
    /// `[rank]`: variances of the components; empty where they are not known (a skeleton read from a block).
    pub(crate) variances: Vec<f32>,
    /// `B`, `[rank, dim]`; empty for the identity.
    pub(crate) basis: Vec<f32>,
    /// `T`, `[rank, dim]`, where it is not `B`; else empty.
    analysis: Vec<f32>,
    /// `Tμ`, `[rank]`, of a skeleton with a metric.
    mean_image: Vec<f32>,
    /// `[n_centres, rank]`.
    pub(crate) centres: Vec<f32>,
    /// How far rows go along their centres.
    pub(crate) reach: Reach,
    /// See [`Skeleton::id`].
    pub(crate) known_id: KnownId,
}

/// The id of a skeleton, where it is known. That changes nothing about the skeleton: equal ones may differ in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KnownId(pub Option<[u8; 32]>);

impl PartialEq for KnownId {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Skeleton {
    /// The skeleton that leaves rows of `dim` coordinates as they are.
    pub fn identity(dim: usize) -> Self {
        let none = Vec::new;
        Self {
            dim,
            rank: dim,
            mean: none(),
            peak: 0.0,
            variances: none(),
            basis: none(),
            analysis: none(),
            mean_image: none(),
            centres: none(),
            reach: Reach::default(),
            known_id: KnownId::default(),
        }
    }

    /// An identity skeleton with room to become, without allocating, any skeleton of at most `rank` components
    /// and `centres` centres.
    pub(crate) fn with_room(dim: usize, rank: usize, centres: usize) -> Result<Self> {
        Ok(Self {
            mean: try_reserve(dim, "the skeleton")?,
            variances: try_reserve(rank, "the skeleton")?,
            basis: try_reserve(rank * dim, "the skeleton")?,
            centres: try_reserve(centres * rank, "the skeleton")?,
            ..Self::identity(dim)
        })
    }

    /// Sets the shape and empties the parts, keeping their memory.
    pub(crate) fn reshape(&mut self, dim: usize, rank: usize) {
        (self.dim, self.rank, self.known_id) = (dim, rank, KnownId::default());
        let parts = [&mut self.mean, &mut self.variances, &mut self.basis, &mut self.centres];
        for part in parts.into_iter().chain([&mut self.analysis, &mut self.mean_image]) {
            part.clear();
        }
    }

    /// Becomes a copy of `other`, without allocating where there is room.
    pub(crate) fn assign(&mut self, other: &Self) {
        self.reshape(other.dim, other.rank);
        self.reach = other.reach;
        self.set_mean(other.mean.iter().copied());
        self.variances.extend_from_slice(&other.variances);
        self.basis.extend_from_slice(&other.basis);
        self.centres.extend_from_slice(&other.centres);
    }

    /// Whether any skeleton of `rank` components over `dim` coordinates with `centres` centres fits in the
    /// memory that [`Skeleton::with_room`] reserved.
    pub(crate) fn has_room(&self, dim: usize, rank: usize, centres: usize) -> bool {
        self.mean.capacity() >= dim
            && self.basis.capacity() >= rank * dim
            && self.centres.capacity() >= centres * rank
    }

    /// Coordinates of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Coefficients of a row.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// K-means centres; 0 = K-means is off.
    pub fn n_centres(&self) -> usize {
        self.centres.len() / self.rank.max(1)
    }

    /// `μ`; empty for the identity.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// `B`, row-major `[rank, dim]`; empty for the identity.
    pub fn basis(&self) -> &[f32] {
        &self.basis
    }

    /// Whether the transform follows a query metric and is not orthonormal.
    pub fn has_metric(&self) -> bool {
        !self.analysis.is_empty()
    }

    /// `T`, row-major `[rank, dim]`: the basis, unless there is a metric; empty for the identity.
    pub fn transform(&self) -> &[f32] {
        if self.has_metric() { &self.analysis } else { &self.basis }
    }

    /// Gives the skeleton, whose rank is its dimension, the transform that the basis is the inverse of. Returns
    /// whether there is one.
    pub(crate) fn invert_basis(&mut self) -> Result<bool> {
        let Some(analysis) = analysis::analysis(&self.basis, self.dim)? else { return Ok(false) };
        self.analysis = analysis;
        self.mean_image = try_reserve(self.rank, "the skeleton")?;
        let (analysis, mean) = (&self.analysis, &self.mean);
        self.mean_image.extend(analysis.chunks_exact(self.dim).map(|axis| dot(axis, mean)));
        Ok(true)
    }

    /// `Tμ`; empty without a metric.
    pub(crate) fn mean_image(&self) -> &[f32] {
        &self.mean_image
    }

    /// Variances of the coefficients at fitting; empty where they are not known.
    pub fn variances(&self) -> &[f32] {
        &self.variances
    }

    /// Unit centres in coefficient space, row-major `[n_centres, rank]`.
    pub fn centres(&self) -> &[f32] {
        &self.centres
    }

    /// How far rows go along their centres.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether rows pass through unchanged.
    pub fn is_identity(&self) -> bool {
        self.mean.is_empty()
    }

    /// Centre `index`.
    #[inline(always)]
    pub(crate) fn centre(&self, index: usize) -> &[f32] {
        &self.centres[index * self.rank..(index + 1) * self.rank]
    }

    /// Sets the mean.
    pub(crate) fn set_mean(&mut self, mean: impl Iterator<Item = f32>) {
        self.mean.clear();
        self.mean.extend(mean);
        self.peak = self.mean.iter().fold(0.0, |peak, x| peak.max(x.abs()));
    }

    /// Largest magnitude in the mean.
    pub(crate) fn peak(&self) -> f32 {
        self.peak
    }

    /// `y = T(x·shrink − μ·shrink)`; `deviation` is scratch for `dim` values. `shrink` is a power of two.
    #[inline(always)]
    pub(crate) fn project<S: Simd>(
        &self,
        simd: S,
        x: &[f32],
        shrink: f32,
        deviation: &mut [f32],
        y: &mut [f32],
    ) {
        if self.is_identity() {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * shrink;
            }
            return;
        }
        for ((deviation, &x), &mean) in deviation.iter_mut().zip(x).zip(&self.mean) {
            *deviation = x * shrink - mean * shrink;
        }
        for (y, axis) in y.iter_mut().zip(self.transform().chunks_exact(self.dim)) {
            *y = dot_on(simd, axis, deviation);
        }
    }

    /// `x = (Bᵀy + μ/unit)·unit`, kept finite; `unit` is a power of two.
    #[inline(always)]
    pub(crate) fn reconstruct(&self, y: &[f32], unit: f32, x: &mut [f32]) {
        if self.is_identity() {
            x.copy_from_slice(y);
        } else {
            for (x, &mean) in x.iter_mut().zip(&self.mean) {
                *x = mean / unit;
            }
            for (&y, axis) in y.iter().zip(self.basis.chunks_exact(self.dim)) {
                for (x, &t) in x.iter_mut().zip(axis) {
                    *x += y * t;
                }
            }
        }
        if unit != 1.0 {
            for x in x {
                *x = (*x * unit).clamp(f32::MIN, f32::MAX);
            }
        }
    }
}
