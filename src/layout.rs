//! What a row is made of, and where its pieces lie in the engine's tensors.
//!
//! A row is the concatenation of its segments; a segment is a run of coordinates that comes from one tensor
//! (the K of a kv-head, the V of a kv-head). On the way in a segment is converted to binary32, its rotary
//! embedding is undone and it is multiplied by its gain; on the way out the same in reverse.

use crate::dtype::{Dtype, Elements};
use crate::error::{Count, Error, Result, try_reserve};
use crate::rope::Rope;
use fearless_simd::Simd;

/// Largest number of coordinates of a row.
pub const MAX_DIM: usize = 4096;

/// A run of coordinates that comes from one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Number of coordinates, at least 1.
    pub dim: usize,
    /// Factor between the tensor and the row, finite and positive with a finite inverse.
    pub gain: f32,
    /// Element type of rows that are stored raw.
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

/// The segments of a row, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    segments: Vec<Segment>,
    dim: usize,
}

impl Layout {
    /// Checks the segments: at least one, every dim at least 1, at most [`MAX_DIM`] coordinates together,
    /// gains positive and finite with a finite inverse.
    pub fn new(segments: Vec<Segment>) -> Result<Self> {
        let mut dim = 0_usize;
        for segment in &segments {
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

    /// One segment of `dim` coordinates as they are.
    pub fn plain(dim: usize) -> Result<Self> {
        let mut segments = try_reserve(1, "the layout")?;
        segments.push(Segment::new(dim));
        Self::new(segments)
    }

    /// Coordinates of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Each segment with the offset of its first coordinate in a row.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = (usize, &Segment)> + Clone {
        self.segments.iter().scan(0, |at, segment| {
            let offset = *at;
            *at += segment.dim;
            Some((offset, segment))
        })
    }

    /// Whether any segment needs positions.
    pub fn needs_positions(&self) -> bool {
        self.segments.iter().any(|segment| segment.rope.is_some())
    }

    /// Bytes of a row that is stored raw.
    pub fn raw_row_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.dim * segment.raw_dtype.size()).sum()
    }
}

/// Where the rows of one segment lie: element `(row, col)` is `elements[base + row·row_stride + col·col_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// `None` where what is decoded is not wanted.
    elements: Option<Elements<'a>>,
    base: usize,
    shape: (usize, usize),
    row_stride: isize,
    col_stride: isize,
}

impl<'a> View<'a> {
    /// What is decoded to here is dropped.
    pub const NOWHERE: Self = Self { elements: None, base: 0, shape: (0, 0), row_stride: 0, col_stride: 0 };

    /// A view of `shape`, rows by columns, whose elements all lie inside `elements`.
    pub fn new(
        elements: Elements<'a>,
        base: usize,
        shape: (usize, usize),
        (row_stride, col_stride): (isize, isize),
    ) -> Result<Self> {
        let outside = Error::OutOfRange { what: "a view" };
        let (low, high) = extent(shape, (row_stride, col_stride)).ok_or(outside.clone())?;
        let first = base.checked_add_signed(low);
        let last = base.checked_add_signed(high);
        match (first, last) {
            (Some(_), Some(last)) if last < elements.len() => {
                Ok(Self { elements: Some(elements), base, shape, row_stride, col_stride })
            }
            _ => Err(outside),
        }
    }

    /// Reads row `row` into `values`; from nowhere, nothing.
    #[inline(always)]
    pub(crate) fn read<S: Simd>(&self, simd: S, row: usize, values: &mut [f32]) {
        if let Some(elements) = &self.elements {
            elements.read(simd, self.start(row), self.col_stride, values);
        }
    }

    /// Writes `values` as row `row`.
    #[inline(always)]
    pub(crate) fn write<S: Simd>(&self, simd: S, row: usize, values: &[f32]) {
        if let Some(elements) = &self.elements {
            elements.write(simd, self.start(row), self.col_stride, values);
        }
    }

    /// Whether what is decoded to here is dropped.
    #[inline(always)]
    pub(crate) fn is_nowhere(&self) -> bool {
        self.elements.is_none()
    }

    #[inline(always)]
    fn start(&self, row: usize) -> usize {
        self.base.wrapping_add_signed((row as isize).wrapping_mul(self.row_stride))
    }
}

/// Lowest and highest offset, in elements from the first one, of a view of `rows` × `cols` (at least 1 × 1);
/// `None` where they do not fit in `isize`.
pub(crate) fn extent((rows, cols): (usize, usize), strides: (isize, isize)) -> Option<(isize, isize)> {
    let reach =
        |count: usize, stride: isize| isize::try_from(count.checked_sub(1)?).ok()?.checked_mul(stride);
    let (row, col) = (reach(rows, strides.0)?, reach(cols, strides.1)?);
    Some((row.min(0).checked_add(col.min(0))?, row.max(0).checked_add(col.max(0))?))
}

/// Whether there is a view for every segment of `layout`, of `n` rows or of nowhere; no rows need none.
pub(crate) fn check_views(views: &[View<'_>], layout: &Layout, n: usize) -> Result<()> {
    let (got, count) = (views.len(), layout.segments.len());
    if got != count && n > 0 {
        return Err(Error::BadShape { what: "number of views", got, expected: Count::Is(count) });
    }
    for (view, segment) in views.iter().zip(&layout.segments).filter(|(view, _)| !view.is_nowhere()) {
        let (rows, cols) = view.shape;
        if rows < n {
            return Err(Error::BadShape { what: "rows of a view", got: rows, expected: Count::AtLeast(n) });
        }
        if cols != segment.dim {
            return Err(Error::BadShape {
                what: "columns of a view",
                got: cols,
                expected: Count::Is(segment.dim),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch;
    use fearless_simd::Level;
    use std::cell::Cell;

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

    #[test]
    fn views_stay_inside_their_memory() {
        let mut memory = [0.0_f32; 24];
        let cells = Cell::from_mut(&mut memory[..]).as_slice_of_cells();
        let elements = Elements::F32(cells);
        assert!(!elements.is_empty());
        let view = |base, shape, strides| View::new(elements, base, shape, strides);
        assert!(view(0, (4, 6), (6, 1)).is_ok());
        assert!(view(1, (4, 6), (6, 1)).is_err());
        assert!(view(23, (4, 6), (-6, -1)).is_ok());
        assert!(view(22, (4, 6), (-6, -1)).is_err());
        assert!(view(0, (4, 6), (1, 4)).is_ok());
        assert!(view(5, (1000, 6), (0, 0)).is_ok());
        assert!(view(0, (usize::MAX, 6), (1, 1)).is_err());
        assert!(view(0, (1 << 40, 6), (1 << 40, 1)).is_err());
        assert!(view(0, (0, 6), (6, 1)).is_err());

        let transposed = view(0, (4, 6), (1, 4)).unwrap();
        let mut back = [0.0; 6];
        dispatch!(Level::new(), simd => {
            transposed.write(simd, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            transposed.read(simd, 2, &mut back);
        });
        assert_eq!(back, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!([memory[2], memory[6], memory[22]], [1.0, 2.0, 6.0]);
    }
}
