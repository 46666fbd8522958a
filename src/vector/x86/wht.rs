//! The first six stages of the Walsh–Hadamard transform, on 64 values in eight registers of AVX2.
//!
//! Eight registers are half of those that AVX2 has, which leaves room for results and shuffles. A shuffle
//! within the two halves of a register takes one cycle, one across them three, so values cross at most twice,
//! where the partners of a stage would otherwise never meet.
//!
//! In what follows bit `k` of a value's index is `b_k`, and "registers by b4 b3" says which bits of the index
//! decide the register that a value is in. Stages come in the order of the bits, as on all tiers, so the sums
//! are the same. Between stages values may lie in any order; at the end it is the natural one.

#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use fearless_simd::kernel;

kernel!(
    /// The first six stages of values in natural order. `one` is 1, see `sorted_stage`.
    #[inline]
    pub fn transform_values(avx2: Avx2, one: f32, x: [__m256; 8]) -> [__m256; 8] {
        // From registers by b5 b4 b3 and halves by b2, to registers by b4 b3 b2 and halves by b5.
        let (mut v, one) = (x, _mm256_set1_ps(one));
        for i in 0..4 {
            let low = _mm256_permute2f128_ps::<0x20>(x[i], x[i + 4]);
            let high = _mm256_permute2f128_ps::<0x31>(x[i], x[i + 4]);
            (v[2 * i], v[2 * i + 1]) = sorted_stage(avx2, one, low, high);
        }
        last_five_stages(avx2, one, v)
    }
);

kernel!(
    /// The first six stages of values of even and of odd index: registers by b4 b3, halves by b5.
    ///
    /// Symbols of four bits come in this order, so the first stage needs no shuffle: the partners are already
    /// in the same place of two registers.
    #[inline]
    pub fn transform_even_odd(avx2: Avx2, one: f32, even: [__m256; 4], odd: [__m256; 4]) -> [__m256; 8] {
        let mut v = [even[0]; 8];
        for i in 0..4 {
            v[2 * i] = _mm256_add_ps(even[i], odd[i]);
            v[2 * i + 1] = _mm256_sub_ps(even[i], odd[i]);
        }
        last_five_stages(avx2, _mm256_set1_ps(one), v)
    }
);

kernel!(
    /// The stages after the first, of registers by b4 b3 b0, halves by b5 and places by b2 b1.
    ///
    /// Two more sorted stages bring b1 and then b2 to the registers, and b0 and b1 into the place. The stages
    /// of b3 and b4 are then between whole registers. For b5, each two registers exchange halves, which also
    /// restores the natural order.
    #[inline]
    fn last_five_stages(avx2: Avx2, one: __m256, v: [__m256; 8]) -> [__m256; 8] {
        let mut v = v;
        for i in 0..4 {
            let (a, b) = sorted_stage(avx2, one, v[2 * i], v[2 * i + 1]);
            (v[2 * i], v[2 * i + 1]) = sorted_stage(avx2, one, a, b);
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
    /// The stage of the lowest bit of a place; it becomes that of the register, whose bit becomes the highest
    /// of the place.
    ///
    /// `one` is 1, and the compiler must not know it. Sums and differences of registers that were just
    /// shuffled look to LLVM like horizontal additions, and it would emit those, which take twice as long. A
    /// product by an unknown number prevents that. It costs hardly anything: a fused multiply-add takes about
    /// as long as a sum. Nor does it change a bit: `odd·1` is exact, so the fused operation rounds `even ±
    /// odd` once, just as the plain sum and difference of the other tiers do.
    #[inline]
    fn sorted_stage(avx2: Avx2, one: __m256, a: __m256, b: __m256) -> (__m256, __m256) {
        let (even, odd) = (_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xDD>(a, b));
        (_mm256_fmadd_ps(odd, one, even), _mm256_fnmadd_ps(odd, one, even))
    }
);

kernel!(
    /// The levels of 32 symbols, whose bytes are looked up in four tables of 16: registers by b3 b2, halves
    /// by b4. (With symbols of only even or only odd index these are b4 b3 and b5, which is what
    /// [`transform_even_odd`] takes.) Unpacking works within halves, which is where this order comes from; it
    /// is cheaper to go on from it than to restore the natural one.
    #[inline]
    pub fn look_up_levels(avx2: Avx2, planes: [__m256i; 4], symbols: __m256i) -> [__m256; 4] {
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
