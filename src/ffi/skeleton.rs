//! Fitting skeletons, and skeletons as bytes.

use super::boundary::guard;
use super::codec::{parse_params, read_layout};
use super::handle::{self, Exclusive};
use super::rows::{self, ViewRoom, rows_in};
use super::sized::{read, write_out};
use super::slice;
use super::types::*;
use crate::Shared;
use crate::codec::StreamFitter;
use crate::error::{Count, Error, try_vec};
use crate::simd::dispatch;
use crate::skeleton::{FitReport, Skeleton};
use fearless_simd::Level;
use libc::{c_void, size_t};

/// A skeleton: immutable, to be shared by any number of threads and codecs.
pub struct kakeya_skeleton {
    pub(super) skeleton: Shared<Skeleton>,
}

/// Collects rows for a skeleton; one call at a time.
pub struct kakeya_fitter {
    inner: Exclusive<(StreamFitter, ViewRoom)>,
}

/// Starts a fit for blocks of this layout. `params` must have preset kakeya or rdo. A codec takes the skeleton if the
/// layout's dimension is the same, and rdo if it has full rank; it suits the codec best if gains, RoPE rules,
/// rate control and step are the codec's as well, for they decide whether centres pay and what the report predicts. Memory is in proportion to the square of the dimension.
///
/// # Safety
/// As `kakeya_codec_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_create(
    params: *const kakeya_params,
    layout: *const kakeya_layout,
    out: *mut *mut kakeya_fitter,
) -> kakeya_status {
    guard(|| {
        let out = slice::out(out, "out")?;
        // SAFETY: the caller vouches for the pointers.
        let (params, layout) = unsafe { (read(params)?, read_layout(layout)?) };
        let room = ViewRoom::new(&layout)?;
        let fitter = StreamFitter::new(&parse_params(&params)?, layout)?;
        let handle = handle::give(kakeya_fitter { inner: Exclusive::new((fitter, room), "the fitter") })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Adds rows to the fit, each with its weight; protected rows are left out. If a row is refused, the rows
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

/// Adds queries that will meet the rows of a segment, `n_queries` rows of the segment's dimension: the skeleton puts
/// the error where they look least, and the certified error of a codec with `KAKEYA_DISTORTION_INNER_PRODUCT` is
/// the one that they see, after a tenth of their second moment has been spread over all directions. Codecs with other distortions put their error there too, and certify it as ever. For rdo; optional. Where the segment has a RoPE rule, queries are those before RoPE and
/// `positions` are where they are asked from, not below 0: they count at all distances from 0 to there. With NULL
/// they count as they are.
///
/// Errors: `UNSUPPORTED` for kakeya, `BAD_SHAPE` (no such segment), `BAD_PARAM` (a negative position),
/// `NOT_FINITE`, `OUT_OF_MEMORY`.
///
/// # Safety
/// `fitter` is a live fitter; `queries` is as `kakeya_view` says; `positions` is NULL or has `n_queries` elements.
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
            let segments = fitter.layout().segments();
            let dim = segments.get(segment).map(|segment| segment.dim);
            let dim = dim.ok_or(Error::BadShape {
                what: "segment",
                got: segment,
                expected: Count::Below(segments.len()),
            })?;
            if n_queries == 0 {
                return Err(Error::BadShape { what: "n_queries", got: 0, expected: Count::AtLeast(1) });
            }
            let size = n_queries.checked_mul(dim).ok_or(Error::OutOfRange { what: "the queries" })?;
            // SAFETY: the caller vouches for the view.
            let view = unsafe { rows::single(queries, (n_queries, dim)) }?;
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

/// Makes a skeleton of the rows added so far; more may be added afterwards for another one. Deterministic for
/// given rows, their order and the seed. `report` may be NULL; its first `report_size` bytes are written.
///
/// Errors: `BAD_SHAPE` without a row that has a weight, `NOT_CONVERGED`, `OUT_OF_MEMORY`. Memory that the eigenvalue solver asks
/// for is not reserved ahead: the process aborts where the system refuses it.
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
        let (skeleton, found) = fitter.inner.with(|(fitter, _)| fitter.finish())?;
        let found = report_of(&found, skeleton.saved_bytes());
        let handle = handle::give(kakeya_skeleton { skeleton: Shared::new(skeleton)? })?;
        if !report.is_null() {
            // SAFETY: the caller vouches for `report_size` bytes.
            unsafe { write_out(report, report_size, &found) };
        }
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Frees a fitter; NULL is nothing.
///
/// # Safety
/// `fitter` is NULL or came from `kakeya_fitter_create` and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_fitter_free(fitter: *mut kakeya_fitter) {
    guard(|| {
        // SAFETY: as above.
        unsafe { handle::take_back(fitter) };
        Ok(())
    });
}

/// Bytes that `kakeya_skeleton_save` writes.
///
/// # Safety
/// `skeleton` is a live skeleton; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_size(
    skeleton: *const kakeya_skeleton,
    out: *mut size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (skeleton, out) = (unsafe { slice::object(skeleton, "skeleton") }?, slice::out(out, "out")?);
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(skeleton.skeleton.saved_bytes()) };
        Ok(())
    })
}

/// Writes a skeleton, with format version and checksum, to the start of `dst`; `written` gets its size.
///
/// # Safety
/// `skeleton` is a live skeleton; `dst` has `cap` writable bytes; `written` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_save(
    skeleton: *const kakeya_skeleton,
    dst: *mut c_void,
    cap: size_t,
    written: *mut size_t,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let skeleton = unsafe { slice::object(skeleton, "skeleton") }?;
        let written = slice::out(written, "written")?;
        // SAFETY: the caller vouches for `cap` bytes.
        let size = skeleton.skeleton.save(unsafe { slice::bytes_mut(dst, cap, "dst") }?)?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { written.write(size) };
        Ok(())
    })
}

/// Reads what `kakeya_skeleton_save` wrote: all `len` bytes and nothing else. Any bytes may be given; those
/// that are not a skeleton are `CORRUPT`, `TRUNCATED` or `WRONG_VERSION`. Memory is in proportion to `len`.
///
/// # Safety
/// `src` has `len` readable bytes; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_load(
    src: *const c_void,
    len: size_t,
    out: *mut *mut kakeya_skeleton,
) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (src, out) = (unsafe { slice::bytes(src, len, "src") }?, slice::out(out, "out")?);
        let skeleton = Shared::new(Skeleton::load(src)?)?;
        let handle = handle::give(kakeya_skeleton { skeleton })?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// BLAKE3 of the saved form: equal skeletons have equal ids.
///
/// # Safety
/// `skeleton` is a live skeleton; `out` has 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_id(skeleton: *const kakeya_skeleton, out: *mut u8) -> kakeya_status {
    guard(|| {
        // SAFETY: the caller vouches for the pointers.
        let (skeleton, out) =
            unsafe { (slice::object(skeleton, "skeleton")?, slice::bytes_mut(out.cast(), 32, "out")?) };
        out.copy_from_slice(&skeleton.skeleton.id()?);
        Ok(())
    })
}

/// Frees a skeleton; NULL is nothing. Codecs that were made from it keep what they need.
///
/// # Safety
/// `skeleton` is NULL or came from this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_skeleton_free(skeleton: *mut kakeya_skeleton) {
    guard(|| {
        // SAFETY: as above.
        unsafe { handle::take_back(skeleton) };
        Ok(())
    });
}

fn report_of(found: &FitReport, skeleton_bytes: usize) -> kakeya_fit_report {
    kakeya_fit_report {
        n_rows: found.rows,
        rank: found.rank,
        captured_variance: found.captured_variance,
        coding_gain: found.coding_gain,
        n_centres: found.n_centres,
        predicted_bpv: found.predicted_bpv,
        predicted_error: found.predicted_error,
        skeleton_bytes: skeleton_bytes as u64,
    }
}
