//! The rotary embeddings of a codec, row by row: cosines and sines that all segments with the same
//! frequencies share.
//!
//! A sine takes longer than all the rest of decoding a coordinate. So the angle `p·f` is split into that of
//! the multiple of 32 below the position, which consecutive rows have in common, and that of the remainder,
//! which comes from a table; the two are added by one complex product. For rows in order that is one sine per
//! pair and 32 rows; for positions in any order it is as slow as the plain rule, and as correct.
//!
//! Both parts are formed in binary64, with a library that is the same on every machine, and so is their
//! product. The result is good to binary32 at any position, and does not depend on the positions that came
//! before.

use super::layout::Layout;
use super::rope::{Pairing, sin_cos};
use crate::error::{Result, try_reserve, try_vec};
use std::ops::Range;

/// Positions with an angle in the table: a power of two, so that a mask finds the remainder, of negative
/// positions too. The table takes 32 KiB for the 64 pairs of a head of 128.
const FINE: usize = 32;

/// The angles of a codec, computed once and shared by all threads.
#[derive(Debug)]
pub(crate) struct Angles {
    /// Inverse frequencies of the distinct rules, one after the other, `[pairs]`.
    inv_freq: Vec<f32>,
    /// Cosines and sines at positions `0 .. FINE`, `[FINE, pairs]`. In binary64, as they are only rounded
    /// once the two parts of an angle are joined.
    cos: Vec<f64>,
    sin: Vec<f64>,
    /// For each segment with a rotary embedding: its range of `inv_freq`, and which coordinates are paired.
    segments: Vec<Option<(Range<usize>, Pairing)>>,
}

impl Angles {
    /// The angles of the segments of a layout. Segments with the same frequencies share them even if they
    /// pair their coordinates differently: the angles do not depend on that.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
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

    /// Number of pairs of all distinct rules together: the size of a [`PairAngles`].
    pub fn pairs(&self) -> usize {
        self.inv_freq.len()
    }

    /// Turns a segment's part of a row by the angles of the position that `turn` was moved to. Does nothing
    /// for a segment without a rotary embedding.
    #[inline(always)]
    pub fn apply(&self, segment: usize, turn: &PairAngles, part: &mut [f32]) {
        if let Some((pairs, pairing)) = &self.segments[segment] {
            rotate(*pairing, &turn.cos[pairs.clone()], &turn.sin[pairs.clone()], 1.0, part);
        }
    }

    /// Turns a segment's part back: the inverse of [`Angles::apply`] up to rounding.
    #[inline(always)]
    pub fn undo(&self, segment: usize, turn: &PairAngles, part: &mut [f32]) {
        if let Some((pairs, pairing)) = &self.segments[segment] {
            rotate(*pairing, &turn.cos[pairs.clone()], &turn.sin[pairs.clone()], -1.0, part);
        }
    }
}

/// The angles at one position, moved from row to row. It belongs to a workspace, so it must be
/// [reset](PairAngles::reset) before it serves another codec.
#[derive(Debug)]
pub(crate) struct PairAngles {
    /// Multiple of [`FINE`] whose angles are kept; `None` if there are none of this codec.
    coarse: Option<i32>,
    coarse_cos: Vec<f64>,
    coarse_sin: Vec<f64>,
    /// Cosines and sines at the position, `[pairs]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl PairAngles {
    /// Room for `pairs` pairs.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory)
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

    /// Bytes that [`PairAngles::new`] allocates.
    pub const fn bytes(pairs: usize) -> usize {
        2 * pairs * (size_of::<f64>() + size_of::<f32>())
    }

    /// Whether there is room for `pairs` pairs.
    pub fn has_room(&self, pairs: usize) -> bool {
        self.cos.len() >= pairs
    }

    /// Forgets the codec that it served. Without it, the kept angles of that codec would be taken for those
    /// of the next one at the same positions.
    pub fn reset(&mut self) {
        self.coarse = None;
    }

    /// Moves to a position; any `i32` will do. Costs one complex product per pair, and a sine and a cosine
    /// per pair if the multiple of 32 changes.
    #[inline(always)]
    pub fn move_to(&mut self, angles: &Angles, position: i32) {
        let pairs = angles.pairs();
        // Never negative, so `position - fine` is the multiple below, and cannot overflow.
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
        // (a + ib)(c + id): the angles add up.
        let out = self.cos[..pairs].iter_mut().zip(&mut self.sin[..pairs]);
        for (((cos, sin), (a, b)), (c, d)) in out.zip(coarse).zip(fine) {
            *cos = (a * c - b * d) as f32;
            *sin = (b * c + a * d) as f32;
        }
    }
}

/// Turns each pair by its angle, times `sign`: −1 turns back. A negative angle has the same cosine and the
/// negated sine, exactly, so one table serves both ways.
#[inline(always)]
fn rotate(pairing: Pairing, cos: &[f32], sin: &[f32], sign: f32, part: &mut [f32]) {
    // Products and sums that are rounded one by one: a fused multiply-add would give other bits.
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
    use super::super::layout::Segment;
    use super::super::rope::Rope;
    use super::*;

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
        let mut turn = PairAngles::new(angles.pairs()).unwrap();
        for position in [0, 1, 31, 32, 1000, 999, -1, -33, 1 << 20, i32::MAX, i32::MIN] {
            turn.move_to(&angles, position);
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
