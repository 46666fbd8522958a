//! What a higher effort of the encoder buys: the trellis against the plain quantiser, on normal rows and real ones.

mod common;

use common::blocks::{Side, decode, encode, fit, of_layout, stepped};
use common::{normal, relative_error};
use kakeyaturbo::layout::Layout;
use kakeyaturbo::{Codec, Objective, Settings};

const DIM: usize = 256;
const ROWS: usize = 1024;

/// A codec for normal rows of unit variance at a step.
fn for_normal_rows(step: f32, effort: u32) -> Codec {
    let layout = Layout::plain(DIM).unwrap();
    let settings = Settings { effort, rows_per_run: 512, ..stepped(step) };
    let skeleton = fit(&settings, &layout, &normal(4 * ROWS * DIM, 70), Side::default()).0;
    of_layout(settings, Objective::Mse, layout, Some(skeleton))
}

/// Bits per value, every byte counted, and the relative error.
fn measure(codec: &Codec, rows: &[f32]) -> (f64, f64) {
    let block = encode(codec, rows, Side::default()).unwrap();
    let back = decode(codec, &block, None).unwrap();
    (8.0 * block.len() as f64 / rows.len() as f64, relative_error(rows, &back))
}

/// The error at a rate that lies between those of two steps, on the line between their logarithms.
fn error_at(rate: f64, steps: [f32; 2], effort: u32, rows: &[f32]) -> f64 {
    let [fine, coarse] = steps.map(|step| measure(&for_normal_rows(step, effort), rows));
    assert!(coarse.0 <= rate && rate <= fine.0, "{coarse:?} {fine:?}");
    let along = (rate - fine.0) / (coarse.0 - fine.0);
    (fine.1.ln() + along * (coarse.1.ln() - fine.1.ln())).exp()
}

/// The bound of rate–distortion theory at 2 bits is 0.0625; a uniform quantiser with ideal entropy coding is at 0.0889.
#[test]
fn normal_rows_at_two_bits() {
    let rows = normal(ROWS * DIM, 71);
    let plain = error_at(2.0, [0.94, 1.02], 0, &rows);
    let trellis = error_at(2.0, [1.06, 1.18], 1, &rows);
    println!("two bits: {plain:.4} plain, {trellis:.4} with the trellis");
    assert!(plain <= 0.094, "{plain}");
    assert!(trellis <= 0.077, "{trellis}");
}
