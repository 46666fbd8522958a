//! A profile with all that one can have: joined and single streams, with and without skeletons, of every preset.

use super::blocks::{Side, fit, stepped};
use super::normal;
use kakeyaturbo::Dtype;
use kakeyaturbo::profile::{Builder, NAME_BYTES, Part, Policy, Quality, StreamKey};
use kakeyaturbo::{Layout, Segment};
use kakeyaturbo::{Objective, Pairing, Params, Preset, Rope, Settings, Shared, Skeleton};

/// Coordinates of a head.
pub const HEAD: usize = 4;

/// What a stream is made from.
pub struct Parts {
    pub layers: &'static [u32],
    pub heads: &'static [u32],
    pub part: Part,
    pub layout: Layout,
    pub skeleton: Option<Shared<Skeleton>>,
    pub settings: Settings,
    pub objective: Objective,
}

impl Parts {
    pub fn key(&self) -> StreamKey {
        StreamKey::new(self.layers, self.heads, self.part).unwrap()
    }

    pub fn params(&self) -> Params {
        Params::new(self.settings.clone()).unwrap()
    }

    pub fn add(&self, builder: &mut Builder) -> kakeyaturbo::Result<usize> {
        builder.add(self.key(), &self.layout, self.skeleton.clone(), self.params(), self.objective)
    }
}

/// A layout of heads, whose keys have rotary embeddings.
fn layout(key: &StreamKey, inv_freq: &[f32]) -> Layout {
    let segment = |(index, part): (usize, Part)| Segment {
        gain: 0.5 + index as f32,
        raw_dtype: if part == Part::K { Dtype::F16 } else { Dtype::Bf16 },
        rope: (part == Part::K).then(|| Rope { pairing: Pairing::Interleaved, inv_freq: inv_freq.to_vec() }),
        ..Segment::new(HEAD)
    };
    Layout::new(key.tensors().map(|tensor| tensor.part).enumerate().map(segment).collect()).unwrap()
}

/// The streams of the profile: two layers joined, two with one skeleton, one fitted to each block, one without any.
pub fn streams() -> Vec<Parts> {
    let stream = |layers, heads, part, inv_freq: &[f32], settings: Settings, objective| {
        let layout = layout(&StreamKey::new(layers, heads, part).unwrap(), inv_freq);
        let skeleton = (settings.preset == Preset::Rdo).then(|| {
            let rows = normal(200 * layout.dim(), 7);
            let positions: Vec<i32> = (0..200).collect();
            let side = Side { positions: Some(&positions), ..Side::default() };
            Shared::new(fit(&settings, &layout, &rows, side).0).unwrap()
        });
        Parts { layers, heads, part, layout, skeleton, settings, objective }
    };
    let (near, far) = ([1.0, 0.01], [1.0, 0.1]);
    let kakeya = Settings {
        preset: Preset::Kakeya,
        bits: 3.0,
        variance_ratio: 0.75,
        max_rank: 3,
        kmeans_k: 5,
        kmeans_iters: 7,
        max_protected: 11,
        seed: 0x0102_0304_0506_0708,
        nan_policy: kakeyaturbo::NanPolicy::Raw,
        ..Settings::default()
    };
    let turbo = Settings { max_abs_error: 1.5, checksum: false, ..Settings::default() };
    let rdo = Settings { rows_per_run: 32, effort: 1, ..stepped(0.25) };
    let mut streams = vec![
        stream(&[1, 2], &[0, 3], Part::Kv, &near, rdo.clone(), Objective::Mse),
        stream(&[4], &[0, 3], Part::V, &near, rdo.clone(), Objective::InnerProduct),
        stream(&[5], &[0, 3], Part::V, &near, rdo, Objective::InnerProduct),
        stream(&[4], &[0, 3], Part::K, &far, kakeya, Objective::Mse),
        stream(&[9], &[0], Part::Kv, &near, turbo, Objective::LInf),
    ];
    streams[2].skeleton = streams[1].skeleton.clone();
    streams
}

pub fn quality(name: &str, step: f32) -> Quality {
    let mut bytes = [0; NAME_BYTES];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Quality::new(bytes, step, 0.01 * f64::from(step), 1.5).unwrap()
}

/// A builder with these streams, and all else set.
pub fn builder() -> Builder {
    let mut builder = Builder::new();
    for (index, stream) in streams().iter().enumerate() {
        assert_eq!(stream.add(&mut builder).unwrap(), index);
    }
    builder.set_stream(1, None, Some(0.5)).unwrap();
    builder.set_model(std::array::from_fn(|i| i as u8));
    builder.set_description("a small model, größer als nichts").unwrap();
    builder.set_step(0.75).unwrap();
    builder.set_qualities(&[quality("q8", 0.125), quality("q4", 0.5)]).unwrap();
    builder.set_policy(Policy::new(4, 32, &[0, 9]).unwrap());
    builder
}
