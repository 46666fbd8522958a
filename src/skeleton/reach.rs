//! How far a row goes along its K-means centre: `t` in 8 bits.
//!
//! Bit 7 is the sign (1 = negative), bits 0–6 are `m`: `|t| = peak·2^((m − 127)/8)`, and 0 for `m = 0`. The
//! steps are 9 % apart, which leaves 0.2 % of `t²` at most in the residual, over a range of 2^15.75. A
//! logarithmic step keeps ordinary rows precise next to a row with an enormous `t`.

/// `2^(j/8)` for `j` = 0 … 7.
#[rustfmt::skip]
const EIGHTHS: [f32; 8] = [
    1.0, 1.090_507_7, 1.189_207_1, 1.296_839_6, std::f32::consts::SQRT_2, 1.542_210_8, 1.681_792_9, 1.834_008_1,
];

/// The scale of the codes. One per skeleton, from the rows it was fitted to; rows that go farther are
/// clipped, and what is missing is left to the quantiser.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reach {
    /// The largest `|t|` that a code can stand for.
    pub(crate) peak: f32,
}

impl Reach {
    /// The largest `|t|` that a code can stand for.
    pub fn peak(self) -> f32 {
        self.peak
    }

    /// The code nearest to `t` on the logarithmic scale; `|t|` beyond the peak becomes the peak, `|t|` below
    /// the smallest step becomes 0.
    #[inline(always)]
    pub fn encode(self, t: f32) -> u8 {
        let step = (127.0 + 8.0 * (t.abs() / self.peak).log2()).round();
        // NaN, from a zero peak, and −∞, from a zero t, become 0.
        let m = if step >= 1.0 { step.min(127.0) as u8 } else { 0 };
        if t < 0.0 && m > 0 { m | 0x80 } else { m }
    }

    /// The `t` that a code stands for. Codes 0 and 128 are both 0.
    #[inline(always)]
    pub fn decode(self, code: u8) -> f32 {
        let m = usize::from(code & 0x7F);
        if m == 0 {
            return 0.0;
        }
        let down = 127 - m; // eighths of an octave below the peak
        let octaves = down.div_ceil(8);
        // In binary64, where the product with a peak near the largest binary32 does not overflow.
        let t = f64::from(self.peak) * f64::from(EIGHTHS[octaves * 8 - down]) / f64::from(1_u32 << octaves);
        let t = t as f32;
        if code & 0x80 == 0 { t } else { -t }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_own_rounding() {
        for peak in [1e-30_f32, 1.0, 5e30, f32::MAX] {
            let reach = Reach { peak };
            for code in (0..=255_u8).filter(|&code| code != 0x80) {
                assert_eq!(reach.encode(reach.decode(code)), code, "peak {peak}");
            }
            assert_eq!(reach.decode(127), peak);
            assert_eq!(reach.decode(255), -peak);
        }
    }

    #[test]
    fn steps_are_nine_per_cent_apart() {
        let reach = Reach { peak: 3.0 };
        for i in 1..1000 {
            let t = 3.0 * (i as f32 / 1000.0);
            assert!((reach.decode(reach.encode(t)) - t).abs() <= 0.0443 * t, "{t}");
        }
        assert_eq!(reach.encode(4.0), 127);
        assert_eq!(reach.encode(0.0), 0);
        assert_eq!(Reach::default().encode(1.0), 127);
        assert_eq!(Reach::default().decode(127), 0.0);
        assert_eq!(Reach::default().encode(0.0), 0);
    }
}
