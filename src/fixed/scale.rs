//! The 16-bit scale of a row: an unsigned float with eight exponent bits and eight mantissa bits.
//!
//! It is bits 15 to 30 of a binary32, so it spans the whole range of binary32 (subnormals included) with a
//! relative rounding error of at most 2⁻⁹ for normal numbers. A half-precision scale would overflow at
//! 65,504, and real attention sinks exceed that.

/// Largest code of a finite scale.
pub const MAX_CODE: u16 = crate::format::block::LARGEST_SCALE;

/// Rounds a scale to the nearest code; ties go to the even one. Negative values and NaN become 0, values
/// beyond the largest finite scale become that.
#[inline(always)]
pub fn encode(scale: f32) -> u16 {
    if scale.is_nan() || scale <= 0.0 {
        return 0;
    }
    let bits = scale.to_bits();
    let rounded = (bits + 0x3FFF + ((bits >> 15) & 1)) >> 15;
    rounded.min(u32::from(MAX_CODE)) as u16
}

/// The scale of a code, or `None` for the codes that would stand for infinity and NaN.
#[inline(always)]
pub fn decode(code: u16) -> Option<f32> {
    (code <= MAX_CODE).then(|| f32::from_bits(u32::from(code) << 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own_rounding() {
        for code in 0..=MAX_CODE {
            assert_eq!(encode(decode(code).unwrap()), code);
        }
        assert_eq!(decode(MAX_CODE + 1), None);
        assert_eq!(decode(u16::MAX), None);
    }

    #[test]
    fn rounding_error_is_at_most_two_to_the_minus_nine() {
        for exponent in -120..120 {
            for step in 0..1000 {
                let scale = (1.0 + step as f32 * 1e-3) * 2_f32.powi(exponent);
                let back = decode(encode(scale)).unwrap();
                assert!((back - scale).abs() <= scale / 512.0, "{scale} became {back}");
            }
        }
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(encode(f32::INFINITY), MAX_CODE);
        assert_eq!(encode(f32::MAX), MAX_CODE);
        assert_eq!(encode(f32::NAN), 0);
        assert_eq!(encode(-1.0), 0);
        assert_eq!(encode(0.0), 0);
        assert_eq!(decode(encode(79_111.0)).map(|s| (s - 79_111.0).abs() < 155.0), Some(true));
    }
}
