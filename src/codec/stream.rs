//! Fitting a skeleton to rows of engine tensors.

use super::{Codec, Rows};
use crate::error::{Error, Result, try_reserve, try_vec};
use crate::layout::{Layout, Views};
use crate::params::Preset;
use crate::skeleton::{FitReport, Fitter, Skeleton};

/// A [`Fitter`] fed from views: rows go through the same assembly as in encoding.
#[derive(Debug)]
pub struct StreamFitter {
    codec: Codec,
    fitter: Fitter,
    /// Rows on their way to the fitter, `[0 … PANEL, dim]`, and their weights: it takes many at a time.
    panel: Vec<f32>,
    weights: Vec<f32>,
    row: Vec<f32>,
}

/// Rows that go to the fitter at once.
const PANEL: usize = 256;

impl StreamFitter {
    /// A fitter for the layout and parameters of `codec`, whose preset has a skeleton and which has none yet.
    pub fn new(codec: Codec) -> Result<Self> {
        if codec.params.settings().preset == Preset::Turbo {
            return Err(Error::Unsupported { what: "fitting", why: "turbo has no skeleton" });
        }
        let fitter = Fitter::new(codec.layout.dim(), &codec.params)?;
        let dim = codec.layout.dim();
        Ok(Self {
            fitter,
            panel: try_reserve(PANEL * dim, "the fitter")?,
            weights: try_reserve(PANEL, "the fitter")?,
            row: try_vec(dim, 0.0, "the fitter")?,
            codec,
        })
    }

    /// What rows are made of.
    pub fn layout(&self) -> &Layout {
        &self.codec.layout
    }

    /// Adds rows, except those that encoding would store raw.
    pub fn add<V: Views + ?Sized>(&mut self, rows: &Rows<'_, V>) -> Result<()> {
        rows.check(&self.codec)?;
        for i in 0..rows.n {
            if !self.codec.load(rows, i, &mut self.row)? {
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
