//! Everything that is written by hand for AVX2 and AVX-512.
//!
//! Code is only here if the portable code is clearly slower on the same machine: conversions of binary16, for
//! which x86 has instructions, and shuffles that AVX2 does not have in the form that the portable code uses.
//!
//! Each function computes the bits that its portable twin computes; tests hold them against each other. So
//! nothing here may round in another order, use an approximate instruction, or fuse a product with a sum
//! (unless the product is exact).

pub mod halves;
pub mod symbols;
pub mod wht;

use fearless_simd::Simd;
use fearless_simd::x86::Avx2;

/// The token of AVX2 if that is the tier. A machine with AVX-512 has AVX2 too, but there the portable code is
/// as good, in registers of twice the width, so it gets `None`.
#[inline(always)]
pub(crate) fn only_avx2<S: Simd>(simd: S) -> Option<Avx2> {
    let level = simd.level();
    if level.as_avx512().is_some() { None } else { level.as_avx2() }
}
