//! Conversions between binary16 and binary32 by the processor.
//!
//! Every machine of the AVX2 tier has them (F16C). Finite values beyond the range of binary16 become
//! infinite, as IEEE 754 has it; `tensor::halves` clamps them before, where that matters. A signalling NaN
//! becomes a quiet one and keeps its upper bits, which the portable conversions imitate.

use fearless_simd::kernel;
#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// To nearest, ties to even, whatever rounding mode the calling thread has set.
const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;

kernel!(
    /// Sixteen values, exactly.
    #[inline]
    pub fn widen_16(avx512: Avx512, halves: __m256i) -> __m512 {
        _mm512_cvtph_ps(halves)
    }
);
kernel!(
    /// Eight values, exactly.
    #[inline]
    pub fn widen_8(avx2: Avx2, halves: __m128i) -> __m256 {
        _mm256_cvtph_ps(halves)
    }
);
// The field for the rounding mode of the 512-bit form also has a bit that suppresses floating-point
// exceptions, and that form takes no mode without it. The 256-bit form does not have the bit.
kernel!(
    /// Sixteen values, rounded.
    #[inline]
    pub fn narrow_16(avx512: Avx512, values: __m512) -> __m256i {
        _mm512_cvtps_ph::<{ NEAREST | _MM_FROUND_NO_EXC }>(values)
    }
);
kernel!(
    /// Eight values, rounded.
    #[inline]
    pub fn narrow_8(avx2: Avx2, values: __m256) -> __m128i {
        _mm256_cvtps_ph::<NEAREST>(values)
    }
);
