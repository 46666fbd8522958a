//! The centre that predicts a row best.
//!
//! Fits, encoders and predictions all choose by this one function, so a fit is judged by the choices that
//! encoders will make. Decoders read the choice.

use crate::vector::sums::dot;

/// Finds the centre with the largest `|⟨y,c⟩|` and that product with its sign; the first one if several are
/// equal. `None` without centres. `centres` is row-major `[_, row.len()]`.
#[inline(always)]
pub(crate) fn nearest_centre(row: &[f32], centres: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (c, centre) in centres.chunks_exact(row.len().max(1)).enumerate() {
        let product = dot(row, centre);
        if best.is_none_or(|(_, other)| product.abs() > other.abs()) {
            best = Some((c, product));
        }
    }
    best
}
