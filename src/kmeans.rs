//! Weighted spherical K-means on coefficient rows, with signs.
//!
//! A row `y` is predicted by `t·c` with one of `k` unit centres and `t = ⟨y,c⟩`, so what is left has the energy
//! `‖y‖² − ⟨y,c⟩²`. Assignment, initialisation and update all serve that one measure: a row goes to the centre
//! with the largest `|⟨y,c⟩|`; first centres are drawn with probability in proportion to the energy that the
//! earlier ones leave; a centre becomes the direction of `Σ w⟨y,c⟩y` over its rows, one step of the power
//! iteration for the direction that leaves the least.

use crate::error::{Result, try_vec};
use crate::sums::dot;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// `k` unit centres, row-major `[k, d]`; fewer where the rows do not span more. Deterministic for given rows,
/// weights and seed. Rows are `[weights.len(), d]`.
pub fn fit(rows: &[f32], weights: &[f32], d: usize, k: usize, rounds: u32, seed: u64) -> Result<Vec<f32>> {
    let mut centres = initial(rows, weights, d, k, seed)?;
    let k = centres.len() / d.max(1);
    let mut sums = try_vec(k * d, 0.0_f64, "the centres")?;
    let mut used = try_vec(k, false, "the centres")?;
    for _ in 0..rounds {
        refine(rows, weights, &mut centres, &mut sums, &mut used);
    }
    Ok(centres)
}

/// One round: rows go to their centres, centres to their rows. `sums` and `used` are scratch.
fn refine(rows: &[f32], weights: &[f32], centres: &mut [f32], sums: &mut [f64], used: &mut [bool]) {
    let d = (centres.len() / used.len().max(1)).max(1);
    sums.fill(0.0);
    used.fill(false);
    let (mut worst, mut worst_row) = (0.0, None);
    for (row, &weight) in rows.chunks_exact(d).zip(weights) {
        let Some((best, product)) = assign(row, centres) else { continue };
        used[best] |= weight > 0.0;
        let left = f64::from(weight) * f64::from(dot(row, row) - product * product);
        if left > worst {
            (worst, worst_row) = (left, Some(row));
        }
        for (sum, &y) in sums[best * d..(best + 1) * d].iter_mut().zip(row) {
            *sum += f64::from(weight) * f64::from(product) * f64::from(y);
        }
    }
    for ((centre, sum), &used) in centres.chunks_exact_mut(d).zip(sums.chunks_exact(d)).zip(&*used) {
        if used {
            normalise(sum.iter().copied(), centre);
        } else if let Some(row) = worst_row.take() {
            // A centre that no row wants moves to the row that is served worst.
            normalise(row.iter().copied().map(f64::from), centre);
        }
    }
}

/// The centre with the largest `|⟨y,c⟩|` and that product with its sign; the first, where several are equal.
/// `None` without centres.
#[inline(always)]
pub fn assign(row: &[f32], centres: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (c, centre) in centres.chunks_exact(row.len().max(1)).enumerate() {
        let product = dot(row, centre);
        if best.is_none_or(|(_, other)| product.abs() > other.abs()) {
            best = Some((c, product));
        }
    }
    best
}

fn initial(rows: &[f32], weights: &[f32], d: usize, k: usize, seed: u64) -> Result<Vec<f32>> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = 1; // apart from the stream of the rotation
    let mut stream = ChaCha8Rng::from_seed(key);
    let mut centres = try_vec(k * d, 0.0_f32, "the centres")?;
    let mut left = try_vec(weights.len(), 0.0_f64, "the energies of the rows")?;
    let mut total = 0.0;
    for ((left, row), &weight) in left.iter_mut().zip(rows.chunks_exact(d.max(1))).zip(weights) {
        *left = f64::from(weight) * f64::from(dot(row, row));
        total += *left;
    }
    let floor = total * 1e-5; // what the rounding of centres to binary32 leaves

    for c in 0..k {
        let sum: f64 = left.iter().sum();
        if sum <= floor {
            centres.truncate(c * d);
            break;
        }
        let ticket = (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        // Summed as above, so that the ticket lies below the last sum, roundings and all.
        let mut passed = 0.0;
        let drawn = left.iter().position(|&energy| {
            passed += energy;
            ticket < passed
        });
        let drawn = drawn.unwrap_or(0);
        let centre = &mut centres[c * d..(c + 1) * d];
        normalise(rows[drawn * d..(drawn + 1) * d].iter().copied().map(f64::from), centre);
        for ((left, row), &weight) in left.iter_mut().zip(rows.chunks_exact(d)).zip(weights) {
            let product = dot(row, centre);
            *left = left.min(f64::from(weight) * f64::from(dot(row, row) - product * product)).max(0.0);
        }
        left[drawn] = 0.0;
    }
    Ok(centres)
}

/// Writes the direction of `from` to `to`; leaves `to` alone where `from` is zero.
fn normalise(from: impl Iterator<Item = f64> + Clone, to: &mut [f32]) {
    let norm = from.clone().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 {
        for (to, from) in to.iter_mut().zip(from) {
            *to = (from / norm) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(rows: &[f32], d: usize, centres: &[f32]) -> f32 {
        rows.chunks(d).map(|row| dot(row, row) - assign(row, centres).map_or(0.0, |(_, t)| t * t)).sum()
    }

    /// Rows along three directions, of both signs and many lengths, with a little noise.
    fn clustered() -> Vec<f32> {
        let directions = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.8, 0.0], [0.5, 0.5, 0.5, -0.5]];
        let row = |i: usize| {
            let t = (if i.is_multiple_of(2) { 1.0 } else { -1.0 }) * (1.0 + i as f32 / 50.0);
            std::array::from_fn::<f32, 4, _>(|j| {
                t * directions[i % 3][j] + ((i * 7 + j * 3) % 11) as f32 * 0.002
            })
        };
        (0..300).flat_map(row).collect()
    }

    #[test]
    fn centres_find_the_directions_of_either_sign() {
        let rows = clustered();
        let centres = fit(&rows, &[1.0; 300], 4, 3, 10, 0).unwrap();
        let energy: f32 = rows.chunks(4).map(|row| dot(row, row)).sum();
        assert!(left(&rows, 4, &centres) < 1e-3 * energy);
        for centre in centres.chunks(4) {
            assert!((dot(centre, centre) - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn one_centre_is_the_main_axis() {
        let rows: Vec<f32> =
            (0..200).flat_map(|i| [3.0 * ((i % 7) as f32 - 3.0), (i % 3) as f32 - 1.0]).collect();
        let centres = fit(&rows, &[1.0; 200], 2, 1, 30, 5).unwrap();
        let best = (0..1000)
            .map(|i| left(&rows, 2, &[(i as f32 * 3.1416e-3).cos(), (i as f32 * 3.1416e-3).sin()]))
            .fold(f32::MAX, f32::min);
        assert!(left(&rows, 2, &centres) <= best * 1.0001);
    }

    #[test]
    fn a_centre_that_no_row_wants_moves_to_the_worst_row() {
        // The second centre loses every row to the first; the last row is served worst.
        let rows = [1.0, 0.0, 0.0, 2.0, 0.1, 0.0, 0.5, 0.0, 3.0];
        let mut centres = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        refine(&rows, &[1.0; 3], &mut centres, &mut [0.0; 6], &mut [false; 2]);
        let norm = 9.25_f32.sqrt();
        let expected = [0.5 / norm, 0.0, 3.0 / norm];
        assert!(centres[3..].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{centres:?}");
    }

    #[test]
    fn a_row_of_zeros_leaves_its_centre_alone() {
        let mut centres = [0.6, 0.8];
        refine(&[0.0, 0.0], &[1.0], &mut centres, &mut [0.0; 2], &mut [false]);
        assert_eq!(centres, [0.6, 0.8]);
    }

    #[test]
    fn first_centres_are_drawn_in_proportion_to_their_energy() {
        // Energies 0, 1 and 3, of which the last is half a weight on a row of energy 6.
        let rows = [0.0, 0.0, 1.0, 0.0, 0.0, 6.0_f32.sqrt(), 0.0, 0.0];
        let first = |seed| initial(&rows, &[1.0, 1.0, 0.5, 1.0], 2, 1, seed).unwrap();
        let mut second = 0;
        for seed in 0..4000 {
            let centre = first(seed);
            assert!(centre == [1.0, 0.0] || centre == [0.0, 1.0], "{centre:?}");
            second += usize::from(centre[1] == 1.0);
        }
        // Four standard deviations.
        assert!((2890..=3110).contains(&second), "{second} of 4000");
    }

    #[test]
    fn weights_decide_who_is_served() {
        let rows = [1.0, 0.0, 0.0, 1.0];
        let centres = fit(&rows, &[0.0, 1.0], 2, 1, 3, 0).unwrap();
        assert_eq!(centres, [0.0, 1.0]);
    }

    #[test]
    fn there_are_no_more_centres_than_directions() {
        assert!(fit(&[0.0; 40], &[1.0; 10], 4, 8, 5, 0).unwrap().is_empty());
        let line: Vec<f32> = (1..20).flat_map(|i| [i as f32, 2.0 * i as f32]).collect();
        assert_eq!(fit(&line, &[1.0; 19], 2, 8, 5, 0).unwrap().len(), 2);
        assert!(fit(&[], &[1.0; 3], 0, 4, 5, 0).unwrap().is_empty());
    }

    #[test]
    fn a_seed_gives_the_same_centres_again() {
        let rows = clustered();
        let fit = |seed| fit(&rows, &[1.0; 300], 4, 5, 4, seed).unwrap();
        assert_eq!(fit(9), fit(9));
    }
}
