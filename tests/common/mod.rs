//! What the tests share: normal numbers, errors, real KV rows.
#![allow(dead_code, missing_docs)] // each test uses its part of this

pub mod blocks;
pub mod c_api;
pub mod counting;
pub mod failing;
pub mod golden;
pub mod kinds;
pub mod placed;
pub mod profiles;
pub mod victims;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use safetensors::SafeTensors;
use std::path::Path;

/// Independent standard normal values, by Box and Muller.
pub fn normal(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (0..count)
        .map(|_| {
            let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
            (radius * angle.cos()) as f32
        })
        .collect()
}

/// Rows `[n, d]` along `k` directions, of both signs and of lengths from 1 to 3, with deviations of the given
/// relative size: K-means pays on them.
pub fn clustered((n, d): (usize, usize), k: usize, noise: f32, seed: u64) -> Vec<f32> {
    let directions = normal(k * d, seed);
    let mut rows = normal(n * d, seed + 1);
    for (i, row) in rows.chunks_exact_mut(d).enumerate() {
        let t = (1.0 + 2.0 * (i as f32 * 0.618).fract()) * if (i / k).is_multiple_of(2) { 1.0 } else { -1.0 };
        let along = &directions[i % k * d..(i % k + 1) * d];
        row.iter_mut().zip(along).for_each(|(x, along)| *x = t * along + noise * *x);
    }
    rows
}

pub fn energy(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// `‖x − x̂‖² / ‖x‖²`.
pub fn relative_error(x: &[f32], back: &[f32]) -> f64 {
    assert_eq!(x.len(), back.len());
    let off: f64 = x.iter().zip(back).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
    off / energy(x)
}

/// `max |x − x̂|`.
pub fn largest_error(x: &[f32], back: &[f32]) -> f64 {
    x.iter().zip(back).map(|(&x, &y)| (f64::from(x) - f64::from(y)).abs()).fold(0.0, f64::max)
}

pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A tensor `[tokens, heads, head_dim]` of the fixture as f32, one kv-head after the other: `[heads][tokens · head_dim]`.
pub fn heads(file: &[u8], tensor: &str) -> (Vec<Vec<f32>>, usize) {
    let file = SafeTensors::deserialize(file).expect("a safetensors file");
    let tensor = file.tensor(tensor).expect("a tensor of the fixture");
    let [tokens, heads, dim] = tensor.shape().try_into().expect("three axes");
    let values: Vec<f32> = tensor
        .data()
        .chunks_exact(2)
        .map(|raw| half::f16::from_le_bytes([raw[0], raw[1]]).to_f32())
        .collect();
    let head = |h: usize| -> Vec<f32> {
        (0..tokens).flat_map(|t| &values[(t * heads + h) * dim..(t * heads + h + 1) * dim]).copied().collect()
    };
    ((0..heads).map(head).collect(), dim)
}

/// K and V of all heads of some layers side by side, as rows `[tokens, layers · 2 · heads · head_dim]`, and the
/// positions.
pub struct Joined {
    pub rows: Vec<f32>,
    pub positions: Vec<i32>,
    /// Coordinates of a tensor in a row: `heads · head_dim`.
    pub width: usize,
    /// Coordinates of a row.
    pub dim: usize,
}

impl Joined {
    pub fn read(file: &[u8], layers: &[u32]) -> Self {
        let file = SafeTensors::deserialize(file).expect("a safetensors file");
        let tensor = |name: &str| file.tensor(name).expect("a tensor of the fixture");
        let positions: Vec<i32> = tensor("positions")
            .data()
            .chunks_exact(4)
            .map(|raw| i32::from_le_bytes(raw.try_into().expect("four bytes")))
            .collect();
        let names: Vec<String> =
            layers.iter().flat_map(|layer| ["k", "v"].map(|kv| format!("layers.{layer}.{kv}"))).collect();
        let width: usize = tensor(&names[0]).shape()[1..].iter().product();
        let dim = names.len() * width;
        let mut rows = vec![0.0; positions.len() * dim];
        for (t, name) in names.iter().enumerate() {
            for (row, raw) in rows.chunks_exact_mut(dim).zip(tensor(name).data().chunks_exact(2 * width)) {
                for (x, raw) in row[t * width..].iter_mut().zip(raw.chunks_exact(2)) {
                    *x = half::f16::from_le_bytes([raw[0], raw[1]]).to_f32();
                }
            }
        }
        Self { rows, positions, width, dim }
    }

    /// Tensor `t` of `rows` that are joined like these, `[tokens, width]`.
    pub fn tensor(&self, rows: &[f32], t: usize) -> Vec<f32> {
        rows.chunks_exact(self.dim)
            .flat_map(|row| &row[t * self.width..(t + 1) * self.width])
            .copied()
            .collect()
    }
}

/// The K and V tensors of the fixture.
pub const TENSORS: [&str; 12] = [
    "layers.0.k",
    "layers.0.v",
    "layers.1.k",
    "layers.1.v",
    "layers.2.k",
    "layers.2.v",
    "layers.14.k",
    "layers.14.v",
    "layers.15.k",
    "layers.15.v",
    "layers.16.k",
    "layers.16.v",
];
