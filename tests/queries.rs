//! The query metric on real KV rows: logits of queries of another document, with a skeleton that knows queries and with one
//! that does not.

mod common;

use common::blocks::{Side, decode, encode, of_layout, stepped, with_views};
use common::{Joined, fixture};
use kakeyaturbo::Dtype;
use kakeyaturbo::{Layout, Segment};
use kakeyaturbo::{Objective, Pairing, Params, Rope, Rows, Settings, Skeleton, StreamFitter, verify};
use safetensors::SafeTensors;

const HEAD_DIM: usize = 64;
const HEADS: usize = 3;
const PER_KV_HEAD: usize = 3;
const LAYER: u32 = 14;

fn rope() -> Rope {
    let pairs = 0..HEAD_DIM / 2;
    let inv_freq = pairs.map(|i| 1e5_f64.powf(-2.0 * i as f64 / HEAD_DIM as f64) as f32).collect();
    Rope { pairing: Pairing::Interleaved, inv_freq }
}

/// K and V of the heads of a layer, gain 1 over the root mean square of each tensor.
fn layout(rows: &Joined) -> Layout {
    let mut segments = Vec::new();
    for t in 0..2 {
        let values = rows.tensor(&rows.rows, t);
        let gain = (values.len() as f64 / common::energy(&values)).sqrt() as f32;
        let segment =
            Segment { gain, rope: (t == 0).then(rope), raw_dtype: Dtype::F16, ..Segment::new(HEAD_DIM) };
        segments.extend(std::iter::repeat_n(segment, HEADS));
    }
    Layout::new(segments).unwrap()
}

/// Queries of a kv-head before their rotary embedding, `[tokens · 3, head_dim]`, and their positions.
fn queries(file: &[u8], head: usize, positions: &[i32]) -> (Vec<f32>, Vec<i32>) {
    let file = SafeTensors::deserialize(file).unwrap();
    let tensor = file.tensor(&format!("layers.{LAYER}.q")).unwrap();
    let [tokens, heads, dim] = tensor.shape().try_into().unwrap();
    let every = positions.len() / tokens;
    let value =
        |i: usize| half::f16::from_le_bytes([tensor.data()[2 * i], tensor.data()[2 * i + 1]]).to_f32();
    let (mut rows, mut at) = (Vec::new(), Vec::new());
    for token in 0..tokens {
        for q in PER_KV_HEAD * head..PER_KV_HEAD * (head + 1) {
            rows.extend((0..dim).map(|i| value((token * heads + q) * dim + i)));
            at.push(positions[token * every]);
        }
    }
    (rows, at)
}

fn side(rows: &Joined) -> Side<'_> {
    Side { positions: Some(&rows.positions), ..Side::default() }
}

fn skeleton(train: &Joined, file: &[u8], layout: &Layout, with_queries: bool) -> Skeleton {
    let mut fitter = StreamFitter::new(&Params::new(stepped(1.0)).unwrap(), layout.clone()).unwrap();
    let n = train.positions.len();
    with_views(layout, &mut train.rows.clone(), |views| {
        let positions = Some(&train.positions[..]);
        fitter.add(&Rows { n, views, positions, weights: None, protect: None }).unwrap();
    });
    for head in (0..HEADS).filter(|_| with_queries) {
        let (rows, positions) = queries(file, head, &train.positions);
        fitter.add_queries(head, &rows, Some(&positions)).unwrap();
    }
    fitter.finish().unwrap().0
}

/// A query with its rotary embedding.
fn turned(query: &[f32], position: i32) -> Vec<f32> {
    let mut out = query.to_vec();
    for (pair, frequency) in out.chunks_exact_mut(2).zip(rope().inv_freq) {
        let (sin, cos) = (f64::from(position) * f64::from(frequency)).sin_cos();
        let (a, b) = (f64::from(pair[0]), f64::from(pair[1]));
        (pair[0], pair[1]) = ((a * cos - b * sin) as f32, (a * sin + b * cos) as f32);
    }
    out
}

/// Bytes of the block of the test rows, and the relative squared error of the logits of the test queries with all keys
/// before them.
fn measure(
    test: &Joined,
    file: &[u8],
    layout: &Layout,
    skeleton: &Skeleton,
    settings: Settings,
) -> (usize, f64) {
    let codec = of_layout(settings, Objective::InnerProduct, layout.clone(), Some(skeleton.clone()));
    let block = encode(&codec, &test.rows, side(test)).unwrap();
    let back = decode(&codec, &block, Some(&test.positions)).unwrap();
    let (mut squared, mut energy) = (0.0, 0.0);
    for head in 0..HEADS {
        let (rows, positions) = queries(file, head, &test.positions);
        for (query, position) in rows.chunks(HEAD_DIM).zip(positions).step_by(7) {
            let query = turned(query, position);
            let upto = (0..test.positions.len()).filter(|&i| test.positions[i] <= position);
            for i in upto {
                let at = i * test.dim + head * HEAD_DIM;
                let logit = |rows: &[f32]| -> f64 {
                    let key = &rows[at..at + HEAD_DIM];
                    query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum()
                };
                let (exact, coded) = (logit(&test.rows), logit(&back));
                squared += (exact - coded).powi(2);
                energy += exact.powi(2);
            }
        }
    }
    (block.len(), squared / energy)
}

/// At no more bytes, queries see less error of a skeleton that knows their like.
#[test]
fn logits_are_kept_better_by_a_skeleton_that_knows_queries() {
    let [train_file, test_file] =
        ["train", "test"].map(|name| fixture(&format!("smollm2-135m-{name}.safetensors")));
    let [train, test] = [&train_file, &test_file].map(|file| Joined::read(file, &[LAYER]));
    let layout = layout(&train);
    let [plain, knowing] = [false, true].map(|queries| skeleton(&train, &train_file, &layout, queries));
    assert!(!plain.has_metric() && knowing.has_metric());
    for skeleton in [&plain, &knowing] {
        let (d, k) = (skeleton.dim(), skeleton.n_centres());
        assert!(skeleton.saved_bytes() <= 2 * d * d + 16 * d + 2 * k * d + 1024);
    }
    let measure =
        |skeleton: &Skeleton, step: f32| measure(&test, &test_file, &layout, skeleton, stepped(step));
    for step in [0.3, 0.8] {
        let usual = measure(&plain, step);
        let metric = [1.0, 1.02, 1.04, 1.08, 1.12, 1.16].map(|more| measure(&knowing, step * more));
        let metric = metric.iter().find(|(bytes, _)| *bytes <= usual.0).expect("a step with as few bytes");
        println!(
            "step {step}: {} bytes, logits off by {:.5}; with queries {} and {:.5}",
            usual.0, usual.1, metric.0, metric.1
        );
        assert!(metric.1 < 0.9 * usual.1, "step {step}: {metric:?}, without {usual:?}");
    }
}

/// The certificate is the error under the metric: coefficient errors over coefficients, up to rounding.
#[test]
fn the_certificate_is_in_the_metric() {
    let [train_file, test_file] =
        ["train", "test"].map(|name| fixture(&format!("smollm2-135m-{name}.safetensors")));
    let [train, test] = [&train_file, &test_file].map(|file| Joined::read(file, &[LAYER]));
    let layout = Layout::plain(train.dim).unwrap();
    let skeleton = skeleton(&train, &train_file, &layout_without_heads(&train), true);
    let codec = of_layout(stepped(0.5), Objective::InnerProduct, layout, Some(skeleton.clone()));
    let block = encode(&codec, &test.rows, Side::default()).unwrap();
    let back = decode(&codec, &block, None).unwrap();
    let along = |x: &[f64]| -> f64 {
        let axes = skeleton.transform().chunks(test.dim);
        axes.map(|axis| axis.iter().zip(x).map(|(t, x)| f64::from(*t) * x).sum::<f64>().powi(2)).sum()
    };
    let (mut squared, mut energy) = (0.0, 0.0);
    for (x, back) in test.rows.chunks(test.dim).zip(back.chunks(test.dim)).take(40) {
        let off: Vec<f64> = x.iter().zip(back).map(|(x, y)| f64::from(*x) - f64::from(*y)).collect();
        squared += along(&off);
        energy += along(&x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
    }
    let first = encode(&codec, &test.rows[..40 * test.dim], Side::default()).unwrap();
    let certified = f64::from(verify(&first).unwrap().certified_error);
    assert!(
        (certified / (squared / energy) - 1.0).abs() < 1e-3,
        "{certified}, measured {}",
        squared / energy
    );
}

/// Heads as segments, without gains and rotary embeddings: rows are what the codec of one plain segment sees.
fn layout_without_heads(rows: &Joined) -> Layout {
    Layout::new(vec![Segment::new(HEAD_DIM); rows.dim / HEAD_DIM]).unwrap()
}
