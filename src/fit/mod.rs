//! Fits skeletons to rows: to those of one block, or to a stream too long to hold.
//!
//! [`StreamFitter`] reads rows from tensors and feeds a [`Fitter`], which sums their [`moments`] and keeps a
//! sample. The axes of the moments, under the metric of the queries if there are any ([`metric`]), become a
//! basis ([`finish`]); K-means ([`kmeans`]) finds centres, which are kept if they pay ([`centres`]);
//! [`predict`] says what blocks will cost.
//!
//! All sums are in binary64 and in the order of the rows, but the products and decompositions are those of
//! nalgebra: two machines may fit skeletons that differ in the last digit. Blocks name the skeleton that they
//! were coded with, so it is fitted once and shipped, not fitted again where blocks are read.

mod centres;
mod context;
mod eigen;
mod finish;
mod fitter;
mod kmeans;
mod metric;
mod moments;
mod predict;
mod stream_fitter;

pub use finish::FitReport;
pub use fitter::Fitter;
pub(crate) use fitter::fit_block;
pub use stream_fitter::StreamFitter;
