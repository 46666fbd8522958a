//! Vectors of numbers, on every CPU tier: sums, products, transforms, packed bits.
//!
//! Every tier gives the same bits, so that a cache of blocks may move between machines and decodes to the
//! same rows on each. [`tier`] says what that rules out. Code that is particular to one kind of processor is
//! in `x86`, and nowhere else.

pub(crate) mod matrix;
pub mod pack;
pub(crate) mod sums;
pub(crate) mod tier;
pub(crate) mod wht;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(crate) mod x86;
