//! Rows from C: views read one by one as the kernel asks for them, so that nothing is allocated.

use super::sized::{SizedStruct, read, read_element};
use super::slice::{self, Strided};
use super::types::*;
use crate::codec::Codec;
use crate::dtype::Dtype;
use crate::error::{Count, Error, Result};
use crate::layout::{Layout, View, Views};
use libc::c_void;
use std::ops::Range;

/// The fields that both kinds of view have.
pub(super) struct ViewFields {
    data: *const c_void,
    dtype: u32,
    strides: (isize, isize),
}

/// A view struct of either kind.
pub(super) trait ViewStruct: SizedStruct {
    /// Its fields.
    fn fields(&self) -> ViewFields;
}

impl ViewStruct for kakeya_view {
    fn fields(&self) -> ViewFields {
        ViewFields { data: self.data, dtype: self.dtype, strides: (self.row_stride, self.col_stride) }
    }
}

impl ViewStruct for kakeya_view_mut {
    fn fields(&self) -> ViewFields {
        ViewFields { data: self.data, dtype: self.dtype, strides: (self.row_stride, self.col_stride) }
    }
}

/// An array of views, one per segment, that its maker vouched for.
pub(super) struct Pointers<T> {
    views: *const T,
    n_rows: usize,
}

impl<T: ViewStruct> Pointers<T> {
    /// Views of `n_rows` rows each.
    ///
    /// # Safety
    /// As many as will be asked for are at `views`, as their type says.
    pub unsafe fn new(views: *const T, n_rows: usize) -> Self {
        Self { views, n_rows }
    }

    /// The memory of a segment's view; `None` where its data is NULL.
    #[inline(always)]
    fn strided(&self, segment: usize, dim: usize) -> Result<Option<Strided>> {
        // SAFETY: who made `self` vouched for one view per segment.
        let fields = unsafe { read_element(self.views, segment) }?.fields();
        let dtype = Dtype::from_code(fields.dtype, "dtype of a view")?;
        if fields.data.is_null() {
            return Ok(None);
        }
        Strided::new(fields.data, dtype, (self.n_rows, dim), fields.strides).map(Some)
    }
}

impl<T: ViewStruct> Views for Pointers<T> {
    #[inline(always)]
    fn view(&self, segment: usize, dim: usize) -> Result<Option<View<'_>>> {
        let Some(strided) = self.strided(segment, dim)? else { return Ok(None) };
        // SAFETY: who made `self` vouched for the memory of its views.
        let elements = unsafe { strided.elements() };
        View::new(elements, strided.base, (self.n_rows, dim), strided.strides).map(Some)
    }
}

/// Rows to encode, with the slices that go with them.
pub(super) struct RowsIn<'a> {
    pub views: Pointers<kakeya_view>,
    pub n: usize,
    pub positions: Option<&'a [i32]>,
    pub weights: Option<&'a [f32]>,
    pub protect: Option<&'a [u8]>,
}

impl RowsIn<'_> {
    /// Reads the struct and checks that nothing of it overlaps `dst`.
    ///
    /// # Safety
    /// `rows` and all it points to is as `kakeya_rows` says, for the segments of `layout`.
    pub unsafe fn read(rows: *const kakeya_rows, layout: &Layout, dst: &Range<usize>) -> Result<Self> {
        // SAFETY: as above.
        let rows = unsafe { read(rows) }?;
        let n = rows.n_rows;
        check_count(n)?;
        let views = Pointers { views: rows.views, n_rows: n };
        for (index, segment) in layout.segments().iter().enumerate() {
            let strided =
                views.strided(index, segment.dim)?.ok_or(Error::NullPointer { what: "data of a view" })?;
            apart(&strided.span(), dst, "a view and the destination")?;
        }
        // SAFETY: as above.
        let (positions, weights, protect) = unsafe {
            (
                slice::optional(rows.positions, n, "positions")?,
                slice::optional(rows.weights, n, "weights")?,
                slice::optional(rows.protect, n, "protect")?,
            )
        };
        apart(&span_of(positions), dst, "positions and the destination")?;
        apart(&span_of(weights), dst, "weights and the destination")?;
        apart(&span_of(protect), dst, "protect and the destination")?;
        Ok(RowsIn { views, n, positions, weights, protect })
    }

    /// The rows for the kernel.
    pub fn rows(&self) -> crate::codec::Rows<'_, Pointers<kakeya_view>> {
        crate::codec::Rows {
            n: self.n,
            views: &self.views,
            positions: self.positions,
            weights: self.weights,
            protect: self.protect,
        }
    }
}

/// Where decoded rows go.
pub(super) struct RowsOut<'a> {
    pub views: Pointers<kakeya_view_mut>,
    pub n: usize,
    pub positions: Option<&'a [i32]>,
}

impl RowsOut<'_> {
    /// Reads the struct and checks that no view overlaps `src` or the positions.
    ///
    /// # Safety
    /// `rows` and all it points to is as `kakeya_rows_mut` says, for the segments of the codec's layout.
    pub unsafe fn read(rows: *const kakeya_rows_mut, codec: &Codec, src: &[u8]) -> Result<Self> {
        // SAFETY: as above.
        let rows = unsafe { read(rows) }?;
        let n = rows.n_rows;
        check_count(n)?;
        // SAFETY: as above.
        let positions = unsafe { slice::optional(rows.positions, n, "positions") }?;
        let views = Pointers { views: rows.views, n_rows: n };
        for (index, segment) in codec.layout().segments().iter().enumerate() {
            let Some(strided) = views.strided(index, segment.dim)? else { continue };
            apart(&strided.span(), &span_of(Some(src)), "a view and the block")?;
            apart(&strided.span(), &span_of(positions), "a view and the positions")?;
        }
        Ok(RowsOut { views, n, positions })
    }

    /// The rows for the kernel.
    pub fn rows(&self) -> crate::codec::RowsMut<'_, Pointers<kakeya_view_mut>> {
        crate::codec::RowsMut { n: self.n, views: &self.views, positions: self.positions }
    }
}

fn check_count(n: usize) -> Result<()> {
    if n == 0 { Err(Error::BadShape { what: "n_rows", got: 0, expected: Count::AtLeast(1) }) } else { Ok(()) }
}

fn span_of<T>(slice: Option<&[T]>) -> Range<usize> {
    slice.map_or(0..0, |slice| {
        let range = slice.as_ptr_range();
        range.start.addr()..range.end.addr()
    })
}

fn apart(a: &Range<usize>, b: &Range<usize>, what: &'static str) -> Result<()> {
    if slice::overlap(a, b) { Err(Error::Overlap { what }) } else { Ok(()) }
}
