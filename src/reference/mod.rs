//! The codec written plainly: one row at a time, in binary64, every stage by its definition.
//!
//! Read this to learn what is computed. It covers all three presets, and it shares only the published tables
//! with the kernel: `docs/lloyd-max.tsv` and `docs/rate-tables.tsv`. It is slow. The kernel computes the same
//! with integers, vectors and binary32, and tests compare it with this code.
//!
//! A row `x` of `dim` coordinates, its rotary embeddings undone and its segments times their gains, becomes
//! `rank` coefficients in the same units:
//!
//! ```text
//! x ── T(x − μ) ──► y ── − t·c ──► r ── quantiser ──► integers, and a few numbers for the row
//! ```
//!
//! | preset | T, μ | centres c | quantiser | module |
//! |---|---|---|---|---|
//! | turbo | identity | none | rotation, then Lloyd–Max levels, the same for all components | `fixed` |
//! | kakeya | PCA, reduced rank | K-means | as turbo | `fixed` |
//! | rdo with bits | PCA, full rank | K-means | Lloyd–Max levels, bits where the variance is | `fixed` |
//! | rdo with a step | PCA, full rank | K-means | uniform steps, entropy-coded | `stepped` |
//!
//! With a query metric `T` is not orthonormal: it stretches the directions that queries look along, so that
//! an error of a coefficient counts what it does to their logits.
//!
//! ```
//! use kakeyaturbo::reference::{Reference, PlainStepped, certified_error};
//! use kakeyaturbo::{Fitter, NormMode, Params, Preset, RateControl, Settings, Skeleton};
//!
//! // 64 rows of 4 coordinates; most of their variance lies in one direction.
//! let rows: Vec<f32> = (0..256).map(|i| ((i / 4 * 29) % 61) as f32 - 30.0 + ((i * 7) % 5) as f32).collect();
//! let x = &rows[..4];
//!
//! // Turbo: a scale and four symbols of 4 bits.
//! let identity = Skeleton::identity(4);
//! let turbo = Reference { skeleton: &identity, seed: 7, bits: 4 };
//! let code = turbo.encode(x, NormMode::LeastSquares);
//! assert!(code.symbols.iter().all(|&symbol| symbol < 16));
//! let back = turbo.decode(&code);
//! assert!(certified_error(&identity, NormMode::LeastSquares, [(x, &back[..], 1.0)]) < 0.01);
//!
//! // Rdo with a step of 1/2: four values, and what a perfect entropy coder would spend on them.
//! let step = 0.5;
//! let rdo = Settings { preset: Preset::Rdo, rate_control: RateControl::Step, step, ..Settings::default() };
//! let mut fitter = Fitter::new(4, &Params::new(rdo)?)?;
//! fitter.add(&rows, &[1.0; 64]);
//! let (skeleton, _) = fitter.finish()?;
//! let stepped = PlainStepped::new(&skeleton, step, false);
//! let code = stepped.encode(x, 0).expect("values are small");
//! let back = stepped.decode(&code);
//! let off: f64 = x.iter().zip(&back).map(|(&x, back)| (f64::from(x) - back).powi(2)).sum();
//! assert!(off.sqrt() <= 2.0 * 0.63 * f64::from(step), "no coefficient is off by more than 5/8 of a step");
//! assert!(stepped.bits(&code, 4) < 32.0);
//! # Ok::<(), kakeyaturbo::Error>(())
//! ```

mod allocation;
mod fixed;
mod range;
mod rate;
mod rotation;
mod stepped;
mod trellis;

pub use fixed::{Allocated, Code, Reference, levels};
pub use stepped::{PlainStepped, SteppedCode, row_steps};

use crate::distortion::NormMode;
use crate::skeleton::Skeleton;

/// Index of a centre and how far the row goes along it, as rounded for storage; `None` without centres.
pub type Centre = Option<(usize, f64)>;

/// What a block states in its header about the error of its coded rows: `(x, x̂, weight)` each.
///
/// With [`NormMode::Search`] (LInf) it is the largest `|x − x̂|`, else `Σ w·‖x − x̂‖² / Σ w·‖x‖²`, and 0 if
/// no row has both weight and length. Inner products take both lengths under the query metric, `‖e‖ = ‖Te‖`:
/// that is the error which the queries see.
pub fn certified_error<'r>(
    skeleton: &Skeleton,
    mode: NormMode,
    rows: impl IntoIterator<Item = (&'r [f32], &'r [f64], f32)>,
) -> f64 {
    let in_metric = mode == NormMode::Unbiased && skeleton.has_metric();
    let square = |e: &[f64]| -> f64 {
        let of = |e: &[f64]| e.iter().map(|e| e * e).sum();
        if in_metric { of(&times(skeleton.transform(), e)) } else { of(e) }
    };
    let (mut lost, mut energy, mut worst) = (0.0, 0.0, 0.0_f64);
    for (x, back, weight) in rows {
        let x = exact(x);
        let off: Vec<f64> = x.iter().zip(back).map(|(x, back)| x - back).collect();
        lost += f64::from(weight) * square(&off);
        energy += f64::from(weight) * square(&x);
        worst = off.iter().fold(worst, |worst, off| worst.max(off.abs()));
    }
    match mode {
        NormMode::Search => worst,
        _ if energy > 0.0 => lost / energy,
        _ => 0.0,
    }
}

/// `y = T(x − μ)`, `[rank]`.
fn project(skeleton: &Skeleton, x: &[f32]) -> Vec<f64> {
    if skeleton.is_identity() {
        return exact(x);
    }
    let deviation: Vec<f64> =
        x.iter().zip(skeleton.mean()).map(|(&x, &mean)| f64::from(x) - f64::from(mean)).collect();
    times(skeleton.transform(), &deviation)
}

/// `x = μ + Bᵀy`, `[dim]`. The basis `B`, `[rank, dim]`, is `T`, or with a query metric the inverse of `Tᵀ`.
fn rebuild(skeleton: &Skeleton, y: &[f64]) -> Vec<f64> {
    if skeleton.is_identity() {
        return y.to_vec();
    }
    let mut x = exact(skeleton.mean());
    for (axis, y) in skeleton.basis().chunks(skeleton.dim()).zip(y) {
        for (x, &b) in x.iter_mut().zip(axis) {
            *x += y * f64::from(b);
        }
    }
    x
}

/// The centre `c` with the largest `|⟨y,c⟩|`, which is the one that leaves the least of `y`, and `t = ⟨y,c⟩`.
///
/// `t` is stored on a logarithmic scale: eighths of an octave below the peak, the largest `|t|` of any row
/// that was fitted. What is nearer to the step below the last of 127 is 0.
fn nearest_centre(skeleton: &Skeleton, y: &[f64]) -> Centre {
    let product = |index: usize| y.iter().zip(centre(skeleton, index)).map(|(y, c)| y * c).sum::<f64>();
    let products = (0..skeleton.n_centres()).map(|index| (index, product(index)));
    let (index, t) = products.min_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()))?;
    let peak = f64::from(skeleton.reach().peak());
    let eighths = (8.0 * (t.abs() / peak).log2()).round().min(0.0);
    let t = if eighths < -126.0 { 0.0 } else { (peak * (eighths / 8.0).exp2()).copysign(t) };
    Some((index, t))
}

/// `t·c`, what its centre predicts of a row, `[rank]`; zeros without one.
fn prediction(skeleton: &Skeleton, along: Centre) -> Vec<f64> {
    match along {
        Some((index, t)) => centre(skeleton, index).map(|c| t * c).collect(),
        None => vec![0.0; skeleton.rank()],
    }
}

/// `y − t·c` for the row `x`, which is what is quantised, and the centre.
fn residual(skeleton: &Skeleton, x: &[f32]) -> (Vec<f64>, Centre) {
    let y = project(skeleton, x);
    let centre = nearest_centre(skeleton, &y);
    (y.iter().zip(prediction(skeleton, centre)).map(|(y, predicted)| y - predicted).collect(), centre)
}

/// The row of a decoded residual.
fn restore(skeleton: &Skeleton, residual: &[f64], centre: Centre) -> Vec<f64> {
    let y: Vec<f64> = residual.iter().zip(prediction(skeleton, centre)).map(|(r, p)| r + p).collect();
    rebuild(skeleton, &y)
}

/// Centre `index`, a unit vector `[rank]`.
fn centre(skeleton: &Skeleton, index: usize) -> impl Iterator<Item = f64> {
    let rank = skeleton.rank();
    skeleton.centres()[index * rank..(index + 1) * rank].iter().map(|&c| f64::from(c))
}

/// `Mv` for a matrix in row-major order.
fn times(matrix: &[f32], v: &[f64]) -> Vec<f64> {
    matrix.chunks(v.len()).map(|row| row.iter().zip(v).map(|(&m, v)| f64::from(m) * v).sum()).collect()
}

fn exact(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}
