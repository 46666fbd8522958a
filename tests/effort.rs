//! What a higher effort of the encoder buys: the trellis against the plain quantiser, on normal rows and real ones.

mod common;

use common::blocks::{Side, decode, encode, fit, of_layout, stepped};
use common::{Joined, fixture, normal, relative_error};
use kakeyaturbo::Layout;
use kakeyaturbo::{Codec, Objective, Settings, Skeleton};

const DIM: usize = 512;
const ROWS: usize = 2048;

/// The skeleton of normal rows of unit variance: enough of them that it is not their chance that it fits.
fn of_normal_rows() -> Skeleton {
    let rows = normal(20 * ROWS * DIM, 70);
    fit(&stepped(1.0), &Layout::plain(DIM).unwrap(), &rows, Side::default()).0
}

fn at_step(skeleton: &Skeleton, step: f32, effort: u32) -> Codec {
    let settings = Settings { effort, rows_per_run: 2048, ..stepped(step) };
    of_layout(settings, Objective::Mse, Layout::plain(DIM).unwrap(), Some(skeleton.clone()))
}

/// Bits per value, every byte counted, and the relative error.
fn measure(codec: &Codec, rows: &[f32]) -> (f64, f64) {
    let block = encode(codec, rows, Side::default()).unwrap();
    let back = decode(codec, &block, None).unwrap();
    (8.0 * block.len() as f64 / rows.len() as f64, relative_error(rows, &back))
}

/// The error at a rate that lies between those of two steps, on the line between their logarithms.
fn error_at(rate: f64, steps: [f32; 2], skeleton: &Skeleton, effort: u32, rows: &[f32]) -> f64 {
    let [fine, coarse] = steps.map(|step| measure(&at_step(skeleton, step, effort), rows));
    println!("effort {effort}: {fine:?}, {coarse:?}");
    assert!(coarse.0 <= rate && rate <= fine.0, "{coarse:?} {fine:?}");
    let along = (rate - fine.0) / (coarse.0 - fine.0);
    (fine.1.ln() + along * (coarse.1.ln() - fine.1.ln())).exp()
}

/// The bound of rate–distortion theory at 2 bits is 0.0625; a uniform quantiser with ideal entropy coding is at 0.0889.
#[test]
fn normal_rows_at_two_bits() {
    let rows = normal(ROWS * DIM, 71);
    let skeleton = of_normal_rows();
    let plain = error_at(2.0, [0.96, 1.0], &skeleton, 0, &rows);
    let trellis = error_at(2.0, [1.14, 1.24], &skeleton, 1, &rows);
    println!("two bits: {plain:.4} plain, {trellis:.4} with the trellis");
    assert!(plain <= 0.094, "{plain}");
    assert!(trellis <= 0.078, "{trellis}");
}

/// On joined KV rows of a layer, at the error of turbo with 4 and 3 bits, the trellis takes fewer bytes.
#[test]
fn real_rows_at_equal_error() {
    let file = |name: &str| fixture(&format!("smollm2-135m-{name}.safetensors"));
    let [train, test] = ["train", "test"].map(|name| Joined::read(&file(name), &[15]));
    let layout = Layout::plain(train.dim).unwrap();
    let skeleton = fit(&stepped(1.0), &layout, &train.rows, Side::default()).0;
    let measure = |step: f32, effort: u32| {
        let settings = Settings { effort, rows_per_run: 512, ..stepped(step) };
        let codec = of_layout(settings, Objective::Mse, layout.clone(), Some(skeleton.clone()));
        measure(&codec, &test.rows)
    };
    for (step, saved) in [(0.3, 0.04), (0.6, 0.05), (1.2, 0.07)] {
        let plain = measure(step, 0);
        // The error of the trellis between those of two steps, and the rate on the line between them.
        let steps = [1.0, 1.08, 1.16, 1.24, 1.32, 1.4].map(|more| measure(step * more, 1));
        let pair = steps.windows(2).find(|pair| pair[0].1 <= plain.1 && plain.1 <= pair[1].1);
        let [fine, coarse] = pair.expect("a step with that error") else { unreachable!() };
        let along = (plain.1 / fine.1).ln() / (coarse.1 / fine.1).ln();
        let rate = fine.0 + along * (coarse.0 - fine.0);
        println!("error {:.5}: {:.4} bits plain, {rate:.4} with the trellis", plain.1, plain.0);
        assert!(rate <= plain.0 * (1.0 - saved), "step {step}: {rate} against {}", plain.0);
    }
}
