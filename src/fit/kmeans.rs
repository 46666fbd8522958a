//! Weighted spherical K-means on coefficient rows, with signs.
//!
//! A row `y` is predicted by `t·c` with one of `k` unit centres and `t = ⟨y,c⟩`, so the remainder has the
//! energy `‖y‖² − ⟨y,c⟩²`. Assignment, initialisation and update all minimise that: a row goes to the centre
//! with the largest `|⟨y,c⟩|`; the first centres are drawn with probability proportional to the energy that
//! the earlier ones leave (as in k-means++); a centre becomes the direction of `Σ w⟨y,c⟩y` over its rows, one
//! step of the power iteration for the direction that leaves the least.
//!
//! Signs are what makes it different from the usual spherical K-means: `y` and `−y` belong to one centre, so
//! half as many centres do. A round takes `n·k·d` multiplications.

use crate::error::{Result, try_vec};
use crate::seed::{self, Purpose};
use crate::skeleton::nearest_centre;
use crate::vector::sums::dot;
use rand::Rng;

/// Finds `k` unit centres, row-major `[k, d]`; fewer if the rows do not span more directions. Rows are
/// `[weights.len(), d]`. Deterministic for given rows, weights and seed. The result is a local optimum.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
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

/// One round: assigns rows to centres, then moves each centre to its rows. `sums` `[k, d]` and `used` `[k]`
/// are scratch. Sums are in binary64, in the order of the rows, so the result does not depend on the machine.
fn refine(rows: &[f32], weights: &[f32], centres: &mut [f32], sums: &mut [f64], used: &mut [bool]) {
    let d = (centres.len() / used.len().max(1)).max(1);
    sums.fill(0.0);
    used.fill(false);
    let (mut worst, mut worst_row) = (0.0, None);
    for (row, &weight) in rows.chunks_exact(d).zip(weights) {
        let Some((best, product)) = nearest_centre(row, centres) else { continue };
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
            // An unused centre moves to the row that has the most energy left. One per round is enough.
            normalise(row.iter().copied().map(f64::from), centre);
        }
    }
}

/// Draws the first centres from the rows.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]
fn initial(rows: &[f32], weights: &[f32], d: usize, k: usize, seed: u64) -> Result<Vec<f32>> {
    let mut stream = seed::stream(seed, Purpose::Centres);
    let mut centres = try_vec(k * d, 0.0_f32, "the centres")?;
    let mut left = try_vec(weights.len(), 0.0_f64, "the energies of the rows")?;
    let mut total = 0.0;
    for ((left, row), &weight) in left.iter_mut().zip(rows.chunks_exact(d.max(1))).zip(weights) {
        *left = f64::from(weight) * f64::from(dot(row, row));
        total += *left;
    }
    // Rows that coincide with a centre still leave some energy by rounding. Without a floor such rows would
    // be drawn again and give two centres that are alike.
    let floor = total * 1e-5;
    for c in 0..k {
        let sum: f64 = left.iter().sum();
        if sum <= floor {
            centres.truncate(c * d);
            break;
        }
        let ticket = (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        // Summed in the same order as above, so that the ticket lies below the last sum in spite of rounding.
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
        // Exactly zero, whatever rounding left: the same row must not be drawn twice.
        left[drawn] = 0.0;
    }
    Ok(centres)
}

/// Writes the direction of `from` to `to`; leaves `to` as it is if `from` is zero and has none.
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
        rows.chunks(d)
            .map(|row| dot(row, row) - nearest_centre(row, centres).map_or(0.0, |(_, t)| t * t))
            .sum()
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
