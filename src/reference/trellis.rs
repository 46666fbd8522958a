//! Trellis-coded quantisation, effort 1: two quantisers take turns, and a search over their turns beats
//! either one (Marcellin and Fischer 1990; dependent quantisation in video coding, Schwarz et al. 2019).
//!
//! In units of the row's step, quantiser 0 has its points at the integers `k`, quantiser 1 at `k −
//! ½·sign(k)`. A state from 0 to 7, which is 0 at the start of a row, tells whose turn it is: quantiser
//! `state mod 2`. The parity of each value leads to the next state. So together they have a point every half
//! step, and each spends the bits of a whole step.

/// States of the trellis.
const STATES: usize = 8;
/// State after a value of even and of odd magnitude.
const NEXT: [[usize; 2]; STATES] = [[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]];
/// Squared error, in squared steps, that a bit is worth. It is what a bit buys at high rate. At low rate a
/// bit buys a little more, but a larger `λ` would push small values to zero.
const LAMBDA: f64 = 0.055;

/// The quantiser, 0 or 1, of each value of a row, and of the one that would follow.
pub(super) struct Turns {
    state: usize,
}

impl Turns {
    /// The start of a row.
    pub fn new() -> Self {
        Self { state: 0 }
    }

    /// Whose turn it is.
    pub fn quantiser(&self) -> usize {
        self.state % 2
    }

    /// Goes on past a value.
    pub fn pass(&mut self, value: i32) {
        self.state = next(self.state, value);
    }
}

fn next(state: usize, value: i32) -> usize {
    NEXT[state][value.unsigned_abs() as usize % 2]
}

/// What a value stands for, in steps.
pub(super) fn point(quantiser: usize, value: i32) -> f64 {
    f64::from(value) - 0.5 * quantiser as f64 * f64::from(value.signum())
}

/// `(y − point)² + λ·bits`, which the search minimises in sum, for one coefficient `y` in steps.
pub(super) fn cost(y: f64, quantiser: usize, value: i32, bits: f64) -> f64 {
    (y - point(quantiser, value)).powi(2) + LAMBDA * bits
}

/// The values of coefficients `y`, in steps, with the least sum of costs (Viterbi's algorithm: of all ways
/// into a state only the cheapest can be part of the best one). `bits(j, quantiser, size)` is what a
/// magnitude takes.
///
/// Values after the last coefficient beyond a quarter of a step are 0, whatever the state.
pub(super) fn search(y: &[f64], bits: impl Fn(usize, usize, i32) -> f64) -> Vec<i32> {
    let end = y.iter().rposition(|y| y.abs() > 0.25).map_or(0, |last| last + 1);
    // Cost and values of the cheapest way into each state.
    let mut ways: [Option<(f64, Vec<i32>)>; STATES] = Default::default();
    ways[0] = Some((0.0, Vec::new()));
    for (j, &y) in y[..end].iter().enumerate() {
        // Cost, state before, and value.
        let mut best: [Option<(f64, usize, i32)>; STATES] = [None; STATES];
        for (state, way) in ways.iter().enumerate() {
            let Some((before, _)) = way else { continue };
            let quantiser = state % 2;
            for size in candidates(y.abs(), quantiser) {
                let value = if y < 0.0 { -size } else { size };
                let cost = before + cost(y, quantiser, value, bits(j, quantiser, size));
                let to = &mut best[next(state, size)];
                if to.is_none_or(|(other, ..)| cost < other) {
                    *to = Some((cost, state, value));
                }
            }
        }
        let extend = |(cost, from, value): (f64, usize, i32)| {
            let values = ways[from].iter().flat_map(|(_, values)| values.iter().copied());
            (cost, values.chain([value]).collect())
        };
        ways = best.map(|way| way.map(extend));
    }
    let cheapest = ways.into_iter().flatten().min_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut values = cheapest.map_or(Vec::new(), |(_, values)| values);
    values.resize(y.len(), 0);
    values
}

/// Magnitudes that a coefficient of magnitude `a` may get: those of the points to either side of it, and 0 if
/// that is within a step. So no error is above one step.
fn candidates(a: f64, quantiser: usize) -> Vec<i32> {
    let low = (a + 0.5 * quantiser as f64).floor() as i32;
    let mut sizes = vec![low, low + 1];
    if low == 1 && a < 1.0 {
        sizes.push(0);
    }
    sizes
}
