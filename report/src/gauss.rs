//! The suite `gauss`: independent standard normal rows, where theory is exact.
//!
//! A document is a seed: its rows are judged, and other rows of the same number of coordinates are fitted. The
//! transform of a fitted skeleton gains nothing here, so what it costs to have one shows as well.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand::rngs::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::set::{Document, Set, Split, Tensor};

/// Coordinates of the rows of each set.
const DIMS: [usize; 2] = [128, 512];
const SEEDS: usize = 5;
/// Rows that are judged, and rows that are fitted, per seed.
const JUDGED: usize = 1024;
const FITTED: usize = 8192;

/// One set per number of coordinates.
pub fn sets() -> Vec<Set> {
    DIMS.map(|dim| {
        let document = |seed: usize| {
            let rows = if seed < SEEDS { JUDGED } else { FITTED };
            let rng = ChaCha8Rng::seed_from_u64((dim * 1000 + seed) as u64);
            let values = StandardNormal.sample_iter(rng).take(rows * dim).collect();
            Document { positions: (0..rows as i32).collect(), tensors: vec![values] }
        };
        Set {
            suite: "gauss",
            name: format!("iid-{dim}"),
            tensors: vec![Tensor { layer: 0, heads: 1, head_dim: dim, rope: None }],
            documents: (0..2 * SEEDS).map(document).collect(),
            splits: (0..SEEDS).map(|i| Split { fit: vec![SEEDS + i], judge: i, curves: true }).collect(),
            joins: false,
        }
    })
    .into()
}
