//! Rotary position embedding, undone before coding and applied again after decoding.
//!
//! A pair `(a, b)` of coordinates at position `p` was turned by the angle `θ = p·f` with the pair's inverse
//! frequency `f`: `(a·cos θ − b·sin θ, a·sin θ + b·cos θ)`. Undoing turns it by `−θ`. The angle is formed and
//! reduced in binary64, so it is good to binary32 for positions far beyond a million. Coordinates from
//! `n_rot` on pass through. (Su et al. 2021.)

use crate::error::{Count, Error, Result};

/// Which coordinates form a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// `(i, i + n_rot/2)`.
    Neox,
    /// `(2i, 2i + 1)`.
    Interleaved,
}

impl Pairing {
    /// The code of the C API and of saved profiles: never renumbered. 0 stands for a segment without rotary
    /// embedding.
    pub fn code(self) -> u8 {
        match self {
            Self::Neox => 1,
            Self::Interleaved => 2,
        }
    }

    /// The pairing of a code.
    ///
    /// # Errors
    /// [`Error::BadParam`] for a code that no pairing has. Code 0, no rotary embedding, is for the caller to
    /// tell apart.
    pub fn from_code(code: u32) -> Result<Self> {
        match code {
            1 => Ok(Self::Neox),
            2 => Ok(Self::Interleaved),
            got => Err(Error::BadParam {
                what: "rope",
                got: f64::from(got),
                expected: "0 (none), 1 (neox) or 2 (interleaved)",
            }),
        }
    }
}

/// The rotary embedding of a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Which coordinates form a pair.
    pub pairing: Pairing,
    /// Inverse frequency of each pair, in radians per position; `n_rot` is twice their number. Any table will
    /// do, so scaled variants of the embedding need no code of their own.
    pub inv_freq: Vec<f32>,
}

impl Rope {
    /// Checks the rule against a segment of `dim` coordinates.
    ///
    /// # Errors
    /// [`Error::BadShape`] if there are more pairs than coordinates for them, [`Error::BadParam`] for a
    /// frequency that is not finite.
    pub(crate) fn fits(&self, dim: usize) -> Result<()> {
        if self.inv_freq.len() > dim / 2 {
            return Err(Error::BadShape {
                what: "n_rot",
                got: 2 * self.inv_freq.len(),
                expected: Count::AtMost(dim),
            });
        }
        match self.inv_freq.iter().find(|f| !f.is_finite()) {
            Some(&got) => {
                Err(Error::BadParam { what: "inv_freq", got: f64::from(got), expected: "a finite number" })
            }
            None => Ok(()),
        }
    }

    /// The coordinate that is turned with coordinate `i`; `i` itself from `n_rot` on.
    pub(crate) fn partner(&self, i: usize) -> usize {
        let pairs = self.inv_freq.len();
        match self.pairing {
            _ if i >= 2 * pairs => i,
            Pairing::Neox => (i + pairs) % (2 * pairs),
            Pairing::Interleaved => i ^ 1,
        }
    }

    /// Turns `row` by `position` positions, which may be negative or a difference of two positions, beyond
    /// `i32`. It computes a sine per pair: for single rows. Codecs turn many rows with the tables of
    /// [`super::angles`].
    pub(crate) fn turn(&self, position: f64, row: &mut [f32]) {
        let pairs = self.inv_freq.len();
        for (i, &frequency) in self.inv_freq.iter().enumerate() {
            let (sin, cos) = sin_cos(position, frequency);
            let (sin, cos) = (sin as f32, cos as f32);
            let (first, second) = match self.pairing {
                Pairing::Neox => (i, i + pairs),
                Pairing::Interleaved => (2 * i, 2 * i + 1),
            };
            let (a, b) = (row[first], row[second]);
            row[first] = a * cos - b * sin;
            row[second] = a * sin + b * cos;
        }
    }
}

/// Sine and cosine of the angle at a position, computed by the crate `libm` and not by the system, so that
/// they are the same on every machine.
pub(crate) fn sin_cos(position: f64, frequency: f32) -> (f64, f64) {
    libm::sincos(position * f64::from(frequency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_turn_by_position_times_frequency() {
        for (pairing, first, second) in [(Pairing::Neox, 1, 3), (Pairing::Interleaved, 2, 3)] {
            let rope = Rope { pairing, inv_freq: vec![1.0, 0.01] };
            let mut row = [0.0; 6];
            row[first] = 3.0;
            row[5] = 9.0;
            rope.turn(50.0, &mut row);
            assert_eq!((rope.partner(first), rope.partner(second), rope.partner(5)), (second, first, 5));
            assert!((row[first] - 3.0 * 0.5_f32.cos()).abs() < 1e-6);
            assert!((row[second] - 3.0 * 0.5_f32.sin()).abs() < 1e-6);
            assert_eq!(row[5], 9.0);
        }
    }

    #[test]
    fn undoing_is_exact_to_f32_at_a_million() {
        let inv_freq: Vec<f32> = (0..32).map(|i| 1e5_f32.powf(-(i as f32) / 32.0)).collect();
        for pairing in [Pairing::Neox, Pairing::Interleaved] {
            let rope = Rope { pairing, inv_freq: inv_freq.clone() };
            for position in [0, 1, 511, 1 << 20, i32::MAX, i32::MIN] {
                let original: Vec<f32> = (0..64).map(|i| (i as f32).sin()).collect();
                let mut row = original.clone();
                rope.turn(f64::from(position), &mut row);
                rope.turn(-f64::from(position), &mut row);
                for (a, b) in original.iter().zip(&row) {
                    assert!((a - b).abs() < 5e-7, "position {position}: {a} became {b}");
                }
            }
        }
    }

    #[test]
    fn bad_rules_are_refused() {
        let rope = |inv_freq| Rope { pairing: Pairing::Neox, inv_freq };
        assert!(rope(vec![1.0; 3]).fits(5).is_err());
        assert!(rope(vec![1.0; 3]).fits(6).is_ok());
        assert!(rope(vec![f32::NAN]).fits(6).is_err());
    }
}
