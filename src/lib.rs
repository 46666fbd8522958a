//! Compresses the keys and values of an LLM inference engine's KV cache, block by block, and gives them back.
//!
//! One monomorphic kernel, generic over a [`Distortion`], runs weighted PCA → weighted spherical K-means →
//! Walsh–Hadamard rotated residual → Lloyd–Max quantisation; presets switch stages on and off. [`Codec`] is what
//! the C API wraps: it is created once, shared between threads, and turns strided engine tensors into one
//! self-describing buffer per block. [`encode_block`] and [`decode_block`] are the same kernel over plain slices:
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

#![deny(unsafe_code)]

#[forbid(unsafe_code)]
mod codec;
#[forbid(unsafe_code)]
mod distortion;
#[forbid(unsafe_code)]
pub mod dtype;
#[forbid(unsafe_code)]
mod error;
#[allow(unsafe_code)]
pub mod ffi;
#[forbid(unsafe_code)]
mod format;
#[forbid(unsafe_code)]
mod half_floats;
#[forbid(unsafe_code)]
mod kmeans;
#[forbid(unsafe_code)]
pub mod layout;
#[forbid(unsafe_code)]
mod matrix;
#[forbid(unsafe_code)]
pub mod pack;
#[forbid(unsafe_code)]
mod params;
#[forbid(unsafe_code)]
mod pca;
#[forbid(unsafe_code)]
pub mod profile;
#[forbid(unsafe_code)]
pub mod quantize;
#[forbid(unsafe_code)]
pub mod rans;
#[forbid(unsafe_code)]
pub mod rate;
#[forbid(unsafe_code)]
pub mod reference;
#[forbid(unsafe_code)]
mod rope;
#[forbid(unsafe_code)]
pub mod rotation;
#[forbid(unsafe_code)]
pub mod scale;
#[forbid(unsafe_code)]
mod simd;
#[forbid(unsafe_code)]
mod skeleton;
#[forbid(unsafe_code)]
mod stepped;
#[forbid(unsafe_code)]
mod sums;
#[forbid(unsafe_code)]
mod trellis;
#[forbid(unsafe_code)]
mod wht;

pub use codec::{
    Codec, Codes, Objective, Rows, RowsMut, StreamFitter, Workspace, decode_block, encode_block, verify,
};
pub use distortion::{Distortion, InnerProduct, LInf, MSE, NormMode};
pub use error::{Count, Error, PanicText, Result};
pub use ffi::shared::Shared;
pub use format::FORMAT_VERSION;
pub use format::block::Header;
pub use params::{NanPolicy, Params, Preset, RateControl, Settings};
pub use rope::{Pairing, Rope};
pub use simd::Tier;
pub use skeleton::{FitReport, Fitter, Reach, Skeleton};
