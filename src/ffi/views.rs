//! Reading rows from C: views are checked once per call and kept in memory that was reserved before.

use super::rows::{kakeya_rows, kakeya_rows_mut, kakeya_view, kakeya_view_mut};
use super::sized::{SizedStruct, read, read_element};
use super::slice::{self, Strided};
use crate::error::{Count, Error, Result, try_reserve};
use crate::tensor::dtype::Dtype;
use crate::tensor::layout::Layout;
use crate::tensor::rows::{Rows, RowsMut};
use crate::tensor::view::View;
use libc::c_void;
use std::ops::Range;

/// The fields that both kinds of view have.
struct ViewFields {
    data: *const c_void,
    dtype: u32,
    strides: (isize, isize),
}

/// A view struct of either kind.
trait ViewStruct: SizedStruct {
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

/// Room for the views of a call, one per segment.
pub(super) struct ViewRoom(Vec<View<'static>>);

// SAFETY: views are used only within the call that made them; the next call overwrites them.
unsafe impl Send for ViewRoom {}

impl ViewRoom {
    /// Smallest capacity: the number of segments that most layouts stay below.
    const LEAST: usize = 8;

    /// Room for rows of `layout`, and of other layouts that have no more segments.
    pub fn new(layout: &Layout) -> Result<Self> {
        try_reserve(layout.segments().len().max(Self::LEAST), "the views").map(Self)
    }

    /// Bytes of the room.
    pub fn bytes(layout: &Layout) -> usize {
        layout.segments().len().max(Self::LEAST) * size_of::<View>()
    }

    /// Reads the views of `n` rows; `check` sees the addresses of each.
    ///
    /// # Safety
    /// `views` has one view per segment of `layout`. Their memory is as their type says while the returned
    /// views live.
    unsafe fn fill<T: ViewStruct>(
        &mut self,
        views: *const T,
        layout: &Layout,
        n: usize,
        check: impl Fn(&Range<usize>) -> Result<()>,
    ) -> Result<&[View<'_>]> {
        let Self(room) = self;
        room.clear();
        if layout.segments().len() > room.capacity() {
            return Err(Error::OtherWorkspace { what: "segments of its rows" });
        }
        for (index, segment) in layout.segments().iter().enumerate() {
            // SAFETY: the caller vouches for one view per segment.
            let fields = unsafe { read_element(views, index) }?.fields();
            // SAFETY: the caller vouches for its memory.
            room.push(unsafe { fields.view((n, segment.dim), &check) }?);
        }
        Ok(room)
    }
}

impl ViewFields {
    /// The view of `shape`, or of nowhere if its data is NULL; `check` sees its addresses.
    ///
    /// # Safety
    /// As `Strided::elements`.
    unsafe fn view(
        self,
        shape: (usize, usize),
        check: impl Fn(&Range<usize>) -> Result<()>,
    ) -> Result<View<'static>> {
        let dtype = Dtype::from_code(self.dtype, "dtype of a view")?;
        if self.data.is_null() {
            return Ok(View::NOWHERE);
        }
        let strided = Strided::new(self.data, dtype, shape, self.strides)?;
        check(&strided.span())?;
        // SAFETY: as above.
        View::new(unsafe { strided.elements() }, strided.base, shape, strided.strides)
    }
}

/// Reads a view of queries.
///
/// # Safety
/// `view` is as `kakeya_view` says, for `shape`, while the returned view lives.
pub(super) unsafe fn queries_in<'a>(view: *const kakeya_view, shape: (usize, usize)) -> Result<View<'a>> {
    // SAFETY: as above.
    unsafe { read(view)?.fields().view(shape, |_| Ok(())) }
}

/// Reads rows to encode, and checks that none of their memory overlaps `dst`.
///
/// # Safety
/// `rows` and all it points to are as `kakeya_rows` says, for the segments of `layout`, while the result
/// lives.
pub(super) unsafe fn rows_in<'a>(
    rows: *const kakeya_rows,
    layout: &Layout,
    dst: &Range<usize>,
    room: &'a mut ViewRoom,
) -> Result<Rows<'a>> {
    // SAFETY: as above.
    let rows = unsafe { read(rows) }?;
    let n = rows.n_rows;
    check_count(n)?;
    let apart_from_dst = |span: &Range<usize>| apart(span, dst, "a view and the destination");
    // SAFETY: as above.
    let (views, positions, weights, protect) = unsafe {
        (
            room.fill(rows.views, layout, n, apart_from_dst)?,
            slice::optional(rows.positions, n, "positions")?,
            slice::optional(rows.weights, n, "weights")?,
            slice::optional(rows.protect, n, "protect")?,
        )
    };
    apart(&span_of(positions), dst, "positions and the destination")?;
    apart(&span_of(weights), dst, "weights and the destination")?;
    apart(&span_of(protect), dst, "protect and the destination")?;
    Ok(Rows { n, views, positions, weights, protect })
}

/// Reads where decoded rows go, and checks that no view overlaps `src` or the positions.
///
/// # Safety
/// `rows` and all it points to are as `kakeya_rows_mut` says, for the segments of `layout`, while the result
/// lives.
pub(super) unsafe fn rows_out<'a>(
    rows: *const kakeya_rows_mut,
    layout: &Layout,
    src: &[u8],
    room: &'a mut ViewRoom,
) -> Result<RowsMut<'a>> {
    // SAFETY: as above.
    let rows = unsafe { read(rows) }?;
    let n = rows.n_rows;
    check_count(n)?;
    // SAFETY: as above.
    let positions = unsafe { slice::optional(rows.positions, n, "positions") }?;
    let (block, turned) = (span_of(Some(src)), span_of(positions));
    let check = |span: &Range<usize>| {
        apart(span, &block, "a view and the block")?;
        apart(span, &turned, "a view and the positions")
    };
    // SAFETY: as above.
    let views = unsafe { room.fill(rows.views, layout, n, check) }?;
    Ok(RowsMut { n, views, positions })
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
