//! Fitting a skeleton to rows of engine tensors.

use super::Rows;
use super::assembly::Assembly;
use crate::error::{Error, Result, try_reserve, try_vec};
use crate::layout::{Layout, View, Views};
use crate::params::{NanPolicy, Params, Preset};
use crate::skeleton::{FitReport, Fitter, Skeleton};

/// A [`Fitter`] fed from views: rows go through the same assembly as in encoding.
#[derive(Debug)]
pub struct StreamFitter {
    layout: Layout,
    nan_policy: NanPolicy,
    fitter: Fitter,
    /// Rows on their way to the fitter, `[0 … PANEL, dim]`, and their weights: it takes many at a time.
    panel: Vec<f32>,
    weights: Vec<f32>,
    row: Vec<f32>,
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
        Ok(Self {
            fitter: Fitter::new(dim, params)?,
            panel: try_reserve(PANEL * dim, "the fitter")?,
            weights: try_reserve(PANEL, "the fitter")?,
            row: try_vec(dim, 0.0, "the fitter")?,
            nan_policy: params.settings().nan_policy,
            layout,
        })
    }

    /// What rows are made of.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Adds rows, except those that encoding would store raw.
    #[inline(never)]
    pub fn add(&mut self, rows: &Rows<'_, [View<'_>]>) -> Result<()> {
        self.add_from(rows)
    }

    /// As [`StreamFitter::add`], from any kind of views.
    pub(crate) fn add_from<V: Views + ?Sized>(&mut self, rows: &Rows<'_, V>) -> Result<()> {
        rows.check(&self.layout)?;
        for i in 0..rows.n {
            let assembly = Assembly { layout: &self.layout, nan_policy: self.nan_policy };
            if !assembly.load(rows, i, &mut self.row)? {
                self.panel.extend_from_slice(&self.row);
                self.weights.push(rows.weight(i));
                if self.weights.len() == PANEL {
                    self.flush();
                }
            }
        }
        Ok(())
    }

    /// The skeleton of the rows added so far, of which there must be one.
    pub fn finish(&mut self) -> Result<(Skeleton, FitReport)> {
        self.flush();
        self.fitter.finish()
    }

    fn flush(&mut self) {
        self.fitter.add(&self.panel, &self.weights);
        self.panel.clear();
        self.weights.clear();
    }
}
