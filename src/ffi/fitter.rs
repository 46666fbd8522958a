//! Fitting skeletons.

use super::codes::kakeya_status;
use super::handle::{self, Exclusive};
use super::layout::{kakeya_layout, read_layout};
use super::params::{kakeya_params, read_params};
use super::rows::{kakeya_rows, kakeya_view};
use super::sized::write_out;
use super::skeleton::kakeya_skeleton;
use super::slice;
use super::status::guard;
use super::views::{ViewRoom, queries_in, rows_in};
use crate::error::{Count, Error, Result, try_vec};
use crate::fit::FitReport;
use crate::fit::StreamFitter;
use crate::shared::Shared;
use crate::vector::tier::dispatch;
use fearless_simd::Level;
use libc::size_t;

/// Collects rows and fits a skeleton to them. One call at a time.
pub struct kakeya_fitter {
    inner: Exclusive<(StreamFitter, ViewRoom)>,
}

/// What a fit found. Energies are weighted and of the added rows, after gains.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_fit_report {
    /// Rows that were added.
    pub n_rows: u64,
    /// Components kept.
    pub rank: size_t,
    /// Share of the variance that they capture, 0 to 1.
    pub captured_variance: f64,
    /// Arithmetic over geometric mean of the variances of the components kept; at least 1.
    pub coding_gain: f64,
    /// K-means centres kept; 0 = they did not pay.
    pub n_centres: size_t,
    /// Predicted bits per value of a block of many rows, without header and skeleton. With rate control
    /// max_bytes: at `step`, or if that is 0 at half the root mean square of the components.
    pub predicted_bpv: f64,
    /// Predicted relative squared error.
    pub predicted_error: f64,
    /// Size of the skeleton when saved, in bytes.
    pub skeleton_bytes: u64,
}

/// Starts a fit for rows of this layout; the preset must be kakeya or rdo. A codec accepts the skeleton if
/// the dimension of its layout is the same; rdo also needs full rank, which a fit with preset rdo always has.
/// Gains, RoPE, rate control and step should be the codec's as well: they decide whether centres pay, and what
/// the report predicts. Memory grows with the square of the dimension.
///
/// Errors: those of `kakeya_codec_create`.
///
/// # Safety
/// As `kakeya_codec_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_create(
    params: *const kakeya_params,
    layout: *const kakeya_layout,
    out: *mut *mut kakeya_fitter,
) -> kakeya_status {
    let make = || {
        // SAFETY: the caller vouches for the pointers.
        let ((_, params, _), layout) = unsafe { (read_params(params)?, read_layout(layout)?) };
        let room = ViewRoom::new(&layout)?;
        let fitter = StreamFitter::new(&params, layout)?;
        Ok(kakeya_fitter { inner: Exclusive::new((fitter, room), "the fitter") })
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { handle::create(out, make) }
}

/// Adds rows to the fit, each with its weight; protected rows are skipped. If a row is refused, the rows
/// before it have been added.
///
/// # Safety
/// `fitter` is a live fitter; `rows` is as `kakeya_rows` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_add_rows(
    fitter: *mut kakeya_fitter,
    rows: *const kakeya_rows,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let fitter = unsafe { slice::object(fitter, "fitter") }?;
        fitter.inner.with(|(fitter, room)| {
            // SAFETY: the caller vouches for the rows.
            let rows = unsafe { rows_in(rows, fitter.layout(), &(0..0), room) }?;
            fitter.add(&rows)
        })
    })
}

/// Adds queries that will meet the rows of a segment: `n_queries` rows of the segment's dimension. The
/// skeleton then puts the error where they look least, with every distortion. With
/// `KAKEYA_DISTORTION_INNER_PRODUCT` the certified error is the one that they see, after a tenth of their
/// second moment has been spread over all directions. Optional; rdo only.
///
/// If the segment has RoPE, pass queries before RoPE, and the position of each in `positions`, not below 0: a
/// query then counts at all distances from 0 to its position. With NULL the queries count as they are.
///
/// Errors: UNSUPPORTED (preset kakeya), BAD_SHAPE (no such segment), BAD_PARAM (a negative position),
/// NOT_FINITE, OUT_OF_MEMORY.
///
/// # Safety
/// `fitter` is a live fitter; `queries` is as `kakeya_view` says; `positions` is NULL or has `n_queries`
/// elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_add_queries(
    fitter: *mut kakeya_fitter,
    segment: size_t,
    queries: *const kakeya_view,
    n_queries: size_t,
    positions: *const i32,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointer.
        let fitter = unsafe { slice::object(fitter, "fitter") }?;
        fitter.inner.with(|(fitter, _)| {
            let dim = segment_dim(fitter, segment)?;
            if n_queries == 0 {
                return Err(Error::BadShape { what: "n_queries", got: 0, expected: Count::AtLeast(1) });
            }
            let size = n_queries.checked_mul(dim).ok_or(Error::OutOfRange { what: "the queries" })?;
            // SAFETY: the caller vouches for the view.
            let view = unsafe { queries_in(queries, (n_queries, dim)) }?;
            if view.is_nowhere() {
                return Err(Error::NullPointer { what: "data of the queries" });
            }
            // SAFETY: the caller vouches for the array.
            let positions = unsafe { slice::optional(positions, n_queries, "positions") }?;
            let mut rows = try_vec(size, 0.0, "the queries")?;
            dispatch!(Level::new(), simd => {
                rows.chunks_exact_mut(dim).enumerate().for_each(|(i, row)| view.read(simd, i, row));
            });
            fitter.add_queries(segment, &rows, positions)
        })
    })
}

fn segment_dim(fitter: &StreamFitter, segment: usize) -> Result<usize> {
    let segments = fitter.layout().segments();
    segments.get(segment).map(|segment| segment.dim).ok_or(Error::BadShape {
        what: "segment",
        got: segment,
        expected: Count::Below(segments.len()),
    })
}

/// Fits a skeleton to the rows added so far; more rows may be added afterwards for another one. The same rows
/// in the same order with the same seed give the same skeleton. If `report` is not NULL, its first
/// `report_size` bytes are written.
///
/// Errors: BAD_SHAPE (no row with a positive weight), NOT_CONVERGED, OUT_OF_MEMORY. The eigenvalue solver
/// allocates some memory on its own; if the system refuses that, the process aborts.
///
/// # Safety
/// `fitter` is a live fitter; `report` is NULL or has `report_size` writable bytes; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_finish(
    fitter: *mut kakeya_fitter,
    report: *mut kakeya_fit_report,
    report_size: size_t,
    out: *mut *mut kakeya_skeleton,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (fitter, out) = (unsafe { slice::object(fitter, "fitter") }?, slice::out(out, "out")?);
        let (skeleton, fit) = fitter.inner.with(|(fitter, _)| fitter.finish())?;
        let value = report_of(&fit, skeleton.saved_bytes());
        let handle = handle::into_c(kakeya_skeleton { skeleton: Shared::new(skeleton)? })?;
        if !report.is_null() {
            // SAFETY: the caller vouches for `report_size` bytes.
            unsafe { write_out(report, report_size, &value) };
        }
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Frees a fitter; NULL is a no-op. No call may be using it.
///
/// # Safety
/// `fitter` is NULL, or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_free(fitter: *mut kakeya_fitter) {
    // SAFETY: as above.
    unsafe { handle::free(fitter) };
}

fn report_of(fit: &FitReport, skeleton_bytes: usize) -> kakeya_fit_report {
    kakeya_fit_report {
        n_rows: fit.rows,
        rank: fit.rank,
        captured_variance: fit.captured_variance,
        coding_gain: fit.coding_gain,
        n_centres: fit.n_centres,
        predicted_bpv: fit.predicted_bpv,
        predicted_error: fit.predicted_error,
        skeleton_bytes: skeleton_bytes as u64,
    }
}
