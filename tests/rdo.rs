//! The rdo preset on real KV rows: a skeleton fitted on other documents, K undone from its rotary embedding, K and V
//! of all heads joined to one row. Every byte of a block counts.

mod common;

use common::blocks::{HEADER_BYTES, Side, codec, decode, encode, fit, of_layout, stepped};
use common::{Joined, TENSORS, fixture, heads, relative_error};
use kakeyaturbo::Dtype;
use kakeyaturbo::internals::rate::{Bin, Model, log2_eighths};
use kakeyaturbo::{Codec, FitReport, Objective, Pairing, Preset, Rope, Settings, Skeleton, verify};
use kakeyaturbo::{Layout, Segment};

const LAYERS: [u32; 6] = [0, 1, 2, 14, 15, 16];
const HEAD_DIM: usize = 64;

/// Rows to fit to and other rows to code, of the same layers, and what was fitted.
struct Stream {
    train: Joined,
    test: Joined,
    layout: Layout,
    skeleton: Skeleton,
}

impl Stream {
    /// Every tensor gets the gain that brings it to a mean square of 1 on the rows to fit to.
    fn new(layers: &[u32]) -> Self {
        let read = |name: &str| Joined::read(&fixture(&format!("smollm2-135m-{name}.safetensors")), layers);
        let (train, test) = (read("train"), read("test"));
        let pairs = 0..HEAD_DIM / 2;
        let inv_freq: Vec<f32> =
            pairs.map(|i| 1e5_f64.powf(-2.0 * i as f64 / HEAD_DIM as f64) as f32).collect();
        let mut segments = Vec::new();
        for t in 0..2 * layers.len() {
            let values = train.tensor(&train.rows, t);
            let gain = (values.len() as f64 / common::energy(&values)).sqrt() as f32;
            let keys = t % 2 == 0;
            let rope = keys.then(|| Rope { pairing: Pairing::Interleaved, inv_freq: inv_freq.clone() });
            let segment = Segment { gain, rope, raw_dtype: Dtype::F16, ..Segment::new(HEAD_DIM) };
            segments.extend(std::iter::repeat_n(segment, train.width / HEAD_DIM));
        }
        let layout = Layout::new(segments).unwrap();
        let skeleton = fit(&stepped(1.0), &layout, &train.rows, side(&train)).0;
        Self { train, test, layout, skeleton }
    }

    fn codec(&self, settings: Settings) -> Codec {
        of_layout(settings, Objective::Mse, self.layout.clone(), Some(self.skeleton.clone()))
    }

    /// Bytes of the block of the test rows, and the relative error of each tensor.
    fn code(&self, step: f32) -> (usize, Vec<f64>) {
        let codec = self.codec(stepped(step));
        let block = encode(&codec, &self.test.rows, side(&self.test)).unwrap();
        let back = decode(&codec, &block, Some(&self.test.positions)).unwrap();
        let error = |t| relative_error(&self.test.tensor(&self.test.rows, t), &self.test.tensor(&back, t));
        (block.len(), (0..self.test.dim / self.test.width).map(error).collect())
    }
}

fn side(rows: &Joined) -> Side<'_> {
    Side { positions: Some(&rows.positions), ..Side::default() }
}

/// Bytes and mean of the tensors' relative errors, every kv-head in a block of its own.
fn turbo(bits: u8) -> (usize, f64) {
    let settings = Settings { preset: Preset::Turbo, bits: f32::from(bits), ..Settings::default() };
    let codec = codec(settings, Objective::Mse, HEAD_DIM);
    let file = fixture("smollm2-135m-test.safetensors");
    let (mut bytes, mut error) = (0, 0.0);
    for tensor in TENSORS {
        let (heads, _) = heads(&file, tensor);
        let mut back = Vec::new();
        for head in &heads {
            let block = encode(&codec, head, Side::default()).unwrap();
            bytes += block.len();
            back.extend(decode(&codec, &block, None).unwrap());
        }
        error += relative_error(&heads.concat(), &back) / TENSORS.len() as f64;
    }
    (bytes, error)
}

/// Bytes and mean of the tensors' relative errors at a step, over all streams.
fn rdo(streams: &[Stream], step: f64) -> (usize, f64) {
    let (mut bytes, mut errors) = (0, Vec::new());
    for stream in streams {
        let (size, off) = stream.code(step as f32);
        bytes += size;
        errors.extend(off);
    }
    (bytes, errors.iter().sum::<f64>() / errors.len() as f64)
}

/// Bytes at the error that is asked for, or a little less. The error is close to a power of the step, which tells
/// where to divide the bracket.
fn bytes_at(streams: &[Stream], target: f64) -> usize {
    let (mut low, mut high) = ((0.1_f64, rdo(streams, 0.1).1), (2.5_f64, rdo(streams, 2.5).1));
    assert!(low.1 < target && target < high.1, "an error of {target} is not between {low:?} and {high:?}");
    for _ in 0..20 {
        let along = (target * 0.997 / low.1).ln() / (high.1 / low.1).ln();
        let step = low.0 * (high.0 / low.0).powf(along.clamp(0.02, 0.98));
        let (bytes, error) = rdo(streams, step);
        if (0.99..=1.0).contains(&(error / target)) {
            return bytes;
        }
        *(if error < target { &mut low } else { &mut high }) = (step, error);
    }
    panic!("no step has an error of {target}");
}

/// Bytes of rdo over those of turbo with 4, 3 and 2 bits, at the error of turbo.
fn ratios(groups: &[&[u32]]) -> [f64; 3] {
    let streams: Vec<Stream> = groups.iter().map(|layers| Stream::new(layers)).collect();
    [4, 3, 2].map(|bits| {
        let (bytes, error) = turbo(bits);
        let ratio = bytes_at(&streams, error) as f64 / bytes as f64;
        println!("{} a row, {bits} bits: {ratio:.4} of the bytes at an error of {error:.5}", groups[0].len());
        ratio
    })
}

#[test]
fn a_layer_a_row_takes_less_than_half_of_turbo() {
    let limits = [0.43, 0.33, 0.22];
    let ratios = ratios(&LAYERS.each_ref().map(std::slice::from_ref));
    assert!(
        ratios.iter().zip(limits).all(|(ratio, limit)| *ratio <= limit),
        "{ratios:?}, at most {limits:?}"
    );
}

#[test]
fn three_layers_a_row_take_less_than_one() {
    let limits = [0.36, 0.26, 0.16];
    let ratios = ratios(&[&LAYERS[..3], &LAYERS[3..]]);
    assert!(
        ratios.iter().zip(limits).all(|(ratio, limit)| *ratio <= limit),
        "{ratios:?}, at most {limits:?}"
    );
}

/// Coefficients of rows without rotary embedding and with gains, in binary64.
fn coefficients(stream: &Stream, rows: &Joined) -> Vec<f64> {
    let plain: Vec<Segment> =
        stream.layout.segments().iter().map(|s| Segment { gain: 1.0, ..s.clone() }).collect();
    let mut y = Vec::new();
    let (mean, basis) = (stream.skeleton.mean(), stream.skeleton.basis());
    for (row, &position) in rows.rows.chunks(rows.dim).zip(&rows.positions) {
        let mut x = Vec::new();
        for ((segment, values), gain) in
            plain.iter().zip(row.chunks(HEAD_DIM)).zip(stream.layout.segments().iter().map(|s| s.gain))
        {
            let turned = segment.rope.as_ref().map_or(values.to_vec(), |rope| turn(rope, -position, values));
            x.extend(turned.iter().map(|x| f64::from(*x) * f64::from(gain)));
        }
        let deviation: Vec<f64> = x.iter().zip(mean).map(|(x, mean)| x - f64::from(*mean)).collect();
        y.extend(
            basis
                .chunks(rows.dim)
                .map(|axis| axis.iter().zip(&deviation).map(|(t, x)| f64::from(*t) * x).sum::<f64>()),
        );
    }
    y
}

/// A segment turned by `position`.
fn turn(rope: &Rope, position: i32, values: &[f32]) -> Vec<f32> {
    assert_eq!(rope.pairing, Pairing::Interleaved);
    let mut out = values.to_vec();
    for (pair, frequency) in out.chunks_mut(2).zip(&rope.inv_freq) {
        let (sin, cos) = (f64::from(position) * f64::from(*frequency)).sin_cos();
        let (a, b) = (f64::from(pair[0]), f64::from(pair[1]));
        (pair[0], pair[1]) = ((a * cos - b * sin) as f32, (a * sin + b * cos) as f32);
    }
    out
}

/// Bits that the rate model gives the values of the test rows, quantised here once more from the definition.
fn ideal_bits(stream: &Stream, y: &[f64], step: f32, per_run: usize) -> f64 {
    let (model, dim, delta) = (Model::new(false).unwrap(), stream.test.dim, f64::from(step));
    let variances = stream.skeleton.variances();
    let base: Vec<i32> = variances.iter().map(|v| log2_eighths(v.sqrt()) - log2_eighths(step)).collect();
    let value = |y: f64| ((y.abs() / delta + 0.375).floor() * y.signum()) as i32;
    let mut bits = 0.0;
    for run in y.chunks(per_run * dim) {
        let last = |row: &[f64]| row.iter().rposition(|&y| value(y) != 0).map_or(0, |last| last + 1);
        let live = run.chunks(dim).map(last).max().unwrap();
        for row in run.chunks(dim) {
            let noise = delta * delta / 12.0;
            let whitened = row.iter().zip(variances).map(|(y, v)| y * y / (f64::from(*v) + noise));
            let usual = variances.iter().map(|v| f64::from(*v) / (f64::from(*v) + noise));
            let energy = whitened.sum::<f64>() / usual.sum::<f64>();
            let gain = (2.0 * energy.log2()).round().clamp(-8.0, 7.0) as i32;
            let cost = |j: usize| f64::from(model.cost(0, Bin::of(base[j] + 2 * gain), value(row[j])));
            bits += (0..live).map(cost).sum::<f64>();
        }
    }
    bits
}

#[test]
fn runs_are_as_long_as_the_rate_model_says() {
    let stream = Stream::new(&LAYERS[3..4]);
    let (n, y) = (stream.test.positions.len(), coefficients(&stream, &stream.test));
    for per_run in [128, 512] {
        for step in [0.2, 0.5, 1.2] {
            let codec = stream.codec(Settings { rows_per_run: per_run as u32, ..stepped(step) });
            let block = encode(&codec, &stream.test.rows, side(&stream.test)).unwrap();
            let run_bytes = block.len() - HEADER_BYTES - n / 2 - 4 * n / per_run;
            let ratio = 8.0 * run_bytes as f64 / ideal_bits(&stream, &y, step, per_run);
            println!("runs of {per_run}, step {step}: {ratio:.4} of the ideal length");
            assert!((0.999..=1.015).contains(&ratio), "runs of {per_run}, step {step}: {ratio}");
        }
    }
}

/// The report of a fit against a block of the rows that were fitted: the fit codes some of them.
#[test]
fn the_fit_predicts_what_its_rows_cost() {
    for layer in [LAYERS[0], LAYERS[2], LAYERS[4]] {
        let stream = Stream::new(&[layer]);
        for step in [0.2, 0.5, 1.0] {
            let settings = stepped(step);
            let (skeleton, report) = fit(&settings, &stream.layout, &stream.train.rows, side(&stream.train));
            assert_eq!(skeleton.basis(), stream.skeleton.basis(), "the step changes no basis");
            let codec = stream.codec(settings);
            let block = encode(&codec, &stream.train.rows, side(&stream.train)).unwrap();
            let FitReport { predicted_bpv, predicted_error, .. } = report;
            let bytes = predicted_bpv * stream.train.rows.len() as f64 / (8.0 * block.len() as f64);
            // The certificate is the error of the rows as they are fitted; that it is true is tested elsewhere.
            let error = predicted_error / f64::from(verify(&block).unwrap().certified_error);
            println!("layer {layer}, step {step}: {bytes:.3} of the bytes, {error:.3} of the error");
            assert!((bytes - 1.0).abs() <= 0.05, "layer {layer}, step {step}: {bytes} of the bytes");
            assert!((error - 1.0).abs() <= 0.05, "layer {layer}, step {step}: {error} of the error");
        }
    }
}

/// A context shift: rows come back at any positions, as if they had been turned there after decoding.
#[test]
fn rows_decode_at_other_positions() {
    let stream = Stream::new(&LAYERS[1..2]);
    let codec = stream.codec(stepped(0.3));
    let mut protect = vec![0; stream.test.positions.len()];
    protect[..4].fill(1);
    let block =
        encode(&codec, &stream.test.rows, Side { protect: Some(&protect), ..side(&stream.test) }).unwrap();
    let at = |positions: &[i32]| decode(&codec, &block, Some(positions)).unwrap();
    let start = at(&vec![0; protect.len()]);
    for shift in [-512, 0, 1, 100_000] {
        let positions: Vec<i32> = stream.test.positions.iter().map(|position| position + shift).collect();
        let back = at(&positions);
        for ((back, start), &position) in
            back.chunks(stream.test.dim).zip(start.chunks(stream.test.dim)).zip(&positions)
        {
            let segments = back.chunks(HEAD_DIM).zip(start.chunks(HEAD_DIM)).zip(stream.layout.segments());
            for ((back, start), segment) in segments {
                let turned = segment.rope.as_ref().map_or(start.to_vec(), |rope| turn(rope, position, start));
                let size = common::largest_error(&turned, &vec![0.0; HEAD_DIM]);
                assert!(common::largest_error(&turned, back) <= 2e-6 * size, "position {position}");
            }
        }
    }
}
