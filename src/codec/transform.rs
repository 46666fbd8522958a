//! Panels of rows through the transform of a codec at a step, both ways.
//!
//! The products are those of [`Matrix`], in integers, wherever that is as good: on the way in, where what the rounding
//! of a row to 16 bits adds is far below what its step does; on the way out, where the reconstruction points, whole
//! 64ths of a step, are small enough to be summed without overflow. The other rows, finely coded or near the limits of
//! binary32, are *wide*: they take the way of [`Kernel`], one by one. Which way a decoded row takes follows from its
//! values alone, so a row decodes to the same bits alone, in a run, and on every machine.

use super::row::{Kernel, RowCode, Scratch, peak, unit_of};
use crate::error::{Result, try_reserve, try_vec};
use crate::kmeans;
use crate::matrix::{GROUP, Matrix, Pairs, put_rounded};
use crate::rate::POINTS;
use crate::skeleton::Skeleton;
use crate::stepped::{BlockStep, RowStep};
use crate::sums::dot_on;
use fearless_simd::Simd;

/// Rows of a panel.
pub(super) const PANEL: usize = 64;
/// A row is rounded to units of at most this part of its step.
const FINENESS: f32 = 1.0 / 64.0;
/// Octaves by which points are coarser where they do not fit as they are: then they are eighths of a step.
const COARSER: u32 = 3;
/// Units of a point beyond which the contribution of a centre is not rounded to one.
const LARGEST_POINT: f32 = 1e6;

/// The matrices of a skeleton.
#[derive(Debug)]
pub(super) struct Transform {
    forward: Matrix,
    inverse: Matrix,
    centres: Matrix,
    /// The mean, in whole blocks of columns.
    mean: Vec<f32>,
}

impl Transform {
    /// Of a skeleton of full rank.
    pub fn new(skeleton: &Skeleton) -> Result<Self> {
        let (dim, rank) = (skeleton.dim(), skeleton.rank());
        let forward = Matrix::new(dim, rank, skeleton.transform(), true)?;
        let inverse = Matrix::new(rank, dim, skeleton.basis(), false)?;
        let centres = Matrix::new(rank, skeleton.n_centres(), skeleton.centres(), true)?;
        let mut mean = try_reserve(inverse.stride(), "the codec")?;
        mean.extend_from_slice(skeleton.mean());
        mean.resize(inverse.stride(), 0.0);
        Ok(Self { forward, inverse, centres, mean })
    }
}

/// A panel of rows on its way.
#[derive(Debug)]
pub(super) struct Panel {
    /// Rows as they were read, `[rows, dim]`.
    pub x: Vec<f32>,
    /// Coefficients, of wide rows in their units, `[rows, stride]`.
    y: Vec<f32>,
    /// Decoded rows, `[rows, stride]`.
    back: Vec<f32>,
    /// Products with the centres.
    products: Vec<f32>,
    groups: Vec<Pairs>,
    scales: Vec<f32>,
    /// What is stored of the rows.
    pub codes: Vec<RowCode>,
    /// The powers of two in whose units wide rows are worked on.
    units: Vec<f32>,
    wide: Vec<bool>,
    /// Reconstruction points of a row, `[rank]`.
    pub points: Vec<i32>,
    /// Bins of a row, `[rank]`.
    pub bins: Vec<u16>,
    /// Components from which on all rows of the panel are 0.
    live: usize,
}

impl Panel {
    /// Room for rows of codecs like this one, at most `rows` at a time.
    pub fn new(transform: &Transform, rows: usize) -> Result<Self> {
        const WHAT: &str = "the workspace";
        let rows = rows.min(PANEL).next_multiple_of(GROUP);
        let (dim, stride) = (transform.forward.pairs() * 2, transform.forward.stride());
        let floats = |n| try_vec(n, 0.0_f32, WHAT);
        Ok(Self {
            x: floats(rows * dim)?,
            y: floats(rows * stride)?,
            back: floats(rows * stride)?,
            products: floats(rows * transform.centres.stride())?,
            groups: try_vec(rows / GROUP * transform.forward.pairs(), [[0; 2]; GROUP], WHAT)?,
            scales: floats(rows)?,
            codes: try_vec(rows, RowCode::default(), WHAT)?,
            units: floats(rows)?,
            wide: try_vec(rows, false, WHAT)?,
            points: try_vec(stride, 0, WHAT)?,
            bins: try_vec(stride, 0, WHAT)?,
            live: 0,
        })
    }

    /// Bytes of [`Panel::new`].
    pub fn bytes(transform: &Transform, rows: usize) -> usize {
        let rows = rows.min(PANEL).next_multiple_of(GROUP);
        let (pairs, stride) = (transform.forward.pairs(), transform.forward.stride());
        let row = 4 * (2 * pairs + 2 * stride + transform.centres.stride()) + 4 * pairs;
        rows * (row + 9 + size_of::<RowCode>()) + 6 * stride
    }

    /// Whether there is room for `rows` rows of a codec with this transform.
    pub fn has_room(&self, transform: &Transform, rows: usize) -> bool {
        let rows = rows.min(PANEL).next_multiple_of(GROUP);
        let (pairs, stride) = (transform.forward.pairs(), transform.forward.stride());
        self.scales.len() >= rows
            && self.points.len() >= stride
            && self.x.len() >= rows * 2 * pairs
            && self.y.len() >= rows * stride
            && self.products.len() >= rows * transform.centres.stride()
            && self.groups.len() >= rows / GROUP * pairs
    }
}

/// A panel, and the transform that it goes through.
pub(super) struct Passage<'a> {
    pub transform: &'a Transform,
    pub kernel: Kernel<'a>,
    pub quantizer: BlockStep<'a>,
}

impl Passage<'_> {
    fn stride(&self) -> usize {
        self.transform.forward.stride()
    }

    /// Coefficients of row `r`, in units of what is returned with them.
    #[inline(always)]
    pub fn coefficients<'p>(&self, panel: &'p mut Panel, r: usize) -> (&'p mut [f32], f32) {
        let (stride, rank) = (self.stride(), self.kernel.skeleton.rank());
        (&mut panel.y[r * stride..][..rank], panel.units[r])
    }

    /// Decoded row `r`.
    #[inline(always)]
    pub fn decoded<'p>(&self, panel: &'p mut Panel, r: usize) -> &'p mut [f32] {
        let (stride, dim) = (self.stride(), self.kernel.skeleton.dim());
        &mut panel.back[r * stride..][..dim]
    }

    /// Row `r` as it was read, and as it is decoded.
    #[inline(always)]
    pub fn both<'p>(&self, panel: &'p Panel, r: usize) -> (&'p [f32], &'p [f32]) {
        let (stride, dim) = (self.stride(), self.kernel.skeleton.dim());
        (&panel.x[r * dim..][..dim], &panel.back[r * stride..][..dim])
    }

    /// Row `r` as it was read.
    #[inline(always)]
    pub fn row<'p>(&self, panel: &'p mut Panel, r: usize) -> &'p mut [f32] {
        let dim = self.kernel.skeleton.dim();
        &mut panel.x[r * dim..][..dim]
    }

    /// Coefficients of the first `count` rows, less what their centres predict; `finite` says which there are to
    /// code, `steps` what step they have.
    #[inline(always)]
    pub fn analyse<S: Simd>(
        &self,
        simd: S,
        panel: &mut Panel,
        (finite, steps): (&[bool], &[RowStep]),
        scratch: &mut Scratch,
    ) {
        let (matrix, skeleton) = (&self.transform.forward, self.kernel.skeleton);
        let (dim, rank, stride, count) = (skeleton.dim(), skeleton.rank(), self.stride(), finite.len());
        for r in 0..count {
            (panel.wide[r], panel.scales[r], panel.units[r]) = (false, 0.0, 1.0);
            panel.codes[r] = RowCode::default();
            if !finite[r] {
                continue;
            }
            let x = &panel.x[r * dim..][..dim];
            panel.units[r] = unit_of(peak(x).max(skeleton.peak()));
            panel.wide[r] = panel.units[r] != 1.0;
            if !panel.wide[r] {
                let deviation = &mut scratch.deviation[..dim];
                for ((deviation, x), mean) in deviation.iter_mut().zip(x).zip(skeleton.mean()) {
                    *deviation = x - mean;
                }
                let group = &mut panel.groups[r / GROUP * matrix.pairs()..][..matrix.pairs()];
                let unit = put_rounded(deviation, matrix.limit(), r % GROUP, group);
                panel.wide[r] = unit > FINENESS * self.quantizer.step_of(steps[r]);
                panel.scales[r] = unit * matrix.unit();
            }
        }
        matrix.multiply(simd, (&panel.groups, count, matrix.pairs()), &panel.scales, &[], &mut panel.y);
        for r in (0..count).filter(|&r| panel.wide[r]) {
            let (x, y) = (&panel.x[r * dim..][..dim], &mut panel.y[r * stride..][..rank]);
            skeleton.project(simd, x, 1.0 / panel.units[r], &mut scratch.deviation, y);
        }
        if skeleton.n_centres() > 0 {
            self.predict(simd, panel, finite);
        }
    }

    /// Finds the centres of rows and subtracts what they predict.
    #[inline(always)]
    fn predict<S: Simd>(&self, simd: S, panel: &mut Panel, finite: &[bool]) {
        let (matrix, skeleton) = (&self.transform.centres, self.kernel.skeleton);
        let (rank, stride) = (skeleton.rank(), self.stride());
        for r in (0..finite.len()).filter(|&r| finite[r] && !panel.wide[r]) {
            let group = &mut panel.groups[r / GROUP * matrix.pairs()..][..matrix.pairs()];
            let y = &panel.y[r * stride..][..rank];
            panel.scales[r] = put_rounded(y, matrix.limit(), r % GROUP, group) * matrix.unit();
        }
        let rows = (&panel.groups[..], finite.len(), matrix.pairs());
        matrix.multiply(simd, rows, &panel.scales, &[], &mut panel.products);
        for r in (0..finite.len()).filter(|&r| finite[r]) {
            let y = &mut panel.y[r * stride..][..rank];
            let (centre, t) = if panel.wide[r] {
                kmeans::assign(y, skeleton.centres()).unwrap_or_default()
            } else {
                let products = &panel.products[r * matrix.stride()..][..skeleton.n_centres()];
                let centre = farthest(products);
                (centre, dot_on(simd, y, skeleton.centre(centre)))
            };
            let (code, unit) = (&mut panel.codes[r], panel.units[r]);
            code.centre = centre as u8;
            code.reach = skeleton.reach().encode(t * unit);
            let t = skeleton.reach().decode(code.reach) / unit;
            for (y, c) in y.iter_mut().zip(skeleton.centre(centre)) {
                *y -= t * c;
            }
        }
    }

    /// Begins a panel of rows to decode.
    #[inline(always)]
    pub fn begin(&self, panel: &mut Panel) {
        panel.live = 0;
    }

    /// Puts row `r`, whose reconstruction points `panel.points` are 0 from `live` on, into the panel.
    #[inline(always)]
    pub fn put(&self, panel: &mut Panel, r: usize, step: RowStep, code: RowCode, live: usize) {
        let (skeleton, matrix) = (self.kernel.skeleton, &self.transform.inverse);
        let (rank, stride) = (skeleton.rank(), self.stride());
        let (delta, t) = (self.quantizer.step_of(step), skeleton.reach().decode(code.reach));
        let point = delta / POINTS as f32;
        panel.codes[r] = code;
        let peak = panel.points[..live].iter().fold(0, |peak, point| peak.max(point.unsigned_abs()));
        let height = (f64::from(delta) * (f64::from(peak / POINTS as u32) + 1.0)).min(f64::from(f32::MAX));
        let unit = unit_of((height as f32).max(t.abs()).max(skeleton.peak()));
        let along = t / point;
        let narrow = unit == 1.0 && along.abs() <= LARGEST_POINT && {
            let mut live = live;
            if t != 0.0 {
                panel.points[live..rank].fill(0);
                live = rank;
                let centre = skeleton.centre(usize::from(code.centre));
                for (point, c) in panel.points.iter_mut().zip(centre) {
                    *point = point.wrapping_add(round(along * c));
                }
            }
            let points = &mut panel.points[..live];
            let group = &mut panel.groups[r / GROUP * matrix.pairs()..][..matrix.pairs()];
            let fits = |shift| fit(points, shift, matrix.limit());
            let shift = if fits(0) { Some(0) } else { Some(COARSER).filter(|&shift| fits(shift)) };
            if let Some(shift) = shift {
                put_points(points, shift, r % GROUP, group);
                panel.scales[r] = point * (1 << shift) as f32 * matrix.unit();
                panel.live = panel.live.max(live);
            } else if t != 0.0 {
                // As they were.
                let centre = skeleton.centre(usize::from(code.centre));
                for (point, c) in points.iter_mut().zip(centre) {
                    *point = point.wrapping_sub(round(along * c));
                }
            }
            shift.is_some()
        };
        panel.wide[r] = !narrow;
        if !narrow {
            let y = &mut panel.y[r * stride..][..rank];
            self.quantizer.dequantize(&panel.points[..live], step, unit, &mut y[..live]);
            y[live..].fill(0.0);
            panel.units[r] = unit;
        }
    }

    /// Decodes the first `count` rows of the panel; `there` says which were put.
    #[inline(always)]
    pub fn synthesise<S: Simd>(&self, simd: S, panel: &mut Panel, there: &[bool]) {
        let (matrix, stride) = (&self.transform.inverse, self.stride());
        let (rank, dim) = (self.kernel.skeleton.rank(), self.kernel.skeleton.dim());
        let count = there.len();
        // A row that ends before the others of the panel has whatever was there before.
        let live = panel.live.div_ceil(2);
        matrix.multiply(
            simd,
            (&panel.groups, count, live),
            &panel.scales,
            &self.transform.mean,
            &mut panel.back,
        );
        for r in (0..count).filter(|&r| there[r] && panel.wide[r]) {
            let (y, x) = (&mut panel.y[r * stride..][..rank], &mut panel.back[r * stride..][..dim]);
            self.kernel.synthesise(panel.codes[r], y, panel.units[r], x);
        }
    }
}

/// Index of the product of largest magnitude; the first, where several are equal.
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

/// Nearest integer, ties to even, of a number of at most [`LARGEST_POINT`].
#[inline(always)]
fn round(x: f32) -> i32 {
    const ROUND: f32 = 12_582_912.0;
    (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

/// `point / 2^shift`, rounded.
#[inline(always)]
fn coarsen(point: i32, shift: u32) -> i32 {
    point.wrapping_add((1 << shift) >> 1) >> shift
}

/// Whether points, coarsened, are of 16 bits and the sum of their squares is within the limit.
#[inline(always)]
fn fit(points: &[i32], shift: u32, limit: u64) -> bool {
    let (mut low, mut high) = (0, 0);
    for &point in points {
        (low, high) = (point.min(low), point.max(high));
    }
    if low < -(1 << 17) || high > 1 << 17 {
        return false;
    }
    let (low, high) = (coarsen(low, shift), coarsen(high, shift));
    let square = |&point: &i32| u64::from(coarsen(point, shift).unsigned_abs().pow(2));
    low >= -32767 && high <= 32767 && points.iter().map(square).sum::<u64>() <= limit
}

/// Puts points of a row, coarsened, into its place of a group, and zeros behind them.
#[inline(always)]
fn put_points(points: &[i32], shift: u32, row: usize, group: &mut [Pairs]) {
    let (pairs, rest) = points.as_chunks::<2>();
    let q = |point: i32| coarsen(point, shift) as i16;
    let (head, tail) = group.split_at_mut(pairs.len());
    for (out, [a, b]) in head.iter_mut().zip(pairs) {
        out[row] = [q(*a), q(*b)];
    }
    let last = rest.first().map(|&last| [q(last), 0]);
    tail.iter_mut().enumerate().for_each(|(i, out)| out[row] = last.filter(|_| i == 0).unwrap_or_default());
}
