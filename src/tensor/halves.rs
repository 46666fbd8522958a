//! binary16 and bfloat16, from and to binary32.
//!
//! Tiers that have instructions for binary16 use them; the others compute in integers and without branches,
//! so that loops vectorise. (The functions of the crate `half` have branches.) Every tier gives the bits that
//! `half` gives, except for finite values beyond the range of a type, which become its largest finite value,
//! of the same sign: an infinity in a cache would spread through attention, while a value that is cut is
//! merely off. NaN and infinities stay what they are; a signalling NaN becomes quiet, as the instructions
//! have it.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::vector::x86::halves as x86;
use fearless_simd::prelude::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::{f32x8, u16x8};
use fearless_simd::{f32x16, u16x16};
use half::{bf16, f16};

/// The bits of infinity, which are above those of all finite magnitudes and below those of NaN.
const INFINITY: u32 = 0x7F80_0000;

/// Sixteen values, from the bits of binary16. Exact: every binary16 is a binary32.
#[inline(always)]
pub fn widen<S: Simd>(simd: S, halves: &[u16; 16]) -> [f32; 16] {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(avx2) = simd.level().as_avx2() {
        let halves = u16x16::from_slice(simd, halves);
        if let Some(avx512) = simd.level().as_avx512() {
            let wide: f32x16<S> = x86::widen_16(avx512, halves.into()).simd_into(simd);
            return wide.into();
        }
        let (low, high) = halves.split();
        let low: f32x8<S> = x86::widen_8(avx2, low.into()).simd_into(simd);
        let high: f32x8<S> = x86::widen_8(avx2, high.into()).simd_into(simd);
        return low.combine(high).into();
    }
    let _ = simd;
    let mut values = [0.0; 16];
    for i in 0..16 {
        values[i] = from_f16(f16::from_bits(halves[i]));
    }
    values
}

/// The bits of binary16 of sixteen values, rounded to the nearest, ties to even, and clamped to its range.
#[inline(always)]
pub fn narrow<S: Simd>(simd: S, values: &[f32; 16]) -> u16x16<S> {
    // Infinities and NaN are left as they are; clamping would make the first finite.
    let values = f32x16::from_slice(simd, values);
    let inside = values.max(f16::MIN.to_f32_const()).min(f16::MAX.to_f32_const());
    let cut: [f32; 16] = values.abs().simd_lt(f32::INFINITY).select(inside, values).into();
    narrow_inside(simd, &cut)
}

/// [`narrow`] for values within the range, or infinite, or NaN. Finite values out of range may become
/// infinite, on tiers with instructions, or the largest finite value; the caller has to look.
#[inline(always)]
pub fn narrow_inside<S: Simd>(simd: S, values: &[f32; 16]) -> u16x16<S> {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(avx2) = simd.level().as_avx2() {
        let values = f32x16::from_slice(simd, values);
        if let Some(avx512) = simd.level().as_avx512() {
            return x86::narrow_16(avx512, values.into()).simd_into(simd);
        }
        let (low, high) = values.split();
        let low: u16x8<S> = x86::narrow_8(avx2, low.into()).simd_into(simd);
        let high: u16x8<S> = x86::narrow_8(avx2, high.into()).simd_into(simd);
        return low.combine(high);
    }
    let mut halves = [0; 16];
    for i in 0..16 {
        halves[i] = to_f16(values[i]).to_bits();
    }
    halves.simd_into(simd)
}

/// The bits of sign and magnitude; a finite magnitude is cut to `limit`. Magnitudes are in the order of their
/// bits.
#[inline(always)]
fn cut(value: f32, limit: u32) -> (u32, u32) {
    let sign = value.to_bits() & 0x8000_0000;
    let magnitude = value.to_bits() ^ sign;
    (sign, if magnitude < INFINITY { magnitude.min(limit) } else { magnitude })
}

/// `magnitude / 2^shift`, to the nearest, ties to even. A carry out of the mantissa goes into the exponent,
/// which is what rounding up to the next power of two is.
#[inline(always)]
fn round_off(magnitude: u32, shift: u32) -> u32 {
    (magnitude + ((1 << (shift - 1)) - 1) + ((magnitude >> shift) & 1)) >> shift
}

/// One value, rounded to the nearest, ties to even, and clamped. The cases (normal, subnormal, infinite, NaN)
/// are all computed and one is selected, so that there is no branch.
#[inline(always)]
pub fn to_f16(value: f32) -> f16 {
    /// 65,504.
    const LARGEST: u32 = 0x477F_E000;
    /// 2^−14.
    const SMALLEST_NORMAL: u32 = 0x3880_0000;
    /// The biases of the exponents, 127 and 15, differ by 112.
    const OFFSET: u32 = 112 << 23;
    let (sign, magnitude) = cut(value, LARGEST);
    // Wraps for values that are not normal; the mask keeps the sum in `round_off` from overflowing, and the
    // result is not selected.
    let normal = round_off(magnitude.wrapping_sub(OFFSET) & 0x0FFF_FFFF, 13);
    // The last place of a number from 0.5 to 1 is 2^−24, that of a subnormal binary16. So the sum rounds as
    // it should, in the processor's way, which is to nearest with ties to even.
    let subnormal = (f32::from_bits(magnitude.min(SMALLEST_NORMAL)) + 0.5).to_bits() - 0.5_f32.to_bits();
    let nan = if magnitude > INFINITY { 0x0200 | ((magnitude >> 13) & 0x03FF) } else { 0 };
    let finite = if magnitude < SMALLEST_NORMAL { subnormal } else { normal };
    let half = if magnitude >= INFINITY { 0x7C00 | nan } else { finite };
    f16::from_bits((sign >> 16 | half) as u16)
}

/// One value, exactly. Like [`to_f16`] it computes all cases and selects one.
#[inline(always)]
pub fn from_f16(value: f16) -> f32 {
    let bits = u32::from(value.to_bits());
    let (sign, magnitude) = ((bits & 0x8000) << 16, bits & 0x7FFF);
    let normal = (magnitude << 13) + (112 << 23);
    // In units of 2^−24, the smallest subnormal.
    let subnormal = (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits();
    let quiet = if magnitude > 0x7C00 { 0x0040_0000 } else { 0 };
    let finite = if magnitude < 0x0400 { subnormal } else { normal };
    f32::from_bits(sign | if magnitude >= 0x7C00 { INFINITY | (magnitude << 13) | quiet } else { finite })
}

/// One value, rounded to the nearest, ties to even, and clamped. bfloat16 is the upper half of a binary32, so
/// subnormals need no case of their own. The quiet bit keeps a NaN from becoming infinity when its lower
/// half, which may be all that makes it NaN, is dropped.
#[inline(always)]
pub fn to_bf16(value: f32) -> bf16 {
    /// 2^128 − 2^120.
    const LARGEST: u32 = 0x7F7F_0000;
    let (sign, magnitude) = cut(value, LARGEST);
    let half = if magnitude > INFINITY { magnitude >> 16 | 0x0040 } else { round_off(magnitude, 16) };
    bf16::from_bits((sign >> 16 | half) as u16)
}

/// One value, exactly; a signalling NaN becomes quiet.
#[inline(always)]
pub fn from_bf16(value: bf16) -> f32 {
    let bits = u32::from(value.to_bits());
    let quiet = if bits & 0x7FFF > 0x7F80 { 0x0040 } else { 0 };
    f32::from_bits((bits | quiet) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::tier::dispatch;
    use fearless_simd::Level;

    fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        return [Some(Level::baseline()), best.as_avx2().map(Simd::level), Some(best)]
            .into_iter()
            .flatten()
            .collect();
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        vec![Level::baseline(), best]
    }

    /// All halves, as the library has them.
    #[test]
    fn halves_are_widened_as_by_their_library() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert_eq!(from_f16(half).to_bits(), half.to_f32().to_bits(), "{bits:x}");
            assert_eq!(from_bf16(brain).to_bits(), brain.to_f32().to_bits(), "{bits:x}");
        }
        for level in levels() {
            for first in (0..=u16::MAX).step_by(16) {
                let halves: [u16; 16] = std::array::from_fn(|i| first + i as u16);
                let wide = dispatch!(level, simd => widen(simd, &halves));
                let expected = halves.map(|half| f16::from_bits(half).to_f32());
                assert_eq!(wide.map(f32::to_bits), expected.map(f32::to_bits), "{level:?}, {first:x}");
            }
        }
    }

    /// Every exponent, with mantissas around all ties of both types.
    #[test]
    fn values_are_rounded_as_by_their_library() {
        let (mut values, mut expected) = (Vec::new(), Vec::new());
        for upper in 0..=u16::MAX {
            for lower in
                [0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xF000, 0xFFFF]
            {
                let value = f32::from_bits(u32::from(upper) << 16 | lower);
                let clamp = |limit: f32| if value.is_infinite() { value } else { value.clamp(-limit, limit) };
                let (half, brain) =
                    (f16::from_f32(clamp(65504.0)), bf16::from_f32(clamp(bf16::MAX.to_f32())));
                assert_eq!(to_f16(value).to_bits(), half.to_bits(), "{value:e}");
                assert_eq!(to_bf16(value).to_bits(), brain.to_bits(), "{value:e}");
                values.push(value);
                expected.push(half.to_bits());
            }
        }
        for level in levels() {
            for (values, expected) in values.as_chunks::<16>().0.iter().zip(expected.as_chunks::<16>().0) {
                let narrow: [u16; 16] = dispatch!(level, simd => narrow(simd, values).into());
                assert_eq!(narrow, *expected, "{level:?}, {values:?}");
            }
        }
    }
}
