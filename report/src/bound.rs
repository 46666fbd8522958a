//! The components of real rows for reverse water-filling: a Gaussian bound, as an indication.
//!
//! Two bases are looked at. The one that was fitted on other documents gives what a transform code with that
//! basis could reach if the components of the judged rows were normal and their variances known. The rows' own
//! principal axes give far less, and too little: they fit these few rows better than the source they come from,
//! and nobody pays for sending them.

use kakeyaturbo::Layout;
use kakeyaturbo::{Pairing, Rope, Skeleton};

use crate::coder::Block;
use crate::set::{Piece, Set};
use crate::theory::Component;

/// The axes of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Those of a skeleton that was fitted on other documents.
    Fitted,
    /// The principal axes of the rows themselves.
    Own,
}

impl Basis {
    /// The setting in the JSON lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fitted => "basis=fitted",
            Self::Own => "basis=own",
        }
    }
}

/// Rows as they are coded, in binary64: rotary embedding undone, gains applied.
pub fn normalised(layout: &Layout, block: &Block<'_>) -> Vec<f64> {
    let mut rows: Vec<f64> = block.rows.iter().map(|&x| f64::from(x)).collect();
    for (row, &position) in rows.chunks_mut(layout.dim()).zip(block.positions) {
        let mut rest = row;
        for segment in layout.segments() {
            let (values, after) = rest.split_at_mut(segment.dim);
            if let Some(rope) = &segment.rope {
                turn(rope, -f64::from(position), values);
            }
            values.iter_mut().for_each(|x| *x *= f64::from(segment.gain));
            rest = after;
        }
    }
    rows
}

fn turn(rope: &Rope, position: f64, values: &mut [f64]) {
    for (i, &frequency) in rope.inv_freq.iter().enumerate() {
        let (a, b) = match rope.pairing {
            Pairing::Neox => (i, i + rope.inv_freq.len()),
            Pairing::Interleaved => (2 * i, 2 * i + 1),
        };
        let (sin, cos) = (position * f64::from(frequency)).sin_cos();
        (values[a], values[b]) = (values[a] * cos - values[b] * sin, values[a] * sin + values[b] * cos);
    }
}

/// The components of [`normalised`] rows of the document `judged`, about the skeleton's mean and along its axes.
pub fn components(
    (set, pieces, judged): (&Set, &[Piece], usize),
    layout: &Layout,
    skeleton: &Skeleton,
    rows: &[f64],
) -> Vec<Component> {
    let dim = layout.dim();
    let count = rows.len() / dim;
    let centred: Vec<f32> = rows
        .chunks(dim)
        .flat_map(|row| row.iter().zip(skeleton.mean()).map(|(x, mean)| (x - f64::from(*mean)) as f32))
        .collect();
    let gains: Vec<f64> = layout.segments().iter().map(|segment| f64::from(segment.gain)).collect();
    let energy = |piece: &Piece, gain: f64| {
        let tensor = &set.tensors[piece.tensor];
        let width = (tensor.heads * tensor.head_dim) as f64;
        set.mean_square(piece.tensor, &[judged]) * width * gain * gain
    };
    let energies: Vec<f64> = pieces.iter().zip(&gains).map(|(piece, &gain)| energy(piece, gain)).collect();
    let component = |axis: &[f32]| {
        let dot = |row: &[f32]| row.iter().zip(axis).map(|(x, t)| x * t).sum::<f32>();
        let variance = centred.chunks(dim).map(|row| f64::from(dot(row)).powi(2)).sum::<f64>() / count as f64;
        let mut weights = vec![0.0; set.tensors.len()];
        let mut at = 0;
        for (piece, energy) in pieces.iter().zip(&energies) {
            let end = at + set.tensors[piece.tensor].head_dim;
            let share: f64 = axis[at..end].iter().map(|t| f64::from(*t).powi(2)).sum();
            weights[piece.tensor] += share / energy;
            at = end;
        }
        Component { rows: count, variance, weights }
    };
    skeleton.basis().chunks(dim).map(component).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder;
    use crate::series::rdo;
    use crate::set::{Cut, Document, Split, Tensor};
    use crate::theory::{shannon, water_fill};
    use rand::SeedableRng;
    use rand::distr::Distribution;
    use rand::rngs::ChaCha8Rng;
    use rand_distr::StandardNormal;

    /// A tensor of two heads, whose second head is the first one times 3: half the coordinates carry all the
    /// variance, so at a relative error D the bound is half of Shannon's, at the same error.
    #[test]
    fn a_redundant_half_costs_nothing() {
        const ROWS: u16 = 20_000;
        let rng = ChaCha8Rng::seed_from_u64(5);
        let normal: Vec<f32> = StandardNormal.sample_iter(rng).take(2 * 8 * usize::from(ROWS)).collect();
        let document = |values: &[f32]| Document {
            positions: (0..i32::from(ROWS)).collect(),
            tensors: vec![
                values.chunks(8).flat_map(|h| h.iter().copied().chain(h.iter().map(|x| 3.0 * x))).collect(),
            ],
        };
        let set = Set {
            suite: "kv",
            name: String::new(),
            tensors: vec![Tensor { layer: 0, heads: 2, head_dim: 8, rope: None }],
            documents: normal.chunks(8 * usize::from(ROWS)).map(document).collect(),
            splits: vec![Split { fit: vec![0], judge: 1, curves: true }],
            joins: true,
        };
        let pieces = &set.streams(Cut::Layer)[0];
        let layout = coder::normalised(&set, pieces, &[0], true).unwrap();
        let skeleton = coder::fit(rdo(0.5), &layout, &mut [Block::of(&set, 0, pieces)]).unwrap();
        let rows = normalised(&layout, &Block::of(&set, 1, pieces));
        let found = components((&set, pieces, 1), &layout, &skeleton, &rows);
        // The mean square of the tensor is that of rows with gain 1: 16 values share 8 components of variance 2.
        for rate in [1.0, 3.0] {
            let (bits, errors) = water_fill(&found, 2.0 * shannon(rate));
            assert!((bits / (f64::from(ROWS) * 16.0) / (0.5 * rate) - 1.0).abs() < 0.02, "{bits}");
            assert!((errors[0] / shannon(rate) - 1.0).abs() < 0.02, "{errors:?}");
        }
    }

    #[test]
    fn rows_turn_back() {
        for (pairing, partner) in [(Pairing::Neox, 2), (Pairing::Interleaved, 1)] {
            let rope = Rope { pairing, inv_freq: vec![0.5, 0.1] };
            let mut values = [0.0; 4];
            values[0] = 2.0;
            turn(&rope, 3.0, &mut values);
            assert!((values[0] - 2.0 * 1.5_f64.cos()).abs() < 1e-12);
            assert!((values[partner] - 2.0 * 1.5_f64.sin()).abs() < 1e-12);
            turn(&rope, -3.0, &mut values);
            assert!((values[0] - 2.0).abs() < 1e-12 && values[partner].abs() < 1e-12);
        }
    }
}
