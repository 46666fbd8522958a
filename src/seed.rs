//! The random streams that a seed stands for: one for each purpose, so that drawing more numbers for one of
//! them changes none of the others. The first of them is part of the format: decoders draw the signs of the
//! rotation again.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// What random numbers are drawn for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The signs of the rotation.
    Rotation = 0,
    /// The first centres of K-means.
    Centres = 1,
    /// Which rows a fitter keeps.
    Sample = 2,
}

/// The ChaCha8 key stream for a purpose: the key is the seed in little-endian order, the purpose, and 23 zero
/// bytes; nonce and counter are 0.
pub(crate) fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = purpose as u8;
    ChaCha8Rng::from_seed(key)
}
