//! What a row is made of, and where its pieces lie in the engine's tensors.
//!
//! A row is the concatenation of its segments; a segment is a run of coordinates that comes from one tensor
//! (the K of a kv-head, the V of a kv-head). On the way in a segment is converted to binary32, its rotary
//! embedding is undone and it is multiplied by its gain; on the way out the same in reverse.
//!
//! Coding several tensors as one row lets a skeleton use what they have in common. Gains then say how much an
//! error in each of them matters. Rotary embedding is undone because keys are alike across positions only
//! without it.

use super::dtype::Dtype;
use super::rope::Rope;
use crate::error::{Count, Error, Result, try_reserve};
use std::ops::Range;

/// Largest number of coordinates of a row. Constants of the kernels are chosen for it (see
/// `fixed::group` and `vector::matrix`), and the basis of a skeleton of full rank takes 64 MiB.
pub const MAX_DIM: usize = 4096;

/// A run of coordinates that comes from one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Number of coordinates, at least 1.
    pub dim: usize,
    /// Factor from the tensor to the row, finite and positive with a finite inverse. A larger one makes
    /// errors in this segment count for more.
    pub gain: f32,
    /// Element type of rows that are stored raw. That of the tensor makes them exact.
    pub raw_dtype: Dtype,
    /// Rotary embedding to undo, if any.
    pub rope: Option<Rope>,
}

impl Segment {
    /// A segment of `dim` coordinates with gain 1, raw rows in f32 and no rotary embedding.
    pub fn new(dim: usize) -> Self {
        Self { dim, gain: 1.0, raw_dtype: Dtype::F32, rope: None }
    }
}

/// The segments of a row, checked. It does not change after that, so nothing downstream checks again.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    segments: Vec<Segment>,
    dim: usize,
}

impl Layout {
    /// Checks the segments: at least one, every dim at least 1, at most [`MAX_DIM`] coordinates together,
    /// gains positive and finite with a finite inverse, rotary embeddings that fit their segment.
    ///
    /// # Errors
    /// [`Error::BadShape`] or [`Error::BadParam`] for the first segment that is not as above.
    pub fn new(segments: Vec<Segment>) -> Result<Self> {
        let mut dim = 0_usize;
        for segment in &segments {
            // Compared with what is left, since a sum could overflow.
            let left = MAX_DIM - dim;
            if segment.dim == 0 || segment.dim > left {
                return Err(Error::BadShape {
                    what: "dim of a segment",
                    got: segment.dim,
                    expected: Count::UpTo(left),
                });
            }
            dim += segment.dim;
            let inverse = 1.0 / segment.gain;
            if !(segment.gain > 0.0 && segment.gain.is_finite() && inverse > 0.0 && inverse.is_finite()) {
                return Err(Error::BadParam {
                    what: "gain",
                    got: f64::from(segment.gain),
                    expected: "a positive normal number",
                });
            }
            if let Some(rope) = &segment.rope {
                rope.fits(segment.dim)?;
            }
        }
        if dim == 0 {
            return Err(Error::BadShape { what: "number of segments", got: 0, expected: Count::AtLeast(1) });
        }
        Ok(Self { segments, dim })
    }

    /// One segment of `dim` coordinates, with gain 1 and without rotary embedding.
    ///
    /// # Errors
    /// [`Error::BadShape`] if `dim` is not from 1 to [`MAX_DIM`], [`Error::OutOfMemory`].
    pub fn plain(dim: usize) -> Result<Self> {
        let mut segments = try_reserve(1, "the layout")?;
        segments.push(Segment::new(dim));
        Self::new(segments)
    }

    /// Number of coordinates of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Each segment with its index and the range of its coordinates in a row. Computed as it goes: a stored
    /// table would be one more thing to allocate, for one addition.
    #[inline(always)]
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (usize, Range<usize>, &Segment)> + Clone {
        let mut end = 0;
        self.segments.iter().enumerate().map(move |(index, segment)| {
            let start = end;
            end += segment.dim;
            (index, start..end, segment)
        })
    }

    /// Whether any segment needs positions.
    pub fn needs_positions(&self) -> bool {
        self.segments.iter().any(|segment| segment.rope.is_some())
    }

    /// Bytes of a row that is stored raw, in the raw types of its segments.
    pub fn raw_row_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.dim * segment.raw_dtype.size()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_checked() {
        let with = |change: fn(&mut Segment)| {
            let mut segment = Segment::new(8);
            change(&mut segment);
            Layout::new(vec![Segment::new(4), segment])
        };
        assert_eq!(with(|_| {}).unwrap().dim(), 12);
        assert!(with(|s| s.dim = 0).is_err());
        assert!(with(|s| s.dim = MAX_DIM - 3).is_err());
        assert!(with(|s| s.dim = usize::MAX).is_err());
        for gain in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-45, f32::MAX * 2.0] {
            let mut segment = Segment::new(8);
            segment.gain = gain;
            assert!(Layout::new(vec![segment]).is_err(), "gain {gain}");
        }
        assert!(Layout::new(Vec::new()).is_err());
        assert_eq!(Layout::plain(5).unwrap().raw_row_bytes(), 20);
    }
}
