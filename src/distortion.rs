//! What a block is optimised for.
//!
//! A distortion is a zero-sized type and a compile-time parameter of the kernel. It decides how the scale of
//! a row is chosen and what the encoder certifies; decoding is the same for all three.

use crate::error::{Error, Result};

/// How the scale of a coded row is chosen. `z` is the coded vector, `q` its reconstruction points at scale 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormMode {
    /// `⟨z,q⟩ / ⟨q,q⟩`: least squares.
    LeastSquares,
    /// `⟨z,z⟩ / ⟨z,q⟩`: the reconstruction projects onto `z` with the length of `z`, so that inner products
    /// with it keep their size.
    Unbiased,
    /// The scale with the least maximum error after decoding, found by search.
    Search,
}

/// The objective of a block: a compile-time parameter of the kernel.
///
/// Not object-safe, since the kernel is monomorphic: of these two functions only the first compiles.
///
/// ```
/// fn generic<R: kakeyaturbo::Distortion>(_: &R) {}
/// ```
/// ```compile_fail,E0038
/// fn erased(_: &dyn kakeyaturbo::Distortion) {}
/// ```
pub trait Distortion: Copy + Default + Sized + 'static {
    /// How the scale of a row is chosen.
    const NORM_MODE: NormMode;
    /// The number that stands for this distortion in a block.
    const ID: u8;

    /// The scale for a coded vector with `zz = ⟨z,z⟩`, `zq = ⟨z,q⟩`, `qq = ⟨q,q⟩`; 0 for a zero vector.
    ///
    /// `Unbiased` falls back to least squares if `z` and `q` are more than 60° apart, since its own scale
    /// would then amplify the error more than fourfold.
    #[inline(always)]
    fn scale(zz: f32, zq: f32, qq: f32) -> f32 {
        if qq <= 0.0 || zq <= 0.0 {
            return 0.0;
        }
        let unbiased = matches!(Self::NORM_MODE, NormMode::Unbiased) && zq * zq > 0.25 * (zz * qq);
        if unbiased { zz / zq } else { zq / qq }
    }
}

/// Squared error: the scale of a row is that of least squares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MSE;

/// Unbiased inner products with the decoded rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InnerProduct;

/// Least maximum absolute error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LInf;

impl Distortion for MSE {
    const NORM_MODE: NormMode = NormMode::LeastSquares;
    const ID: u8 = 0;
}

impl Distortion for InnerProduct {
    const NORM_MODE: NormMode = NormMode::Unbiased;
    const ID: u8 = 1;
}

impl Distortion for LInf {
    const NORM_MODE: NormMode = NormMode::Search;
    const ID: u8 = 2;
}

/// A distortion chosen at run time. It selects the instance of the kernel, once per block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// [`MSE`]
    Mse,
    /// [`InnerProduct`]
    InnerProduct,
    /// [`LInf`]
    LInf,
}

impl Objective {
    /// The code of the C API and of the block header: never renumbered.
    pub fn code(self) -> u8 {
        match self {
            Self::Mse => MSE::ID,
            Self::InnerProduct => InnerProduct::ID,
            Self::LInf => LInf::ID,
        }
    }

    /// How the scale of a row is chosen.
    pub(crate) fn norm_mode(self) -> NormMode {
        match self {
            Self::Mse => MSE::NORM_MODE,
            Self::InnerProduct => InnerProduct::NORM_MODE,
            Self::LInf => LInf::NORM_MODE,
        }
    }

    /// The objective of a code.
    ///
    /// # Errors
    /// [`Error::BadParam`] for a code that no objective has.
    pub fn from_code(code: u32) -> Result<Self> {
        match u8::try_from(code) {
            Ok(MSE::ID) => Ok(Self::Mse),
            Ok(InnerProduct::ID) => Ok(Self::InnerProduct),
            Ok(LInf::ID) => Ok(Self::LInf),
            _ => Err(Error::BadParam {
                what: "distortion",
                got: f64::from(code),
                expected: "0 (MSE), 1 (inner product) or 2 (LInf)",
            }),
        }
    }
}

/// What the encoder measured on a row, by decoding it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowError {
    /// `‖x‖²`.
    pub energy: f64,
    /// `‖x − x̂‖²`. Both are under the query metric if there is one.
    pub squared: f64,
    /// `max |x − x̂|` in units of the tensors, whatever the positions: for a pair that a rotary embedding
    /// turns, the length of its error. Only measured when it is minimised.
    pub absolute: f64,
}

/// Sums over the rows of a block, from which its certificate follows.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    energy: f64,
    squared: f64,
    absolute: f64,
}

impl Tally {
    /// Adds a row.
    #[inline(always)]
    pub fn add(&mut self, weight: f32, error: RowError) {
        self.energy += f64::from(weight) * error.energy;
        self.squared += f64::from(weight) * error.squared;
        self.absolute = self.absolute.max(error.absolute);
    }

    /// The error that the header states. It is rounded up, so that the true error is never larger.
    pub fn certificate(&self, objective: Objective) -> f32 {
        let exact = match objective {
            Objective::LInf => self.absolute,
            _ if self.energy > 0.0 => self.squared / self.energy,
            // Rows without energy or without weight have no relative error.
            _ => 0.0,
        };
        let rounded = exact as f32;
        if f64::from(rounded) < exact { rounded.next_up() } else { rounded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distortions_take_no_space() {
        assert_eq!(size_of::<MSE>() + size_of::<InnerProduct>() + size_of::<LInf>(), 0);
    }

    #[test]
    fn scales_differ_by_their_definition() {
        let (zz, zq, qq) = (4.0, 3.0, 2.5);
        assert_eq!(MSE::scale(zz, zq, qq), 3.0 / 2.5);
        assert_eq!(InnerProduct::scale(zz, zq, qq), 4.0 / 3.0);
        // cos² = 0.01/10 is far beyond 60°.
        assert_eq!(InnerProduct::scale(zz, 0.1, qq), 0.1 / 2.5);
        assert_eq!(MSE::scale(0.0, 0.0, 0.0), 0.0);
    }
}
