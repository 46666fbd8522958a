//! Fits a skeleton to rows of engine tensors.
//!
//! Rows are read the way an encoder reads them: gains applied, rotary embeddings undone, segments joined.
//! What a skeleton is fitted to is therefore exactly what blocks will be made of.

use super::finish::FitReport;
use super::fitter::Fitter;
use super::metric::QueryMetric;
use crate::error::{Count, Error, Result, try_reserve, try_vec};
use crate::params::{NanPolicy, Params, Preset};
use crate::skeleton::Skeleton;
use crate::tensor::angles::{Angles, PairAngles};
use crate::tensor::layout::Layout;
use crate::tensor::rows::{RowAccess, Rows, check_finite};
use crate::vector::tier::{best, dispatch};
use fearless_simd::Simd;

/// A [`Fitter`] that reads its rows from tensors, and collects queries for a metric if there are any.
#[derive(Debug)]
pub struct StreamFitter {
    layout: Layout,
    angles: Angles,
    turn: PairAngles,
    nan_policy: NanPolicy,
    fitter: Fitter,
    /// Rows on their way to the fitter, at most `[FIT_BATCH, dim]`, and their weights. Their capacity is
    /// fixed, so adding rows allocates nothing.
    batch: Vec<f32>,
    weights: Vec<f32>,
    row: Vec<f32>,
    metric: QueryMetric,
    preset: Preset,
}

/// Rows that go to the fitter at once: as many as [`Fitter`] puts into one product.
const FIT_BATCH: usize = 256;

impl StreamFitter {
    /// A fitter for the layout and parameters of a codec that is to be made with the skeleton.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for preset turbo, which has no skeleton; [`Error::OutOfMemory`].
    pub fn new(params: &Params, layout: Layout) -> Result<Self> {
        if params.settings().preset == Preset::Turbo {
            return Err(Error::Unsupported { what: "fitting", why: "turbo has no skeleton" });
        }
        let dim = layout.dim();
        let angles = Angles::new(&layout)?;
        Ok(Self {
            turn: PairAngles::new(angles.pairs())?,
            angles,
            fitter: Fitter::new(dim, params)?,
            batch: try_reserve(FIT_BATCH * dim, "the fitter")?,
            weights: try_reserve(FIT_BATCH, "the fitter")?,
            row: try_vec(dim, 0.0, "the fitter")?,
            nan_policy: params.settings().nan_policy,
            metric: QueryMetric::new(layout.pieces().map(|(_, range, _)| range))?,
            preset: params.settings().preset,
            layout,
        })
    }

    /// The layout of the rows.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds rows, except those that encoding would store raw: protected ones, and, if the parameters allow
    /// them, those that are not finite. After an error the rows before the one at fault have been added.
    ///
    /// # Errors
    /// [`Error::BadShape`], [`Error::BadWeight`] or [`Error::Missing`] for arguments that do not fit;
    /// [`Error::NotFinite`].
    pub fn add(&mut self, rows: &Rows<'_>) -> Result<()> {
        rows.check(&self.layout)?;
        dispatch!(best(), simd => self.add_on(simd, rows))
    }

    /// [`StreamFitter::add`], compiled for a tier.
    #[inline(always)]
    fn add_on<S: Simd>(&mut self, simd: S, rows: &Rows<'_>) -> Result<()> {
        for i in 0..rows.n {
            let access =
                RowAccess { layout: &self.layout, nan_policy: self.nan_policy, angles: &self.angles };
            if access.load(simd, rows, i, &mut self.row, &mut self.turn)? {
                self.batch.extend_from_slice(&self.row);
                self.weights.push(rows.weight(i));
                if self.weights.len() == FIT_BATCH {
                    self.flush();
                }
            }
        }
        Ok(())
    }

    /// Adds queries, row-major `[n, dim of the segment]` and finite, that meet the rows of a segment. The
    /// skeleton will put its error where they look least. If the segment has a rotary embedding, `queries`
    /// are those before it and `positions` are their positions, which are not negative; `None` takes them as
    /// they are. For [`Preset::Rdo`], best with the inner product as distortion, which then measures what
    /// queries see.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another preset; [`Error::BadShape`], [`Error::BadParam`] or
    /// [`Error::NotFinite`] for arguments that do not fit; [`Error::OutOfMemory`].
    pub fn add_queries(&mut self, segment: usize, queries: &[f32], positions: Option<&[i32]>) -> Result<()> {
        if self.preset != Preset::Rdo {
            return Err(Error::Unsupported {
                what: "a query metric",
                why: "only rdo transforms at full rank",
            });
        }
        let segments = self.layout.segments();
        let Some(rule) = segments.get(segment) else {
            return Err(Error::BadShape {
                what: "segment",
                got: segment,
                expected: Count::Below(segments.len()),
            });
        };
        if !queries.len().is_multiple_of(rule.dim) {
            return Err(Error::BadShape {
                what: "number of values of queries",
                got: queries.len(),
                expected: Count::MultipleOf(rule.dim),
            });
        }
        check_finite(queries, rule.dim)?;
        let n = queries.len() / rule.dim;
        if let Some(positions) = positions {
            if positions.len() != n {
                return Err(Error::BadShape {
                    what: "number of positions",
                    got: positions.len(),
                    expected: Count::Is(n),
                });
            }
            if let Some(&got) = positions.iter().find(|&&position| position < 0) {
                let expected = "0 or more for a query";
                return Err(Error::BadParam { what: "a position", got: f64::from(got), expected });
            }
        }
        self.metric.add(segment, queries, rule.rope.as_ref().zip(positions))
    }

    /// The skeleton of the rows added so far. More may be added afterwards, and this called again.
    ///
    /// # Errors
    /// [`Error::BadShape`] if no row has a weight, [`Error::NotConverged`], [`Error::OutOfMemory`].
    pub fn finish(&mut self) -> Result<(Skeleton, FitReport)> {
        self.flush();
        if self.metric.is_empty() {
            return self.fitter.finish();
        }
        self.fitter.finish_under(Some(&self.metric.roots()?))
    }

    /// Hands the collected rows to the fitter.
    fn flush(&mut self) {
        self.fitter.add(&self.batch, &self.weights);
        self.batch.clear();
        self.weights.clear();
    }
}
