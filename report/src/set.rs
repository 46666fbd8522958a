//! What is measured: tensors of several documents, and how their rows are cut.
//!
//! A set is fitted on some of its documents and judged on others, a [`Split`]; Gaussian rows are a set whose
//! documents are seeds. All codecs of a split see the same rows.

use kakeyaturbo::Rope;

/// A tensor that every document has.
pub struct Tensor {
    /// The layer of the model that it is from.
    pub layer: u32,
    pub heads: usize,
    pub head_dim: usize,
    /// The rotary embedding that the engine applied, if any.
    pub rope: Option<Rope>,
}

/// The rows of one document.
pub struct Document {
    /// Position of each token.
    pub positions: Vec<i32>,
    /// Per tensor of the set, its values `[tokens, heads, head_dim]` as in the engine.
    pub tensors: Vec<Vec<f32>>,
}

/// Documents to fit skeletons on, and another one to judge on.
pub struct Split {
    pub fit: Vec<usize>,
    pub judge: usize,
    /// Whether the split is part of the curves; the others only widen the base of comparisons.
    pub curves: bool,
}

/// What rows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// K or V of one kv-head.
    Head,
    /// K and V of all heads of a layer.
    Layer,
    /// The same of three neighbouring layers.
    Layer3,
}

impl Cut {
    /// The name in tables and JSON lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Layer => "layer",
            Self::Layer3 => "layer3",
        }
    }
}

/// A head of a tensor: one segment of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub tensor: usize,
    pub head: usize,
}

/// Documents of one kind, and what to do with them.
pub struct Set {
    /// `gauss` or `kv`.
    pub suite: &'static str,
    pub name: String,
    pub tensors: Vec<Tensor>,
    pub documents: Vec<Document>,
    pub splits: Vec<Split>,
    /// Whether rows can be joined: rows without heads and layers cannot.
    pub joins: bool,
}

impl Set {
    /// The cuts that the set allows.
    pub fn cuts(&self) -> Vec<Cut> {
        [Cut::Head, Cut::Layer, Cut::Layer3]
            .into_iter()
            .filter(|&cut| !self.streams(cut).is_empty())
            .collect()
    }

    /// The streams of a cut, each as the segments of its rows. Empty if the cut is not possible: the layers at
    /// hand must consist of runs of three neighbours for [`Cut::Layer3`].
    pub fn streams(&self, cut: Cut) -> Vec<Vec<Piece>> {
        let mut layers: Vec<u32> = self.tensors.iter().map(|tensor| tensor.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        match cut {
            Cut::Head => layers.iter().flat_map(|&l| self.pieces(&[l])).map(|piece| vec![piece]).collect(),
            _ if !self.joins => Vec::new(),
            Cut::Layer => layers.iter().map(|&l| self.pieces(&[l])).collect(),
            Cut::Layer3 => {
                let neighbours = |three: &[u32]| three.len() == 3 && three[2] - three[0] == 2;
                let threes = layers.chunks(3);
                if threes.clone().all(neighbours) {
                    threes.map(|l| self.pieces(l)).collect()
                } else {
                    Vec::new()
                }
            }
        }
    }

    /// Coordinates of a row of these segments.
    pub fn dim(&self, pieces: &[Piece]) -> usize {
        pieces.iter().map(|piece| self.tensors[piece.tensor].head_dim).sum()
    }

    /// All heads of all tensors of some layers.
    fn pieces(&self, layers: &[u32]) -> Vec<Piece> {
        let of_layer = |layer: u32| self.tensors.iter().enumerate().filter(move |(_, t)| t.layer == layer);
        let tensors = layers.iter().flat_map(|&layer| of_layer(layer));
        tensors.flat_map(|(tensor, t)| (0..t.heads).map(move |head| Piece { tensor, head })).collect()
    }

    /// The rows `[tokens, dim]` of a document, segments side by side.
    pub fn gather(&self, document: usize, pieces: &[Piece]) -> Vec<f32> {
        let document = &self.documents[document];
        let mut rows = Vec::with_capacity(document.positions.len() * self.dim(pieces));
        for token in 0..document.positions.len() {
            for &Piece { tensor, head } in pieces {
                let Tensor { heads, head_dim, .. } = self.tensors[tensor];
                let start = (token * heads + head) * head_dim;
                rows.extend_from_slice(&document.tensors[tensor][start..start + head_dim]);
            }
        }
        rows
    }

    /// Mean square of a tensor over some documents.
    pub fn mean_square(&self, tensor: usize, documents: &[usize]) -> f64 {
        let values = || documents.iter().flat_map(|&d| &self.documents[d].tensors[tensor]);
        values().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values().count() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token; every value says where it is from: layer, K or V, head, coordinate.
    fn set(layers: &[u32]) -> Set {
        let of = |layer| [0, 1].map(|_| Tensor { layer, heads: 2, head_dim: 2, rope: None });
        let values = |t: usize| (0..4).map(|i| (10 * t + i) as f32).collect();
        Set {
            suite: "kv",
            name: String::new(),
            tensors: layers.iter().flat_map(|&layer| of(layer)).collect(),
            documents: vec![Document {
                positions: vec![0],
                tensors: (0..2 * layers.len()).map(values).collect(),
            }],
            splits: Vec::new(),
            joins: true,
        }
    }

    #[test]
    fn rows_join_heads_of_keys_and_values() {
        let set = set(&[3, 7]);
        assert_eq!(set.cuts(), [Cut::Head, Cut::Layer]);
        let heads = set.streams(Cut::Head);
        assert_eq!(heads.len(), 8);
        assert_eq!(set.gather(0, &heads[1]), [2.0, 3.0]);
        let layers = set.streams(Cut::Layer);
        assert_eq!(layers.len(), 2);
        assert_eq!(set.dim(&layers[1]), 8);
        assert_eq!(set.gather(0, &layers[1]), [20.0, 21.0, 22.0, 23.0, 30.0, 31.0, 32.0, 33.0]);
        assert_eq!(set.mean_square(1, &[0]), (100.0 + 121.0 + 144.0 + 169.0) / 4.0);
    }

    #[test]
    fn three_layers_are_joined_where_they_are_neighbours() {
        assert_eq!(set(&[0, 1, 2, 14, 15, 16]).streams(Cut::Layer3).len(), 2);
        assert!(set(&[0, 1, 2, 14, 15]).streams(Cut::Layer3).is_empty());
        assert!(set(&[0, 5, 7]).streams(Cut::Layer3).is_empty());
    }
}
