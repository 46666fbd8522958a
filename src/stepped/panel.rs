//! Takes panels of rows through the transform of a codec at a step, in both directions.
//!
//! The products are those of [`Matrix`], in integers, wherever that is as good. On the way in it is, if
//! rounding a row to 16 bits adds far less error than its step does. On the way out it is, if the
//! reconstruction points, whole 64ths of a step, are small enough to be summed without overflow. The other
//! rows, finely coded or near the limits of binary32, are *wide*: they go through the skeleton in binary32,
//! one by one. The path of a decoded row follows from its values alone, so a row decodes to the same bits
//! alone, in a run, and on every machine.
//!
//! The rule for decoding is part of the format: [`LARGEST_POINT`], [`COARSER`] and the limits in [`fits`] may
//! not change. The rule for encoding, [`FINENESS`], may: it moves values by rounding alone.

use super::points::{COARSER, LARGEST_POINT, fits, nearest_integer, put_points};
use super::quantizer::{BlockStep, RowRate};
use super::rate::POINTS;
use crate::error::{Result, try_reserve, try_vec};
use crate::fixed::kernel::RowScratch;
use crate::format::RowCode;
use crate::skeleton::frame::unit_of;
use crate::skeleton::{Frame, Skeleton, nearest_centre};
use crate::vector::matrix::{Matrix, PackedRows, Pairs, TILE_ROWS, put_rounded};
use crate::vector::sums::{dot_on, peak};
use fearless_simd::{Level, Simd};

/// Rows of a panel. Enough for the matrix to be read from cache once per panel, few enough for the panel to
/// stay in cache between the steps.
pub(crate) const PANEL_ROWS: usize = 64;
/// A row is rounded to units of at most this part of its step. The rounding then adds less than a thousandth
/// to the squared error that the step causes.
const FINENESS: f32 = 1.0 / 64.0;

/// The matrices of a skeleton, packed for products in integers.
#[derive(Debug)]
pub(crate) struct Transform {
    forward: Matrix,
    inverse: Matrix,
    centres: Matrix,
    /// The mean, filled up with zeros to whole blocks of columns, as [`Matrix::multiply`] wants its bias.
    mean: Vec<f32>,
}

impl Transform {
    /// Packs the matrices of a skeleton of full rank, on the tier `level`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn new(level: Level, skeleton: &Skeleton) -> Result<Self> {
        let (dim, rank) = (skeleton.dim(), skeleton.rank());
        let forward = Matrix::new(level, dim, rank, skeleton.transform(), true)?;
        let inverse = Matrix::new(level, rank, dim, skeleton.basis(), false)?;
        let centres = Matrix::new(level, rank, skeleton.n_centres(), skeleton.centres(), true)?;
        let mut mean = try_reserve(inverse.stride(), "the codec")?;
        mean.extend_from_slice(skeleton.mean());
        mean.resize(inverse.stride(), 0.0);
        Ok(Self { forward, inverse, centres, mean })
    }
}

/// A panel of rows on its way through the transform. `stride` is the rank in whole blocks of columns.
///
/// The fields serve both directions in turn: encoding a row means analysing it and then synthesising what was
/// quantised, so `groups`, `scales` and `wide` first describe the rows and then the points.
#[derive(Debug)]
pub(crate) struct Panel {
    /// Rows as they were read, `[rows, dim]`.
    pub x: Vec<f32>,
    /// Coefficients, `[rows, stride]`; those of a wide row in its own unit.
    y: Vec<f32>,
    /// Decoded rows, `[rows, stride]`.
    back: Vec<f32>,
    /// Products of the coefficients with the centres, to find the nearest one.
    products: Vec<f32>,
    /// Rows rounded to 16 bits, interleaved as [`Matrix::multiply`] reads them.
    groups: Vec<Pairs>,
    /// What 1 in a rounded row stands for, times the unit of the matrix; 0 for rows without values.
    scales: Vec<f32>,
    /// Reach and centre of each row.
    pub codes: Vec<RowCode>,
    /// The power of two that each row is divided by; 1 for all but extreme rows.
    units: Vec<f32>,
    /// Which rows do not go through the integer products.
    wide: Vec<bool>,
    /// Reconstruction points of a row, `[rank]`.
    pub points: Vec<i32>,
    /// Bins of a row, `[rank]`.
    pub bins: Vec<u16>,
    /// Number of components after which all narrow rows of the panel are 0: products end there.
    live: usize,
}

impl Panel {
    /// Room for rows of codecs like this one, at most `rows` at a time. More than a panel of them is never
    /// needed, so long blocks cost no more memory than short ones.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn new(transform: &Transform, rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let rows = rows.min(PANEL_ROWS).next_multiple_of(TILE_ROWS);
        let (dim, stride) = (transform.forward.pairs() * 2, transform.forward.stride());
        let floats = |n| try_vec(n, 0.0_f32, WHAT);
        Ok(Self {
            x: floats(rows * dim)?,
            y: floats(rows * stride)?,
            back: floats(rows * stride)?,
            products: floats(rows * transform.centres.stride())?,
            groups: try_vec(rows / TILE_ROWS * transform.forward.pairs(), [[0; 2]; TILE_ROWS], WHAT)?,
            scales: floats(rows)?,
            codes: try_vec(rows, RowCode::default(), WHAT)?,
            units: floats(rows)?,
            wide: try_vec(rows, false, WHAT)?,
            points: try_vec(stride, 0, WHAT)?,
            bins: try_vec(stride, 0, WHAT)?,
            live: 0,
        })
    }

    /// Bytes that [`Panel::new`] reserves. The 9 per row are scale, unit and flag, the 6 per component point
    /// and bin.
    pub fn bytes(transform: &Transform, rows: usize) -> usize {
        let rows = rows.min(PANEL_ROWS).next_multiple_of(TILE_ROWS);
        let (pairs, stride) = (transform.forward.pairs(), transform.forward.stride());
        let row = 4 * (2 * pairs + 2 * stride + transform.centres.stride()) + 4 * pairs;
        rows * (row + 9 + size_of::<RowCode>()) + 6 * stride
    }

    /// Whether there is room for `rows` rows of a codec with this transform.
    pub fn has_room(&self, transform: &Transform, rows: usize) -> bool {
        let rows = rows.min(PANEL_ROWS).next_multiple_of(TILE_ROWS);
        let (pairs, stride) = (transform.forward.pairs(), transform.forward.stride());
        self.scales.len() >= rows
            && self.points.len() >= stride
            && self.x.len() >= rows * 2 * pairs
            && self.y.len() >= rows * stride
            && self.products.len() >= rows * transform.centres.stride()
            && self.groups.len() >= rows / TILE_ROWS * pairs
    }
}

/// The transform of a skeleton at the step of a block: what the methods need besides a panel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepTransform<'a> {
    pub transform: &'a Transform,
    pub frame: Frame<'a>,
    pub quantizer: BlockStep<'a>,
}

impl StepTransform<'_> {
    /// Floats per row of coefficients and of decoded rows. Both are alike, because the rank is full.
    fn stride(&self) -> usize {
        self.transform.forward.stride()
    }

    /// Coefficients of row `r`, and the unit that they are in.
    #[inline(always)]
    pub fn coefficients<'p>(&self, panel: &'p mut Panel, r: usize) -> (&'p mut [f32], f32) {
        let (stride, rank) = (self.stride(), self.frame.skeleton.rank());
        (&mut panel.y[r * stride..][..rank], panel.units[r])
    }

    /// Decoded row `r`, after [`StepTransform::synthesise`].
    #[inline(always)]
    pub fn decoded<'p>(&self, panel: &'p mut Panel, r: usize) -> &'p mut [f32] {
        let (stride, dim) = (self.stride(), self.frame.skeleton.dim());
        &mut panel.back[r * stride..][..dim]
    }

    /// Row `r` as it was read, and as it was decoded.
    #[inline(always)]
    pub fn row_and_decoded<'p>(&self, panel: &'p Panel, r: usize) -> (&'p [f32], &'p [f32]) {
        let (stride, dim) = (self.stride(), self.frame.skeleton.dim());
        (&panel.x[r * dim..][..dim], &panel.back[r * stride..][..dim])
    }

    /// The place of row `r`, for the caller to read it into.
    #[inline(always)]
    pub fn row<'p>(&self, panel: &'p mut Panel, r: usize) -> &'p mut [f32] {
        let dim = self.frame.skeleton.dim();
        &mut panel.x[r * dim..][..dim]
    }

    /// Computes the coefficients of the rows, less what their centres predict. `finite` says which of them
    /// are to be coded, `rates` at what step. The others get coefficients too, which mean nothing.
    #[inline(always)]
    pub fn analyse<S: Simd>(
        &self,
        simd: S,
        panel: &mut Panel,
        (finite, rates): (&[bool], &[RowRate]),
        scratch: &mut RowScratch,
    ) {
        let (matrix, skeleton) = (&self.transform.forward, self.frame.skeleton);
        let (dim, rank, stride, count) = (skeleton.dim(), skeleton.rank(), self.stride(), finite.len());
        for r in 0..count {
            (panel.wide[r], panel.scales[r], panel.units[r]) = (false, 0.0, 1.0);
            panel.codes[r] = RowCode::default();
            if !finite[r] {
                continue;
            }
            // The mean counts as well: it is subtracted in the same unit, and must not overflow in it.
            let x = &panel.x[r * dim..][..dim];
            panel.units[r] = unit_of(peak(x).max(skeleton.peak()));
            panel.wide[r] = panel.units[r] != 1.0;
            if !panel.wide[r] {
                let deviation = &mut scratch.deviation[..dim];
                for ((deviation, x), mean) in deviation.iter_mut().zip(x).zip(skeleton.mean()) {
                    *deviation = x - mean;
                }
                let group = &mut panel.groups[r / TILE_ROWS * matrix.pairs()..][..matrix.pairs()];
                let unit = put_rounded(deviation, matrix.limit(), r % TILE_ROWS, group);
                panel.wide[r] = unit > FINENESS * self.quantizer.step_of(rates[r]);
                panel.scales[r] = unit * matrix.unit();
            }
        }
        // All rows at once, including wide ones, whose sums are overwritten: rows are multiplied in groups of
        // eight, and leaving one out would save nothing.
        let rows = PackedRows { groups: &panel.groups, count, live_pairs: matrix.pairs() };
        matrix.multiply(simd, rows, &panel.scales, &[], &mut panel.y);
        for r in (0..count).filter(|&r| panel.wide[r]) {
            let (x, y) = (&panel.x[r * dim..][..dim], &mut panel.y[r * stride..][..rank]);
            skeleton.project(simd, x, 1.0 / panel.units[r], &mut scratch.deviation, y);
        }
        if skeleton.n_centres() > 0 {
            self.predict(simd, panel, finite);
        }
    }

    /// Finds the nearest centre of each row and subtracts its prediction. Narrow rows compare products in
    /// integers, which may pick the second best of two that are nearly equal; the product that counts is then
    /// computed in binary32. The decoder reads the choice, so it need not repeat it.
    #[inline(always)]
    fn predict<S: Simd>(&self, simd: S, panel: &mut Panel, finite: &[bool]) {
        let (matrix, skeleton) = (&self.transform.centres, self.frame.skeleton);
        let (rank, stride) = (skeleton.rank(), self.stride());
        for r in (0..finite.len()).filter(|&r| finite[r] && !panel.wide[r]) {
            let group = &mut panel.groups[r / TILE_ROWS * matrix.pairs()..][..matrix.pairs()];
            let y = &panel.y[r * stride..][..rank];
            panel.scales[r] = put_rounded(y, matrix.limit(), r % TILE_ROWS, group) * matrix.unit();
        }
        let rows = PackedRows { groups: &panel.groups, count: finite.len(), live_pairs: matrix.pairs() };
        matrix.multiply(simd, rows, &panel.scales, &[], &mut panel.products);
        for r in (0..finite.len()).filter(|&r| finite[r]) {
            let y = &mut panel.y[r * stride..][..rank];
            let (centre, t) = if panel.wide[r] {
                nearest_centre(y, skeleton.centres()).unwrap_or_default()
            } else {
                let products = &panel.products[r * matrix.stride()..][..skeleton.n_centres()];
                let centre = farthest(products);
                (centre, dot_on(simd, y, skeleton.centre(centre)))
            };
            let (code, unit) = (&mut panel.codes[r], panel.units[r]);
            code.centre = centre as u8;
            code.reach = skeleton.reach().encode(t * unit);
            // What is subtracted is what the decoder will add, not `t` itself.
            let t = skeleton.reach().decode(code.reach) / unit;
            for (y, c) in y.iter_mut().zip(skeleton.centre(centre)) {
                *y -= t * c;
            }
        }
    }

    /// Begins a panel of rows to decode. Nothing is cleared but the count of live components.
    #[inline(always)]
    pub fn begin_panel(&self, panel: &mut Panel) {
        panel.live = 0;
    }

    /// Puts row `r` into the panel, as integers if it fits. Its reconstruction points are in `panel.points`
    /// and are 0 from `live` on; what the buffer has there is not read.
    #[inline(always)]
    pub fn put_points_of_row(&self, panel: &mut Panel, r: usize, rate: RowRate, code: RowCode, live: usize) {
        let (skeleton, stride) = (self.frame.skeleton, self.stride());
        let (delta, t) = (self.quantizer.step_of(rate), skeleton.reach().decode(code.reach));
        panel.codes[r] = code;
        let peak = panel.points[..live].iter().fold(0, |peak, point| peak.max(point.unsigned_abs()));
        // An upper limit of the coefficients, in binary64, because a large step may take it out of range.
        let height = (f64::from(delta) * (f64::from(peak / POINTS as u32) + 1.0)).min(f64::from(f32::MAX));
        let unit = unit_of((height as f32).max(t.abs()).max(skeleton.peak()));
        panel.wide[r] = unit != 1.0 || !self.put_narrow(panel, r, (delta, t), live);
        if panel.wide[r] {
            let y = &mut panel.y[r * stride..][..skeleton.rank()];
            self.quantizer.dequantize(&panel.points[..live], rate, unit, &mut y[..live]);
            y[live..].fill(0.0);
            panel.units[r] = unit;
        }
    }

    /// Puts row `r` as integers of 16 bits, with step `delta` and reach `t` along its centre. Returns false,
    /// with the points as they were, if they do not fit.
    ///
    /// The contribution of the centre is rounded to whole points and added to them, so that one product with
    /// the basis does for both.
    #[inline(always)]
    fn put_narrow(&self, panel: &mut Panel, r: usize, (delta, t): (f32, f32), mut live: usize) -> bool {
        let (skeleton, matrix) = (self.frame.skeleton, &self.transform.inverse);
        let (rank, point) = (skeleton.rank(), delta / POINTS as f32);
        let along = t / point;
        if along.abs() > LARGEST_POINT {
            return false;
        }
        let centre = if t != 0.0 { skeleton.centre(usize::from(panel.codes[r].centre)) } else { &[] };
        // A centre has all components, so the row has no zeros to skip at its end any more.
        if t != 0.0 {
            panel.points[live..rank].fill(0);
            live = rank;
        }
        for (point, c) in panel.points.iter_mut().zip(centre) {
            *point = point.wrapping_add(nearest_integer(along * c));
        }
        let points = &mut panel.points[..live];
        let limit = matrix.limit();
        // Plain conditions: what the closure of an iterator computes is not compiled for the tier.
        let shift = if fits(points, 0, limit) {
            0
        } else if fits(points, COARSER, limit) {
            COARSER
        } else {
            for (point, c) in points.iter_mut().zip(centre) {
                *point = point.wrapping_sub(nearest_integer(along * c));
            }
            return false;
        };
        let group = &mut panel.groups[r / TILE_ROWS * matrix.pairs()..][..matrix.pairs()];
        put_points(points, shift, r % TILE_ROWS, group);
        panel.scales[r] = point * (1 << shift) as f32 * matrix.unit();
        panel.live = panel.live.max(live);
        true
    }

    /// Decodes the rows that were put into the panel; `coded` says which ones. The others become arbitrary.
    #[inline(always)]
    pub fn synthesise<S: Simd>(&self, simd: S, panel: &mut Panel, coded: &[bool]) {
        let (matrix, stride) = (&self.transform.inverse, self.stride());
        let (rank, dim) = (self.frame.skeleton.rank(), self.frame.skeleton.dim());
        let count = coded.len();
        // Pairs that every narrow row has filled: `put_points` writes zeros up to the end of the group, so a
        // row that ends early adds nothing, and wide rows are overwritten below.
        let rows = PackedRows { groups: &panel.groups, count, live_pairs: panel.live.div_ceil(2) };
        matrix.multiply_decoded(simd, rows, &panel.scales, &self.transform.mean, &mut panel.back);
        for r in (0..count).filter(|&r| coded[r] && panel.wide[r]) {
            let (y, x) = (&mut panel.y[r * stride..][..rank], &mut panel.back[r * stride..][..dim]);
            self.frame.synthesise(panel.codes[r], y, panel.units[r], x);
        }
    }
}

/// Index of the product of largest magnitude; the first one if several are equal.
#[inline(always)]
fn farthest(products: &[f32]) -> usize {
    let mut best = 0;
    for (c, product) in products.iter().enumerate() {
        if product.abs() > products[best].abs() {
            best = c;
        }
    }
    best
}
