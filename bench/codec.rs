//! Encoding and decoding of a block of 1,024 rows of f32, by every preset, through the Rust interface.
//!
//! What `cargo xtask bench` measures against other codecs goes through the C interface, with engines' layouts and element types;
//! here criterion follows the kernel alone from one change to the next.
#![allow(missing_docs)]

use std::cell::Cell;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kakeyaturbo::Elements;
use kakeyaturbo::{
    Codec, Objective, Params, Preset, RateControl, Rows, RowsMut, Settings, Shared, Skeleton, StreamFitter,
    Tier, Workspace,
};
use kakeyaturbo::{Layout, View};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const N: usize = 1024;

/// Rows `[n, dim]` of neighbouring values that resemble each other: each is 0.95 of the one before, and a new part.
fn correlated(n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = vec![0.0; n * dim];
    for row in rows.chunks_exact_mut(dim) {
        let mut x = 0.0_f32;
        for value in row {
            // Four uniform values are nearly a normal one.
            let new: f32 = (0..4).map(|_| random.random_range(-1.0..1.0_f32)).sum();
            x = 0.95 * x + 0.27 * new;
            *value = x;
        }
    }
    rows
}

fn with_view<T>(dim: usize, rows: &mut [f32], with: impl FnOnce(&[View<'_>]) -> T) -> T {
    let n = rows.len() / dim;
    let elements = Elements::F32(Cell::from_mut(rows).as_slice_of_cells());
    with(&[View::new(elements, 0, (n, dim), (dim as isize, 1)).expect("a view of all rows")])
}

fn fit(settings: &Settings, dim: usize) -> Skeleton {
    let params = Params::new(settings.clone()).expect("parameters");
    let mut fitter = StreamFitter::new(&params, Layout::plain(dim).expect("a layout")).expect("a fitter");
    let mut rows = correlated(4096, dim, 1);
    with_view(dim, &mut rows, |views| {
        fitter.add(&Rows { n: 4096, views, positions: None, weights: None, protect: None }).expect("rows");
    });
    fitter.finish().expect("a skeleton").0
}

fn presets(c: &mut Criterion) {
    let kakeya = Settings { preset: Preset::Kakeya, ..Settings::default() };
    let rdo = Settings {
        preset: Preset::Rdo,
        rate_control: RateControl::Step,
        step: 0.3,
        kmeans_k: 0,
        ..Settings::default()
    };
    for (name, settings) in [("turbo", Settings::default()), ("kakeya", kakeya), ("rdo", rdo)] {
        for dim in [128, 512] {
            preset(c, name, &settings, dim);
        }
    }
}

fn preset(c: &mut Criterion, name: &str, settings: &Settings, dim: usize) {
    let skeleton =
        (settings.preset != Preset::Turbo).then(|| Shared::new(fit(settings, dim)).expect("memory"));
    let params = Params::new(settings.clone()).expect("parameters");
    let layout = Layout::plain(dim).expect("a layout");
    let tier = Tier::select(0).expect("the best tier");
    let codec = Codec::new(params, Objective::Mse, layout, skeleton, tier).expect("a codec");
    let mut workspace = Workspace::new(&codec, N).expect("a workspace");
    let mut block = vec![0; codec.encode_bound(N).expect("a bound")];
    let mut rows = correlated(N, dim, 2);
    let mut size = 0;

    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements((N * dim) as u64));
    with_view(dim, &mut rows, |views| {
        let rows = Rows { n: N, views, positions: None, weights: None, protect: None };
        group.bench_function(BenchmarkId::new("encode", dim), |b| {
            b.iter(|| size = codec.encode(&mut workspace, black_box(&rows), &mut block).expect("a block"));
        });
        // A filter may leave out the benchmark that encodes.
        size = codec.encode(&mut workspace, &rows, &mut block).expect("a block");
    });
    let mut back = vec![0.0; N * dim];
    with_view(dim, &mut back, |views| {
        let rows = RowsMut { n: N, views, positions: None };
        group.bench_function(BenchmarkId::new("decode", dim), |b| {
            b.iter(|| codec.decode(&mut workspace, black_box(&block[..size]), &rows).expect("rows"));
        });
    });
    group.finish();
}

criterion_group!(benches, presets);
criterion_main!(benches);
