//! Fitting a skeleton to rows of engine tensors.

use super::Rows;
use super::angles::{Angles, Turn};
use super::assembly::Assembly;
use super::row::check_finite;
use crate::error::{Count, Error, Result, try_reserve, try_vec};
use crate::layout::Layout;
use crate::params::{NanPolicy, Params, Preset};
use crate::simd::dispatch;
use crate::skeleton::{FitReport, Fitter, QueryMetric, Skeleton};
use fearless_simd::{Level, Simd};

/// A [`Fitter`] fed from views: rows go through the same assembly as in encoding.
#[derive(Debug)]
pub struct StreamFitter {
    layout: Layout,
    angles: Angles,
    turn: Turn,
    nan_policy: NanPolicy,
    fitter: Fitter,
    /// Rows on their way to the fitter, `[0 … PANEL, dim]`, and their weights: it takes many at a time.
    panel: Vec<f32>,
    weights: Vec<f32>,
    row: Vec<f32>,
    metric: QueryMetric,
    preset: Preset,
}

/// Rows that go to the fitter at once.
const PANEL: usize = 256;

impl StreamFitter {
    /// A fitter for the layout and parameters of a codec to be, whose preset has a skeleton.
    pub fn new(params: &Params, layout: Layout) -> Result<Self> {
        if params.settings().preset == Preset::Turbo {
            return Err(Error::Unsupported { what: "fitting", why: "turbo has no skeleton" });
        }
        let dim = layout.dim();
        let angles = Angles::new(&layout)?;
        Ok(Self {
            turn: Turn::new(angles.pairs())?,
            angles,
            fitter: Fitter::new(dim, params)?,
            panel: try_reserve(PANEL * dim, "the fitter")?,
            weights: try_reserve(PANEL, "the fitter")?,
            row: try_vec(dim, 0.0, "the fitter")?,
            nan_policy: params.settings().nan_policy,
            metric: QueryMetric::new(layout.offsets().map(|(offset, segment)| offset..offset + segment.dim))?,
            preset: params.settings().preset,
            layout,
        })
    }

    /// What rows are made of.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds rows, except those that encoding would store raw.
    pub fn add(&mut self, rows: &Rows<'_>) -> Result<()> {
        rows.check(&self.layout)?;
        dispatch!(Level::new(), simd => self.add_on(simd, rows))
    }

    #[inline(always)]
    fn add_on<S: Simd>(&mut self, simd: S, rows: &Rows<'_>) -> Result<()> {
        for i in 0..rows.n {
            let assembly =
                Assembly { layout: &self.layout, nan_policy: self.nan_policy, angles: &self.angles };
            if assembly.load(simd, rows, i, &mut self.row, &mut self.turn)? {
                self.panel.extend_from_slice(&self.row);
                self.weights.push(rows.weight(i));
                if self.weights.len() == PANEL {
                    self.flush();
                }
            }
        }
        Ok(())
    }

    /// Adds queries, row-major `[n, dim of the segment]` and finite, that meet the rows of a segment: the skeleton
    /// will put its error where they look least. Where the segment has a rotary embedding, they are queries before
    /// it, and `positions` where they are asked from, not below 0; `None` takes them as they are. For
    /// [`Preset::Rdo`], whose distortion is then best the inner product.
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

    /// The skeleton of the rows added so far, of which there must be one.
    pub fn finish(&mut self) -> Result<(Skeleton, FitReport)> {
        self.flush();
        if self.metric.is_empty() {
            return self.fitter.finish();
        }
        self.fitter.finish_under(Some(&self.metric.roots()?))
    }

    fn flush(&mut self) {
        self.fitter.add(&self.panel, &self.weights);
        self.panel.clear();
        self.weights.clear();
    }
}
