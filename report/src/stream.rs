//! One stream of a set on one split: fits, blocks, errors.

use anyhow::Result;
use kakeyaturbo::Layout;
use kakeyaturbo::{Settings, Shared, Skeleton};

use crate::bound::{self, Basis};
use crate::coder::{self, Block};
use crate::series::{Coder, Series, Skeletons, rdo};
use crate::set::{Piece, Set};
use crate::theory::Component;

/// Bytes and errors of a series at one rate on one document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    pub rate: f32,
    pub bytes: usize,
    pub values: usize,
    /// Per tensor, sums of `(x − x̂)²` and of `x²`, on the engine's tensors.
    pub sums: Vec<(f64, f64)>,
}

impl Point {
    /// Adds what another stream of the document took.
    pub fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.values += other.values;
        for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }

    /// Bits per value.
    pub fn bpv(&self) -> f64 {
        8.0 * self.bytes as f64 / self.values as f64
    }

    /// Relative squared error of each tensor.
    pub fn errors(&self) -> impl Iterator<Item = f64> {
        self.sums.iter().map(|(off, energy)| off / energy)
    }

    /// The mean of these.
    pub fn error(&self) -> f64 {
        self.errors().sum::<f64>() / self.sums.len() as f64
    }
}

/// Rows to judge, and how rows of their kind are laid out.
pub struct Stream<'a> {
    set: &'a Set,
    pieces: &'a [Piece],
    fit: &'a [usize],
    judge: usize,
    judged: Block<'a>,
    /// As the engine has them; with gains; with gains and the rotary embedding undone.
    plain: Layout,
    turned: Layout,
    undone: Layout,
    /// The skeletons that were fitted so far.
    fitted: Vec<(Settings, Layout, Shared<Skeleton>)>,
}

impl<'a> Stream<'a> {
    /// The stream of `pieces` on split `split`.
    pub fn new(set: &'a Set, split: usize, pieces: &'a [Piece]) -> Result<Self> {
        let split = &set.splits[split];
        Ok(Self {
            set,
            pieces,
            fit: &split.fit,
            judge: split.judge,
            judged: Block::of(set, split.judge, pieces),
            plain: coder::plain(set, pieces)?,
            turned: coder::normalised(set, pieces, &split.fit, false)?,
            undone: coder::normalised(set, pieces, &split.fit, true)?,
            fitted: Vec::new(),
        })
    }

    /// The points of a series, and the bytes of the skeleton that its blocks share, if they do.
    pub fn points(&mut self, series: &Series) -> Result<(Vec<Point>, Option<usize>)> {
        let (layout, skeleton) = match &series.coder {
            Coder::Row(_) | Coder::Preset(_, Skeletons::None) => (self.plain.clone(), None),
            Coder::Preset(_, Skeletons::Block) => (self.undone.clone(), None),
            Coder::Preset(settings, Skeletons::Shared(rate)) => {
                (self.undone.clone(), Some(self.skeleton(settings(*rate), self.undone.clone())?))
            }
            Coder::Preset(settings, Skeletons::SharedAsTurned(rate)) => {
                (self.turned.clone(), Some(self.skeleton(settings(*rate), self.turned.clone())?))
            }
        };
        let mut points = Vec::new();
        for &rate in series.rates {
            let (bytes, back) = match &series.coder {
                Coder::Row(code) => {
                    let mut back = self.judged.rows.clone();
                    (back.chunks_mut(layout.dim()).map(code).sum(), back)
                }
                Coder::Preset(settings, _) => {
                    let codec = coder::codec(settings(rate), &layout, skeleton.clone())?;
                    coder::round_trip(&codec, &mut self.judged)?
                }
            };
            points.push(Point { rate, bytes, values: back.len(), sums: self.sums(&back) });
        }
        Ok((points, skeleton.map(|skeleton| skeleton.saved_bytes())))
    }

    /// The components of the judged rows. Rows fewer than coordinates have no axes of their own to speak of.
    pub fn components(&mut self) -> Result<Vec<(Basis, Vec<Component>)>> {
        let fitted = self.skeleton(rdo(0.5), self.undone.clone())?;
        let mut skeletons = vec![(Basis::Fitted, fitted)];
        if self.judged.positions.len() > self.undone.dim() {
            let rows = Block::of(self.set, self.judge, self.pieces);
            skeletons.push((Basis::Own, coder::fit(rdo(0.5), &self.undone, &mut [rows])?));
        }
        let rows = bound::normalised(&self.undone, &self.judged);
        let of = (self.set, self.pieces, self.judge);
        let components = |skeleton: &Skeleton| bound::components(of, &self.undone, skeleton, &rows);
        Ok(skeletons.into_iter().map(|(basis, skeleton)| (basis, components(&skeleton))).collect())
    }

    /// Fitted with these settings, now or before.
    fn skeleton(&mut self, settings: Settings, layout: Layout) -> Result<Shared<Skeleton>> {
        if let Some((_, _, known)) = self.fitted.iter().find(|(s, l, _)| *s == settings && *l == layout) {
            return Ok(known.clone());
        }
        let block = |&document: &usize| Block::of(self.set, document, self.pieces);
        let mut blocks: Vec<Block<'_>> = self.fit.iter().map(block).collect();
        let skeleton = coder::fit(settings.clone(), &layout, &mut blocks)?;
        self.fitted.push((settings, layout, skeleton.clone()));
        Ok(skeleton)
    }

    /// Per tensor of the set, sums of `(x − x̂)²` and of `x²`.
    fn sums(&self, back: &[f32]) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0); self.set.tensors.len()];
        let dim = self.undone.dim();
        for (row, back) in self.judged.rows.chunks(dim).zip(back.chunks(dim)) {
            let mut at = 0;
            for piece in self.pieces {
                let end = at + self.set.tensors[piece.tensor].head_dim;
                let (off, energy) = &mut sums[piece.tensor];
                for (&x, &y) in row[at..end].iter().zip(&back[at..end]) {
                    *off += (f64::from(x) - f64::from(y)).powi(2);
                    *energy += f64::from(x).powi(2);
                }
                at = end;
            }
        }
        sums
    }
}
