//! The rotary embeddings of a codec, by the row: cosines and sines that all segments with the same frequencies share.
//!
//! The angle `p·f` is that of the multiple of 32 below the position, which the rows of a block have in common for a
//! while, plus that of the rest, which comes from a table. Both are formed in binary64 with a library that is the same
//! on every machine, and so is their product; the result is good to binary32 at any position.

use crate::error::{Result, try_reserve, try_vec};
use crate::layout::Layout;
use crate::rope::{Pairing, sin_cos};
use std::ops::Range;

/// Positions with an angle in the table.
const FINE: usize = 32;

/// What a codec knows of its angles.
#[derive(Debug)]
pub(super) struct Angles {
    /// Inverse frequencies of the distinct rules, one after the other, `[pairs]`.
    inv_freq: Vec<f32>,
    /// Cosines and sines at positions `0 .. FINE`, `[FINE, pairs]`.
    cos: Vec<f64>,
    sin: Vec<f64>,
    /// Of each segment, its pairs among those of all rules and what they consist of.
    segments: Vec<Option<(Range<usize>, Pairing)>>,
}

impl Angles {
    /// Of the segments of a layout.
    pub fn new(layout: &Layout) -> Result<Self> {
        const WHAT: &str = "the codec";
        let total =
            layout.segments().iter().flat_map(|segment| &segment.rope).map(|rope| rope.inv_freq.len()).sum();
        let mut inv_freq: Vec<f32> = try_reserve(total, WHAT)?;
        let mut segments: Vec<Option<(Range<usize>, Pairing)>> = try_reserve(layout.segments().len(), WHAT)?;
        for (index, segment) in layout.segments().iter().enumerate() {
            let Some(rope) = &segment.rope else {
                segments.push(None);
                continue;
            };
            let same = |other: &usize| {
                let other = &layout.segments()[*other].rope;
                other.as_ref().is_some_and(|other| other.inv_freq == rope.inv_freq)
            };
            let pairs = match (0..index).find(same).and_then(|other| segments[other].clone()) {
                Some((pairs, _)) => pairs,
                None => {
                    let start = inv_freq.len();
                    inv_freq.extend_from_slice(&rope.inv_freq);
                    start..inv_freq.len()
                }
            };
            segments.push(Some((pairs, rope.pairing)));
        }
        let mut cos = try_reserve(FINE * inv_freq.len(), WHAT)?;
        let mut sin = try_reserve(FINE * inv_freq.len(), WHAT)?;
        for position in 0..FINE {
            for &frequency in &inv_freq {
                let (s, c) = sin_cos(position as f64, frequency);
                cos.push(c);
                sin.push(s);
            }
        }
        Ok(Self { inv_freq, cos, sin, segments })
    }

    /// Pairs of the distinct rules together.
    pub fn pairs(&self) -> usize {
        self.inv_freq.len()
    }

    /// Turns the part of a row that is a segment, to where `turn` has come to.
    #[inline(always)]
    pub fn apply(&self, segment: usize, turn: &Turn, part: &mut [f32]) {
        if let Some((pairs, pairing)) = &self.segments[segment] {
            rotate(*pairing, &turn.cos[pairs.clone()], &turn.sin[pairs.clone()], 1.0, part);
        }
    }

    /// Turns it back.
    #[inline(always)]
    pub fn undo(&self, segment: usize, turn: &Turn, part: &mut [f32]) {
        if let Some((pairs, pairing)) = &self.segments[segment] {
            rotate(*pairing, &turn.cos[pairs.clone()], &turn.sin[pairs.clone()], -1.0, part);
        }
    }
}

/// The angles of one position after the other.
#[derive(Debug)]
pub(super) struct Turn {
    /// Multiple of [`FINE`] whose angles are kept.
    coarse: Option<i32>,
    coarse_cos: Vec<f64>,
    coarse_sin: Vec<f64>,
    /// Of the position, `[pairs]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turn {
    /// Room for `pairs` pairs.
    pub fn new(pairs: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        Ok(Self {
            coarse: None,
            coarse_cos: try_vec(pairs, 0.0, WHAT)?,
            coarse_sin: try_vec(pairs, 0.0, WHAT)?,
            cos: try_vec(pairs, 0.0, WHAT)?,
            sin: try_vec(pairs, 0.0, WHAT)?,
        })
    }

    /// Bytes of [`Turn::new`].
    pub const fn bytes(pairs: usize) -> usize {
        2 * pairs * (size_of::<f64>() + size_of::<f32>())
    }

    /// Whether there is room for `pairs` pairs.
    pub fn has_room(&self, pairs: usize) -> bool {
        self.cos.len() >= pairs
    }

    /// Forgets the codec that it served.
    pub fn reset(&mut self) {
        self.coarse = None;
    }

    /// Goes to a position of a codec with these angles.
    #[inline(always)]
    pub fn to(&mut self, angles: &Angles, position: i32) {
        let pairs = angles.pairs();
        let fine = position & (FINE as i32 - 1);
        if self.coarse != Some(position - fine) {
            self.coarse = Some(position - fine);
            for (j, &frequency) in angles.inv_freq.iter().enumerate() {
                (self.coarse_sin[j], self.coarse_cos[j]) = sin_cos(f64::from(position - fine), frequency);
            }
        }
        let row = fine as usize * pairs..(fine as usize + 1) * pairs;
        let fine = angles.cos[row.clone()].iter().zip(&angles.sin[row]);
        let coarse = self.coarse_cos[..pairs].iter().zip(&self.coarse_sin[..pairs]);
        let out = self.cos[..pairs].iter_mut().zip(&mut self.sin[..pairs]);
        for (((cos, sin), (a, b)), (c, d)) in out.zip(coarse).zip(fine) {
            *cos = (a * c - b * d) as f32;
            *sin = (b * c + a * d) as f32;
        }
    }
}

/// Turns each pair by its angle, times `sign`.
#[inline(always)]
fn rotate(pairing: Pairing, cos: &[f32], sin: &[f32], sign: f32, part: &mut [f32]) {
    let turned = |a: f32, b: f32, cos: f32, sin: f32| {
        let sin = sign * sin;
        (a * cos - b * sin, a * sin + b * cos)
    };
    match pairing {
        Pairing::Neox => {
            let (first, rest) = part.split_at_mut(cos.len());
            for (((a, b), &cos), &sin) in first.iter_mut().zip(rest).zip(cos).zip(sin) {
                (*a, *b) = turned(*a, *b, cos, sin);
            }
        }
        Pairing::Interleaved => {
            for (([a, b], &cos), &sin) in part.as_chunks_mut().0.iter_mut().zip(cos).zip(sin) {
                (*a, *b) = turned(*a, *b, cos, sin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Segment;
    use crate::rope::Rope;

    fn rule(pairing: Pairing, pairs: usize, base: f32) -> Rope {
        let inv_freq = (0..pairs).map(|i| base.powf(-(i as f32) / pairs as f32)).collect();
        Rope { pairing, inv_freq }
    }

    fn layout(ropes: Vec<Option<Rope>>) -> Layout {
        Layout::new(ropes.into_iter().map(|rope| Segment { rope, ..Segment::new(66) }).collect()).unwrap()
    }

    /// As the rule itself turns a row, to the last bit or two, whatever the position, in any order.
    #[test]
    fn rows_are_turned_as_by_their_rule() {
        let interleaved = rule(Pairing::Interleaved, 32, 1e4);
        let neox = Rope { pairing: Pairing::Neox, ..interleaved.clone() };
        let layout = layout(vec![Some(neox), None, Some(interleaved), Some(rule(Pairing::Neox, 9, 1e6))]);
        let angles = Angles::new(&layout).unwrap();
        assert_eq!(angles.pairs(), 32 + 9);
        let mut turn = Turn::new(angles.pairs()).unwrap();
        for position in [0, 1, 31, 32, 1000, 999, -1, -33, 1 << 20, i32::MAX, i32::MIN] {
            turn.to(&angles, position);
            for (index, segment) in layout.segments().iter().enumerate() {
                let row: Vec<f32> = (0..66).map(|i| (i as f32).sin()).collect();
                let (mut ours, mut expected) = (row.clone(), row.clone());
                angles.apply(index, &turn, &mut ours);
                if let Some(rope) = &segment.rope {
                    rope.turn(f64::from(position), &mut expected);
                }
                for (i, (a, b)) in ours.iter().zip(&expected).enumerate() {
                    assert!(
                        (a - b).abs() < 2.5e-7,
                        "position {position}, segment {index}, {i}: {a}, not {b}"
                    );
                }
                angles.undo(index, &turn, &mut ours);
                for (a, b) in row.iter().zip(&ours) {
                    assert!((a - b).abs() < 5e-7, "position {position}: {a} became {b}");
                }
            }
        }
    }
}
