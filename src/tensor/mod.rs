//! The engine's tensors: element types, what a row is made of, where it lies, rotary embeddings.
//!
//! [`rows`] is the way in and out: it reads a row as the coders see it and writes back what they decoded.
//! Nothing else in the kernel knows about element types, strides or positions.

pub(crate) mod angles;
pub mod dtype;
pub(crate) mod halves;
pub mod layout;
pub(crate) mod rope;
pub mod rows;
pub mod view;
