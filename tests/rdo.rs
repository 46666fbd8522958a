//! The rdo preset on real KV rows: joined rows, a skeleton fitted on other documents, and what a block costs.

mod common;

use common::fixture;
use kakeyaturbo::dtype::{Dtype, Elements};
use kakeyaturbo::layout::{Layout, Segment, View};
use kakeyaturbo::{
    Codec, Objective, Pairing, Params, Preset, RateControl, Rope, Rows, RowsMut, Settings, StreamFitter,
    Tier, Workspace,
};
use safetensors::SafeTensors;
use std::cell::Cell;
use std::sync::Arc;

const HEADS: usize = 3;
const DIM: usize = 64;

/// K and V of some layers as f32 tensors `[tokens, heads · head_dim]`, in the order of the segments, and the positions.
struct Rowset {
    tensors: Vec<Vec<f32>>,
    positions: Vec<i32>,
}

impl Rowset {
    fn load(file: &str, layers: &[u32]) -> Self {
        let bytes = fixture(file);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let positions: Vec<i32> = file
            .tensor("positions")
            .unwrap()
            .data()
            .chunks_exact(4)
            .map(|b| i32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let tensor = |name: String| -> Vec<f32> {
            file.tensor(&name)
                .unwrap()
                .data()
                .chunks_exact(2)
                .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect()
        };
        let tensors =
            layers.iter().flat_map(|l| ["k", "v"].map(|kv| tensor(format!("layers.{l}.{kv}")))).collect();
        Self { tensors, positions }
    }
    fn n(&self) -> usize {
        self.positions.len()
    }
}

fn layout(set: &Rowset, step: f32) -> Layout {
    let _ = step;
    let inv_freq: Vec<f32> =
        (0..DIM / 2).map(|i| 1e5_f64.powf(-2.0 * i as f64 / DIM as f64) as f32).collect();
    let mut segments = Vec::new();
    for (t, tensor) in set.tensors.iter().enumerate() {
        let ms = tensor.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / tensor.len() as f64;
        for _ in 0..HEADS {
            let mut s = Segment::new(DIM);
            s.gain = (1.0 / ms.sqrt()) as f32;
            s.raw_dtype = Dtype::F16;
            s.rope = (t % 2 == 0).then(|| Rope { pairing: Pairing::Interleaved, inv_freq: inv_freq.clone() });
            segments.push(s);
        }
    }
    Layout::new(segments).unwrap()
}

fn views<'a>(tensors: &'a mut [Vec<f32>], n: usize) -> Vec<View<'a>> {
    tensors
        .iter_mut()
        .flat_map(|t| {
            let cells = Cell::from_mut(&mut t[..]).as_slice_of_cells();
            (0..HEADS).map(move |h| {
                View::new(Elements::F32(cells), h * DIM, (n, DIM), ((HEADS * DIM) as isize, 1)).unwrap()
            })
        })
        .collect()
}

fn settings(step: f32) -> Params {
    Params::new(Settings {
        preset: Preset::Rdo,
        rate_control: RateControl::Step,
        step,
        kmeans_k: 0,
        ..Settings::default()
    })
    .unwrap()
}

#[test]
fn curve() {
    for group in
        [vec![vec![0], vec![1], vec![2], vec![14], vec![15], vec![16]], vec![vec![0, 1, 2], vec![14, 15, 16]]]
    {
        for step in [0.2_f32, 0.3, 0.35, 0.4, 0.5, 0.7, 0.8, 1.0, 1.4, 1.6] {
            let (mut bits, mut values, mut errors) = (0.0, 0.0, Vec::new());
            for layers in &group {
                let mut train = Rowset::load("smollm2-135m-train.safetensors", layers);
                let mut test = Rowset::load("smollm2-135m-test.safetensors", layers);
                let layout = layout(&train, step);
                let tier = Tier::select(0).unwrap();
                let skeleton = {
                    let mut fitter = StreamFitter::new(&settings(step), layout.clone()).unwrap();
                    let (n, positions) = (train.n(), train.positions.clone());
                    let v = views(&mut train.tensors, n);
                    fitter
                        .add(&Rows {
                            n,
                            views: &v[..],
                            positions: Some(&positions),
                            weights: None,
                            protect: None,
                        })
                        .unwrap();
                    fitter.finish().unwrap().0
                };
                let codec =
                    Codec::new(settings(step), Objective::Mse, layout, Some(Arc::new(skeleton)), tier)
                        .unwrap();
                let (n, positions) = (test.n(), test.positions.clone());
                let mut ws = Workspace::new(&codec, n).unwrap();
                let mut out = vec![0; codec.encode_bound(n).unwrap()];
                let original = test.tensors.clone();
                let size = {
                    let v = views(&mut test.tensors, n);
                    codec
                        .encode(
                            &mut ws,
                            &Rows {
                                n,
                                views: &v[..],
                                positions: Some(&positions),
                                weights: None,
                                protect: None,
                            },
                            &mut out,
                        )
                        .unwrap()
                };
                let header = kakeyaturbo::verify(&out[..size]).unwrap();
                let mut back: Vec<Vec<f32>> = original.iter().map(|t| vec![0.0; t.len()]).collect();
                {
                    let v = views(&mut back, n);
                    codec
                        .decode(
                            &mut ws,
                            &out[..size],
                            &RowsMut { n, views: &v[..], positions: Some(&positions) },
                        )
                        .unwrap();
                }
                for (x, y) in original.iter().zip(&back) {
                    errors.push(common::relative_error(x, y));
                }
                bits += 8.0 * size as f64;
                values += (n * codec.layout().dim()) as f64;
                let _ = header;
            }
            println!(
                "{} layers a row, step {step}: {:.4} bpv, error {:.5}",
                group[0].len(),
                bits / values,
                errors.iter().sum::<f64>() / errors.len() as f64
            );
        }
    }
}
