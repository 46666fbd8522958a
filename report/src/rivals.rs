//! What other codecs do to a row: ggml's q8_0 and q4_0, and the Hadamard transform that llama.cpp puts before
//! the latter.
//!
//! Both cut a row into groups of 32 values with a scale in f16 each. A row becomes what it would be decoded to,
//! and its size is returned.

use half::f16;

/// Values that share a scale.
const GROUP: usize = 32;

/// 8.5 bits a value: integers from −127 to 127 in units of the largest magnitude over 127.
pub fn q8_0(row: &mut [f32]) -> usize {
    row.chunks_mut(GROUP)
        .map(|group| {
            let largest = group.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let scale = largest / 127.0;
            quantize(group, scale, |x| x.round());
            2 + group.len()
        })
        .sum()
}

/// 4.5 bits a value: integers from −8 to 7, the value of the largest magnitude, with its sign, being −8.
pub fn q4_0(row: &mut [f32]) -> usize {
    row.chunks_mut(GROUP)
        .map(|group| {
            let largest =
                group.iter().fold(0.0_f32, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
            quantize(group, largest / -8.0, |x| (x + 8.5).trunc().min(15.0) - 8.0);
            2 + group.len().div_ceil(2)
        })
        .sum()
}

/// [`q4_0`] of the Hadamard transform of a row, transformed back.
pub fn q4_0_rotated(row: &mut [f32]) -> usize {
    hadamard(row);
    let bytes = q4_0(row);
    hadamard(row);
    bytes
}

/// `round` sees values in units of the scale, the decoder has the scale as f16. A scale of 0 leaves zeros.
fn quantize(group: &mut [f32], scale: f32, round: impl Fn(f32) -> f32) {
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let stored = f16::from_f32(scale).to_f32();
    group.iter_mut().for_each(|x| *x = round(*x * inverse) * stored);
}

/// The orthonormal Walsh–Hadamard transform, its own inverse, of a row in parts of the largest power of two
/// that divides its length.
fn hadamard(row: &mut [f32]) {
    let len = 1 << row.len().trailing_zeros();
    let norm = 1.0 / (len as f32).sqrt();
    for part in row.chunks_exact_mut(len) {
        let mut half = 1;
        while half < len {
            for pair in part.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        part.iter_mut().for_each(|x| *x *= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q8_0_counts_in_units_of_the_largest() {
        let mut row = vec![0.0; 64];
        (row[0], row[1], row[2], row[3]) = (-127.0, 63.4, 63.5, -0.5);
        row[32] = 254.0;
        row[33] = 3.1;
        assert_eq!(q8_0(&mut row), 68);
        assert_eq!(row[..5], [-127.0, 63.0, 64.0, -1.0, 0.0]);
        assert_eq!(row[32..35], [254.0, 4.0, 0.0]);
    }

    /// The scale is negative for a positive largest value: +8 units do not exist.
    #[test]
    fn q4_0_gives_the_largest_value_the_level_minus_eight() {
        let mut row = vec![0.0; 32];
        (row[0], row[1], row[2], row[3], row[4]) = (-16.0, 16.0, 13.0, 0.9, -3.1);
        assert_eq!(q4_0(&mut row), 18);
        assert_eq!(row[..6], [-16.0, 14.0, 14.0, 0.0, -4.0, 0.0]);

        let mut row = vec![0.0; 32];
        (row[0], row[1], row[2], row[3]) = (16.0, -15.9, 1.0, -1.0);
        q4_0(&mut row);
        // In units of −2: −8; 7.95, which is cut to 7; −0.5, which with 8.5 is 8; 0.5, which with 8.5 is 9.
        assert_eq!(row[..4], [16.0, -14.0, 0.0, -2.0]);
    }

    #[test]
    fn scales_are_rounded_to_half_precision() {
        let third = 1.0_f32 / 3.0;
        let mut row = vec![third; 32];
        q8_0(&mut row);
        assert_eq!(row[0], 127.0 * f16::from_f32(third / 127.0).to_f32());
        assert_ne!(row[0], third);
    }

    #[test]
    fn zeros_stay_zeros() {
        for codec in [q8_0, q4_0, q4_0_rotated] {
            let mut row = vec![0.0; 32];
            codec(&mut row);
            assert_eq!(row, [0.0; 32]);
        }
    }

    #[test]
    fn the_transform_is_orthonormal_and_its_own_inverse() {
        let mut row: Vec<f32> = vec![0.0; 96];
        row[33] = 1.0;
        hadamard(&mut row);
        let root = 1.0 / 32_f32.sqrt();
        for (i, x) in row.iter().enumerate() {
            let expected = if !(32..64).contains(&i) {
                0.0
            } else if i % 2 == 0 {
                root
            } else {
                -root
            };
            assert!((x - expected).abs() < 1e-7, "{i}: {x}");
        }
        hadamard(&mut row);
        let back = |i| if i == 33 { 1.0 } else { 0.0 };
        assert!(row.iter().enumerate().all(|(i, x)| (x - back(i)).abs() < 1e-6));
    }
}
