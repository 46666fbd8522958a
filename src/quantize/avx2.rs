//! Symbols of up to four bits with AVX2, which has a look-up of eight.

#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::WIDE_CELL;
use fearless_simd::kernel;

kernel!(
    /// The symbols of `values · inverse_scale`. Magnitudes are looked up in eight cells, of which each has one threshold,
    /// or NaN; `firsts` are the symbols of what is not negative and below it.
    #[inline]
    pub fn symbols(
        avx2: Avx2,
        values: [__m256; 4],
        inverse_scale: f32,
        thresholds: __m256,
        firsts: __m256i,
        bits: u8,
    ) -> __m256i {
        let scale = _mm256_set1_ps(inverse_scale);
        let mut found = [firsts; 4];
        for i in 0..4 {
            let u = _mm256_mul_ps(values[i], scale);
            let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), u);
            let inside = _mm256_min_ps(magnitude, _mm256_set1_ps(7.5 * WIDE_CELL));
            let cell = _mm256_cvttps_epi32(_mm256_mul_ps(inside, _mm256_set1_ps(1.0 / WIDE_CELL)));
            let threshold = _mm256_permutevar8x32_ps(thresholds, cell);
            let reached = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(magnitude, threshold));
            let symbol = _mm256_sub_epi32(_mm256_permutevar8x32_epi32(firsts, cell), reached);
            // The levels are symmetric: what is negative has the complement.
            let negative = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(u, _mm256_setzero_ps()));
            found[i] = _mm256_xor_si256(symbol, negative);
        }
        let (a, b) = (_mm256_packs_epi32(found[0], found[1]), _mm256_packs_epi32(found[2], found[3]));
        let fours = _mm256_packs_epi16(a, b);
        let ordered = _mm256_permutevar8x32_epi32(fours, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_and_si256(ordered, _mm256_set1_epi8((1 << bits) - 1))
    }
);
