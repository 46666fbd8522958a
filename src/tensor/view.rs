//! Where the rows of a segment lie in a tensor.
//!
//! Strides are free, as engines have many layouts: rows apart by the number of heads, tensors that are stored
//! transposed, rows in reverse. A view is checked once, when it is made, and its elements are then accessed
//! by wrapping arithmetic; the accesses themselves stay checked, so a mistake here could panic but not
//! corrupt.

use super::dtype::Elements;
use super::layout::Layout;
use crate::error::{Count, Error, Result};
use fearless_simd::Simd;

/// Where the rows of one segment lie: element `(row, col)` is `elements[base + row·row_stride +
/// col·col_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// `None` for a view of nowhere.
    elements: Option<Elements<'a>>,
    /// Index of element (0, 0).
    base: usize,
    /// Rows and columns.
    shape: (usize, usize),
    row_stride: isize,
    col_stride: isize,
}

impl<'a> View<'a> {
    /// A segment that is not wanted: what is decoded into this view is dropped, and its part of the work is
    /// saved.
    pub const NOWHERE: Self = Self { elements: None, base: 0, shape: (0, 0), row_stride: 0, col_stride: 0 };

    /// A view of `shape`, rows by columns, whose elements all lie inside `elements`. Strides count elements,
    /// and may be negative or 0.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if an element would lie outside, or there is none.
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

    /// Reads row `row` into `values`, which keep what they have if the view is of nowhere.
    #[inline(always)]
    pub(crate) fn read<S: Simd>(&self, simd: S, row: usize, values: &mut [f32]) {
        if let Some(elements) = &self.elements {
            elements.read(simd, self.start(row), self.col_stride, values);
        }
    }

    /// Writes `values` as row `row`, except to nowhere.
    #[inline(always)]
    pub(crate) fn write<S: Simd>(&self, simd: S, row: usize, values: &[f32]) {
        if let Some(elements) = &self.elements {
            elements.write(simd, self.start(row), self.col_stride, values);
        }
    }

    /// Whether this is [`View::NOWHERE`], for which callers skip the work on a segment.
    #[inline(always)]
    pub(crate) fn is_nowhere(&self) -> bool {
        self.elements.is_none()
    }

    /// Index of the first element of a row. Steps may wrap, the result does not: the view was checked.
    #[inline(always)]
    fn start(&self, row: usize) -> usize {
        self.base.wrapping_add_signed((row as isize).wrapping_mul(self.row_stride))
    }
}

/// Lowest and highest offset, in elements from element (0, 0), of a view of `rows` × `cols`; `None` if it has
/// no element or they do not fit in `isize`. The C API calls it before it makes a slice of the caller's
/// memory.
pub(crate) fn extent((rows, cols): (usize, usize), strides: (isize, isize)) -> Option<(isize, isize)> {
    let reach =
        |count: usize, stride: isize| isize::try_from(count.checked_sub(1)?).ok()?.checked_mul(stride);
    let (row, col) = (reach(rows, strides.0)?, reach(cols, strides.1)?);
    Some((row.min(0).checked_add(col.min(0))?, row.max(0).checked_add(col.max(0))?))
}

/// Checks that there is a view for every segment of `layout`, with at least `n` rows or of nowhere. If `n` is
/// 0 there may be none.
///
/// # Errors
/// [`Error::BadShape`]
pub(crate) fn check_views(views: &[View<'_>], layout: &Layout, n: usize) -> Result<()> {
    let (got, count) = (views.len(), layout.segments().len());
    if got != count && n > 0 {
        return Err(Error::BadShape { what: "number of views", got, expected: Count::Is(count) });
    }
    for (view, segment) in views.iter().zip(layout.segments()).filter(|(view, _)| !view.is_nowhere()) {
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
    use crate::vector::tier::dispatch;
    use fearless_simd::Level;
    use std::cell::Cell;

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
