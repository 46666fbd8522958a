//! Rows of any kind, for properties that hold whatever the rows.

use super::normal;

/// How the values of a block are made.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any bit pattern of a finite number.
    AnyBits,
    /// Normal values times a power of two.
    Normal(i32),
    Zero,
    Constant(f32),
    /// All rows equal.
    Duplicates,
    /// Ordinary values, a few of them enormous or subnormal, and some rows of zeros.
    Mixed,
}

/// Rows `[n, d]`, all finite.
pub fn rows(kind: Kind, n: usize, d: usize, seed: u64) -> Vec<f32> {
    let normal = normal(n * d, seed);
    match kind {
        // The exponent 255 is that of infinities and NaN; take 127 in its place.
        Kind::AnyBits => normal
            .iter()
            .map(|x| x.to_bits().wrapping_mul(0x9E37_79B9))
            .map(|bits| f32::from_bits(if bits >> 23 & 0xFF == 0xFF { bits ^ 0x4000_0000 } else { bits }))
            .collect(),
        Kind::Normal(exponent) => {
            normal.iter().map(|x| (f64::from(*x) * f64::from(exponent).exp2()) as f32).collect()
        }
        Kind::Zero => vec![0.0; n * d],
        Kind::Constant(value) => vec![value; n * d],
        Kind::Duplicates => normal[..d].repeat(n),
        Kind::Mixed => normal
            .iter()
            .enumerate()
            .map(|(i, &x)| match (i / d % 5, (i as u64 ^ seed) % 97) {
                (3, _) => 0.0,
                (_, 0) => x * 1e37,
                (_, 1) => x * 1e-42,
                _ => x,
            })
            .collect(),
    }
}
