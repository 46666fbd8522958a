//! Compresses and restores the KV cache of LLM inference engines, block by block.
//!
//! A [`Codec`] is what the C API wraps: it is created once, shared between threads, and turns strided engine
//! tensors into one self-describing buffer per block. It has one of two coders:
//!
//! - at a **fixed rate** every row takes the same number of bits. Preset `turbo` rotates rows randomly
//!   (Walsh–Hadamard) and quantises them with the tables of Lloyd and Max; `kakeya` first takes out what the
//!   rows of a block have in common, by weighted PCA and weighted spherical K-means; `rdo` with bits
//!   transforms with a shared skeleton and gives each component bits of its own. The kernel is generic over a
//!   [`Distortion`].
//! - at a **step** the error is fixed and the size follows the data: `rdo` transforms with a shared skeleton,
//!   quantises all components uniformly with one step, and entropy-codes runs of rows with trained tables.
//!
//! A [`Skeleton`] is what a [`StreamFitter`] learns from calibration rows; a [`Profile`](profile::Profile)
//! holds those of a whole model. [`encode_block`] and [`decode_block`] are turbo and kakeya over plain
//! slices:
//!
//! ```
//! use kakeyaturbo::{MSE, Params, decode_block, encode_block};
//!
//! // 64 rows of 128 coefficients, all of weight 1, at the default of 4 bits.
//! let rows: Vec<f32> = (0..64 * 128).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
//! let (skeleton, codes) = encode_block::<MSE>(&rows, &[1.0; 64], 128, &Params::default())?;
//! let back = decode_block::<MSE>(&skeleton, &codes)?;
//!
//! let error: f32 = rows.iter().zip(&back).map(|(x, y)| (x - y) * (x - y)).sum();
//! let energy: f32 = rows.iter().map(|x| x * x).sum();
//! assert!(error < 0.012 * energy);
//! # Ok::<(), kakeyaturbo::Error>(())
//! ```
//!
//! Unsafe code is in `ffi`, the C API, and in `shared`, a reference count whose allocation can fail; nowhere
//! else.

#![deny(unsafe_code)]

#[forbid(unsafe_code)]
mod codec;
#[forbid(unsafe_code)]
mod distortion;
#[forbid(unsafe_code)]
mod error;
#[allow(unsafe_code)]
#[doc(hidden)]
pub mod ffi;
#[forbid(unsafe_code)]
mod fit;
#[forbid(unsafe_code)]
mod fixed;
#[forbid(unsafe_code)]
mod format;
#[forbid(unsafe_code)]
mod params;
#[forbid(unsafe_code)]
pub mod profile;
#[forbid(unsafe_code)]
#[doc(hidden)]
pub mod reference;
#[forbid(unsafe_code)]
mod seed;
#[allow(unsafe_code)]
mod shared;
#[forbid(unsafe_code)]
mod skeleton;
#[forbid(unsafe_code)]
mod stepped;
#[forbid(unsafe_code)]
mod tensor;
#[forbid(unsafe_code)]
mod vector;

pub use codec::{Codec, Codes, Workspace, decode_block, encode_block, verify};
pub use distortion::{Distortion, InnerProduct, LInf, MSE, NormMode, Objective};
pub use error::{Count, Error, PanicText, Result};
pub use fit::{FitReport, Fitter, StreamFitter};
pub use format::FORMAT_VERSION;
pub use format::header::Header;
pub use params::{NanPolicy, Params, Preset, RateControl, Settings};
pub use shared::Shared;
pub use skeleton::{Reach, Skeleton};
pub use tensor::dtype::{Dtype, Elements};
pub use tensor::layout::{Layout, MAX_DIM, Segment};
pub use tensor::rope::{Pairing, Rope};
pub use tensor::rows::{Rows, RowsMut};
pub use tensor::view::View;
pub use vector::tier::Tier;

/// What tests and tools of this repository look at, and nobody else should: it changes with any version.
#[doc(hidden)]
pub mod internals {
    pub use crate::fixed::allocation::Allocation;
    pub use crate::fixed::levels::DISTORTION;
    pub use crate::fixed::quantizer::Quantizer;
    pub use crate::fixed::{rotation, scale};
    pub use crate::format::header::{FLAG_RAW, HEADER_BYTES, RAW_HEADER_BYTES};
    pub use crate::params::MAX_BITS;
    pub use crate::reference;
    pub use crate::stepped::{rans, rate};
    pub use crate::vector::pack;
}
