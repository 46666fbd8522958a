//! The skeleton: what rows have in common. Mean, basis, variances, K-means centres.
//!
//! A row `x` becomes coefficients `y = T(x − μ)` with a basis `T` of `rank` orthonormal rows, and comes back
//! as `μ + Bᵀy`, with `B = T` unless the skeleton has a query metric: then `T` is not orthonormal, `B` is the
//! inverse of its transpose, and an error in coefficients has the size that it has under the metric. The
//! identity skeleton, which turbo uses, has none of these: its coefficients are the row itself. Basis and
//! centres are rounded to binary16, in which they are stored, before anything is computed with them, so
//! encoder and decoder use the same numbers.

mod centres;
pub(crate) mod frame;
mod inverse;
mod reach;
mod saved;

pub(crate) use centres::nearest_centre;
pub(crate) use frame::Frame;
pub use reach::Reach;

use crate::error::{Result, try_reserve};
use crate::vector::sums::{dot, dot_on, peak};
use fearless_simd::Simd;

/// What is fitted once and shared by rows. Made by a fit or by [`Skeleton::load`].
#[derive(Debug, Clone, PartialEq)]
pub struct Skeleton {
    dim: usize,
    rank: usize,
    /// `[dim]`; empty for the identity.
    mean: Vec<f32>,
    /// Largest magnitude in the mean, kept because every row asks for it.
    peak: f32,
    /// `[rank]`: variances of the components; empty if they are not known (in a skeleton read from a block).
    variances: Vec<f32>,
    /// `B`, `[rank, dim]`; empty for the identity.
    basis: Vec<f32>,
    /// `T`, `[rank, dim]`, if it is not `B`; else empty.
    transform: Vec<f32>,
    /// `Tμ`, `[rank]`, with a metric; else empty.
    mean_image: Vec<f32>,
    /// `[n_centres, rank]`, of length 1 up to rounding.
    centres: Vec<f32>,
    /// How far rows go along their centres.
    reach: Reach,
    /// BLAKE3 of the saved form, if it was computed: see [`Skeleton::seal`]. Not changed afterwards.
    id: Option<[u8; 32]>,
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
            transform: none(),
            mean_image: none(),
            centres: none(),
            reach: Reach::default(),
            id: None,
        }
    }

    /// An identity skeleton with room to become any skeleton of at most `rank` components and `centres`
    /// centres without allocating. Decoders of blocks that bring their own skeleton rely on it.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
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
        (self.dim, self.rank, self.id) = (dim, rank, None);
        let parts = [&mut self.mean, &mut self.variances, &mut self.basis, &mut self.centres];
        for part in parts.into_iter().chain([&mut self.transform, &mut self.mean_image]) {
            part.clear();
        }
    }

    /// Becomes a copy of `other`, without a metric. Allocates nothing if there is room.
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
        !self.transform.is_empty()
    }

    /// `T`, row-major `[rank, dim]`: the basis, unless there is a metric; empty for the identity.
    pub fn transform(&self) -> &[f32] {
        if self.has_metric() { &self.transform } else { &self.basis }
    }

    /// Computes the transform of a skeleton whose basis was fitted under a metric, and whose rank is its
    /// dimension. Returns false, with the skeleton unchanged, if the basis has no usable inverse.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub(crate) fn invert_basis(&mut self) -> Result<bool> {
        let Some(transform) = inverse::transform(&self.basis, self.dim)? else { return Ok(false) };
        self.transform = transform;
        self.mean_image = try_reserve(self.rank, "the skeleton")?;
        let (transform, mean) = (&self.transform, &self.mean);
        self.mean_image.extend(transform.chunks_exact(self.dim).map(|axis| dot(axis, mean)));
        Ok(true)
    }

    /// `Tμ`, from which the energy of the mean under the metric follows; empty without one.
    pub(crate) fn mean_image(&self) -> &[f32] {
        &self.mean_image
    }

    /// Variances of the coefficients at fitting; empty if they are not known.
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

    /// Becomes a skeleton of `rank` components over `dim` coordinates, without centres. Basis vectors are
    /// row-major and have been rounded to binary16, as what is not would change when the skeleton is saved.
    pub(crate) fn set_axes(
        &mut self,
        (dim, rank): (usize, usize),
        mean: impl Iterator<Item = f32>,
        variances: impl Iterator<Item = f32>,
        basis: impl Iterator<Item = f32>,
    ) {
        self.reshape(dim, rank);
        self.set_mean(mean);
        self.variances.extend(variances);
        self.basis.extend(basis);
    }

    /// Sets unit centres, row-major `[_, rank]`, that have been rounded to binary16. `reach` is the farthest
    /// that a row goes along one.
    pub(crate) fn set_centres(&mut self, centres: &[f32], reach: f32) {
        self.centres.clear();
        self.centres.extend_from_slice(centres);
        self.reach.peak = reach;
    }

    /// Replaces the variances of the components.
    pub(crate) fn set_variances(&mut self, variances: impl Iterator<Item = f32>) {
        self.variances.clear();
        self.variances.extend(variances);
    }

    /// Sets the mean and its peak, which have to agree.
    fn set_mean(&mut self, mean: impl Iterator<Item = f32>) {
        self.mean.clear();
        self.mean.extend(mean);
        self.peak = peak(&self.mean);
    }

    /// Largest magnitude in the mean.
    pub(crate) fn peak(&self) -> f32 {
        self.peak
    }

    /// `y = T(x·shrink − μ·shrink)`; `deviation` is scratch for `dim` values. `shrink` is a power of two.
    /// Both terms are shrunk before they are subtracted, because the difference itself may overflow.
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

    /// `x = (Bᵀy + μ/unit)·unit`, kept finite; `unit` is a power of two. The order of the sums is part of the
    /// format: axis by axis onto the mean, without fused multiply-add.
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
