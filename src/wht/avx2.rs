//! The first six stages, of 64 values in eight registers of AVX2, whose shuffles stay within halves of a register where they can.
//!
//! In what follows bit `k` of a value's index is `b_k`. Stages come in the order of the bits, as everywhere, so the sums
//! are those of the other tiers.

#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use fearless_simd::kernel;

kernel!(
    /// Of values in their order.
    #[inline]
    pub fn of_values(avx2: Avx2, one: f32, x: [__m256; 8]) -> [__m256; 8] {
        // From registers by b5 b4 b3 and halves by b2, to registers by b4 b3 b2 and halves by b5.
        let (mut v, one) = (x, _mm256_set1_ps(one));
        for i in 0..4 {
            let low = _mm256_permute2f128_ps::<0x20>(x[i], x[i + 4]);
            let high = _mm256_permute2f128_ps::<0x31>(x[i], x[i + 4]);
            (v[2 * i], v[2 * i + 1]) = stage(avx2, one, low, high);
        }
        rest(avx2, one, v)
    }
);

kernel!(
    /// Of values of even and of odd index: registers by b4 b3, halves by b5.
    #[inline]
    pub fn of_halves(avx2: Avx2, one: f32, even: [__m256; 4], odd: [__m256; 4]) -> [__m256; 8] {
        let mut v = [even[0]; 8];
        for i in 0..4 {
            v[2 * i] = _mm256_add_ps(even[i], odd[i]);
            v[2 * i + 1] = _mm256_sub_ps(even[i], odd[i]);
        }
        rest(avx2, _mm256_set1_ps(one), v)
    }
);

kernel!(
    /// The stages after the first, of registers by b4 b3 b0, halves by b5 and places by b2 b1.
    #[inline]
    fn rest(avx2: Avx2, one: __m256, v: [__m256; 8]) -> [__m256; 8] {
        let mut v = v;
        for i in 0..4 {
            let (a, b) = stage(avx2, one, v[2 * i], v[2 * i + 1]);
            (v[2 * i], v[2 * i + 1]) = stage(avx2, one, a, b);
        }
        // Now registers by b4 b3 b2, places by b1 b0.
        for half in [2, 4] {
            for i in 0..8 {
                if i & half == 0 {
                    let (a, b) = (v[i], v[i + half]);
                    (v[i], v[i + half]) = (_mm256_add_ps(a, b), _mm256_sub_ps(a, b));
                }
            }
        }
        let mut out = v;
        for i in 0..4 {
            let (a, b) = (v[2 * i], v[2 * i + 1]);
            let (low, high) = (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
            (out[i], out[i + 4]) = (_mm256_add_ps(low, high), _mm256_sub_ps(low, high));
        }
        out
    }
);

kernel!(
    /// The stage of the lowest bit of a place; it becomes that of the register, whose bit becomes the highest of the place.
    /// `one` is 1, which the compiler must not know: it would make horizontal sums and differences of shuffled
    /// registers, which take twice as long.
    #[inline]
    fn stage(avx2: Avx2, one: __m256, a: __m256, b: __m256) -> (__m256, __m256) {
        let (even, odd) = (_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xDD>(a, b));
        (_mm256_fmadd_ps(odd, one, even), _mm256_fnmadd_ps(odd, one, even))
    }
);

kernel!(
    /// The levels of 32 symbols whose bytes are looked up in four tables of 16: registers by b3 b2, halves by b4.
    #[inline]
    pub fn levels(avx2: Avx2, planes: [__m256i; 4], symbols: __m256i) -> [__m256; 4] {
        let [a, b, c, d] = planes;
        let (a, b) = (_mm256_shuffle_epi8(a, symbols), _mm256_shuffle_epi8(b, symbols));
        let (c, d) = (_mm256_shuffle_epi8(c, symbols), _mm256_shuffle_epi8(d, symbols));
        let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
        let (low_rest, high_rest) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
        [
            _mm256_castsi256_ps(_mm256_unpacklo_epi16(low, high)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(low, high)),
            _mm256_castsi256_ps(_mm256_unpacklo_epi16(low_rest, high_rest)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(low_rest, high_rest)),
        ]
    }
);
