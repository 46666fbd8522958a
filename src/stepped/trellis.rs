//! Trellis-coded quantisation: two quantisers take turns, and a search over their turns beats either one.
//!
//! In units of the step, quantiser 0 has its points on the integers `k`, quantiser 1 on `k − ½·sign(k)`:
//! halfway between them, and on 0. Which one a coefficient gets follows from a state, and the state from the
//! parities of the values before it, so the decoder keeps a state and nothing else. Together they have a
//! point every half step while each spends the bits of a whole step; the encoder finds, by dynamic
//! programming over the eight states (Viterbi), the sequence of values with the least `(y − ŷ)² + λ·bits`. At
//! high rate this is worth 1 dB of the 1.53 dB that scalar quantisers lose to the rate–distortion bound
//! (Marcellin and Fischer 1990; dependent quantisation in video coding, Schwarz et al. 2019).
//!
//! A value is one of the two points of its quantiser around the coefficient, or 0 within one step of it: the
//! error is at most one step, whatever the data.
//!
//! The search takes 16 additions and 8 comparisons per coefficient on top of the costs of four candidates;
//! decoding takes one look into a table of states more than without a trellis.

use super::rate::{Bin, Model};

/// States of the trellis. Twice as many would double the search for about a tenth of a dB.
pub(crate) const STATES: usize = 8;
/// State after a value of even and of odd magnitude. Part of the format: decoders walk the same table.
const NEXT: [[u8; 2]; STATES] = [[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]];
/// Where each state comes from: two states, each with the parity that leads here. The inverse of [`NEXT`].
const BEFORE: [[(u8, u8); 2]; STATES] = before();
/// Squared error, in squared steps, that a bit is worth. It weighs error against size, so it affects both,
/// but not the format. At high rate a bit buys about this much; at low rate it buys a little more, and a
/// larger value would push small values to zero.
const LAMBDA: f32 = 0.055;

/// The quantiser of a state: even states have the first one, odd states the second.
#[inline(always)]
fn quantizer(state: usize) -> usize {
    state & 1
}

/// The state before the next value. Encoder and decoder start every row at state 0, so rows stay independent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TrellisState {
    state: usize,
}

impl TrellisState {
    /// The quantiser of the next value, 0 or 1.
    #[inline(always)]
    pub fn quantizer(self) -> usize {
        quantizer(self.state)
    }

    /// Moves on past `value`. Its sign does not matter: the parity of `−v` is that of `v`.
    #[inline(always)]
    pub fn advance(&mut self, value: i32) {
        self.state = usize::from(NEXT[self.state][(value & 1) as usize]);
    }
}

/// What the search keeps of a component to trace the best path back: 20 bytes, in place of whole paths.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TrellisColumn {
    /// Bit `s`: which of the two ways into state `s` was cheaper. 0 if both cost the same.
    choices: u8,
    /// The best magnitude of each quantiser and parity.
    sizes: [[i32; 2]; 2],
}

/// Finds the values of a row. `y` are coefficients in units that `inverse` turns into steps, `bin` gives
/// their bins; `values` and `stages` have the same length. Magnitudes must be well below 2^31 steps, or the
/// casts to integers saturate and the bound on the error is lost.
#[inline(always)]
pub(crate) fn search(
    y: &[f32],
    inverse: f32,
    model: &Model,
    bin: impl Fn(usize) -> Bin,
    values: &mut [i32],
    stages: &mut [TrellisColumn],
) {
    // After the last coefficient that is nearer to a point of either quantiser than to 0 (points lie half a
    // step apart), every value is 0. This shortens the search at low rates.
    let end = y.iter().rposition(|y| y.abs() * inverse > 0.25).map_or(0, |last| last + 1);
    values[end..].fill(0);
    // Only state 0 can be the first: paths from the others cost infinity and are never chosen.
    let mut costs = [f32::INFINITY; STATES];
    costs[0] = 0.0;
    for (j, (y, stage)) in y[..end].iter().zip(stages.iter_mut()).enumerate() {
        let (metrics, sizes) = candidates(y.abs() * inverse, |set, size| model.bits(set, bin(j), size));
        let mut next = [0.0; STATES];
        let mut choices = 0;
        for (state, next) in next.iter_mut().enumerate() {
            let way = |(from, parity): (u8, u8)| {
                costs[usize::from(from)] + metrics[quantizer(usize::from(from))][usize::from(parity)]
            };
            let [first, second] = BEFORE[state].map(way);
            choices |= u8::from(second < first) << state;
            *next = first.min(second);
        }
        *stage = TrellisColumn { choices, sizes };
        costs = next;
    }
    // The path may end in any state. It is traced back from the cheapest one, the lowest of equal ones.
    let mut state = (1..STATES).fold(0, |best, state| if costs[state] < costs[best] { state } else { best });
    for ((value, y), stage) in values[..end].iter_mut().zip(&y[..end]).zip(&stages[..end]).rev() {
        let (from, parity) = BEFORE[state][usize::from((stage.choices >> state) & 1)];
        state = usize::from(from);
        let size = stage.sizes[quantizer(state)][usize::from(parity)];
        *value = if *y < 0.0 { -size } else { size };
    }
}

/// The best magnitude of each parity in each quantiser, and its cost, for a coefficient of magnitude `a`.
#[inline(always)]
fn candidates(a: f32, bits: impl Fn(usize, i32) -> f32) -> ([[f32; 2]; 2], [[i32; 2]; 2]) {
    let (mut metrics, mut sizes) = ([[0.0; 2]; 2], [[0; 2]; 2]);
    for set in 0..2 {
        let half = 0.5 * set as f32;
        let metric = |size: i32| {
            let point = if size == 0 { 0.0 } else { size as f32 - half };
            (a - point) * (a - point) + LAMBDA * bits(set, size)
        };
        // The points around the coefficient: neighbours, so one of either parity.
        let low = (a + half) as i32;
        for size in [low, low + 1] {
            let parity = (size & 1) as usize;
            (metrics[set][parity], sizes[set][parity]) = (metric(size), size);
        }
        // The second quantiser has its points at 0, ±½, ±1½, … Between ½ and 1 the neighbours are ½ and 1½,
        // but 0, of the parity of 1½, is within one step too and may be cheaper.
        if set == 1 && low == 1 && a < 1.0 {
            let zero = metric(0);
            if zero < metrics[1][0] {
                (metrics[1][0], sizes[1][0]) = (zero, 0);
            }
        }
    }
    (metrics, sizes)
}

/// Inverts [`NEXT`] at compile time: states in ascending order, which decides between paths of equal cost.
const fn before() -> [[(u8, u8); 2]; STATES] {
    let mut before = [[(0, 0); 2]; STATES];
    let mut found = [0; STATES];
    let mut state = 0;
    while state < STATES {
        let mut parity = 0;
        while parity < 2 {
            let to = NEXT[state][parity] as usize;
            before[to][found[to]] = (state as u8, parity as u8);
            found[to] += 1;
            parity += 1;
        }
        state += 1;
    }
    before
}

#[cfg(test)]
mod tests {
    use super::super::rate::{POINTS, trellis_point};
    use super::*;

    fn point(walk: TrellisState, value: i32) -> f32 {
        trellis_point(walk.quantizer(), value) as f32 / POINTS as f32
    }

    use crate::stepped::rate::log2_eighths;

    /// The cost of the best path, by trying every sequence of candidates.
    fn exhaustive(y: &[f32], model: &Model, bin: Bin, walk: TrellisState) -> f32 {
        let Some((first, rest)) = y.split_first() else { return 0.0 };
        let (metrics, sizes) = candidates(first.abs(), |set, size| model.bits(set, bin, size));
        let branch = |parity: usize| {
            let mut next = walk;
            next.advance(sizes[walk.quantizer()][parity]);
            metrics[walk.quantizer()][parity] + exhaustive(rest, model, bin, next)
        };
        branch(0).min(branch(1))
    }

    #[test]
    fn the_search_finds_the_cheapest_path() {
        let model = Model::new(true).unwrap();
        for (seed, sigma) in [(1, 0.4_f32), (2, 1.0), (3, 3.0), (4, 2.0)] {
            let y: Vec<f32> =
                (0..12).map(|i| sigma * (((i * i * 7 + seed * 13 + i) % 41) as f32 / 12.0 - 1.6)).collect();
            let bin = Bin::of(log2_eighths(sigma));
            let (mut values, mut stages) = (vec![0; 12], vec![TrellisColumn::default(); 12]);
            search(&y, 1.0, &model, |_| bin, &mut values, &mut stages);
            let (mut walk, mut cost) = (TrellisState::default(), 0.0);
            for (y, &value) in y.iter().zip(&values) {
                let off = y - point(walk, value);
                assert!(off.abs() <= 1.0, "{y} became {}", point(walk, value));
                cost += off * off + LAMBDA * model.bits(walk.quantizer(), bin, value.abs());
                walk.advance(value);
            }
            let best = exhaustive(&y, &model, bin, TrellisState::default());
            assert!((cost - best).abs() <= 1e-4 * best, "sigma {sigma}: {cost}, best {best}");
        }
    }

    #[test]
    fn every_state_is_entered_from_two() {
        // The compiler ran it for the constant; what runs it here is the same.
        assert_eq!(before(), BEFORE);
        for (to, ways) in BEFORE.iter().enumerate() {
            for (from, parity) in ways {
                assert_eq!(usize::from(NEXT[usize::from(*from)][usize::from(*parity)]), to);
            }
        }
    }
}
