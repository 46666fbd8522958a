//! The blocks of preset rdo.

use super::super::blocks::stepped;
use super::super::clustered;
use super::{Case, falling};
use kakeyaturbo::Layout;
use kakeyaturbo::{NanPolicy, Objective, RateControl, Settings};

fn at_step(name: &str, step: f32, rows: Vec<f32>) -> Case {
    let settings = Settings { rows_per_run: 7, ..stepped(step) };
    Case { skeleton: Some("falling.kks"), ..Case::new(name, settings, 19, rows) }
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = by_rows();
    set_options(&mut cases);
    cases.extend(with_centres());
    cases
}

/// One for each kind of rows, and for each option that the name says.
fn by_rows() -> Vec<Case> {
    // Rows 100 times as long as those of the fit need escapes; a step far below all deviations, low bits.
    let mut outliers = falling(17, 31);
    outliers[3 * 19..5 * 19].iter_mut().for_each(|x| *x *= 100.0);
    // From rows whose points are 64ths of a step over those of eighths to rows that are wide, by their points and by
    // their units.
    let mut wide = falling(12, 44);
    let scales = [1.0, 30.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 1e6, 3e6, 0.0, 1e-9];
    wide.chunks_exact_mut(19).zip(scales).for_each(|(row, scale)| row.iter_mut().for_each(|x| *x *= scale));
    let mut not_finite = falling(9, 45);
    (not_finite[2 * 19 + 3], not_finite[7 * 19]) = (f32::NAN, f32::NEG_INFINITY);
    vec![
        at_step("rdo-runs-mse", 0.5, falling(23, 30)),
        at_step("rdo-outliers-mse", 0.5, outliers),
        at_step("rdo-low-bits-mse", 0.01, falling(7, 32)),
        at_step("rdo-coarse-mse", 50.0, falling(9, 33)),
        at_step("rdo-weights-mse", 0.5, falling(20, 34)),
        at_step("rdo-protected-mse", 0.5, falling(20, 35)),
        at_step("rdo-raw-block-mse", 1e-7, falling(5, 36)),
        at_step("rdo-trellis-mse", 0.5, falling(23, 37)),
        at_step("rdo-trellis-fine-mse", 0.01, falling(7, 38)),
        at_step("rdo-max-bytes-mse", 1.0, falling(23, 39)),
        at_step("rdo-bits-mse", 1.0, falling(11, 40)),
        at_step("rdo-metric-ip", 0.5, falling(23, 43)),
        at_step("rdo-wide-mse", 0.5, wide.clone()),
        at_step("rdo-wide-trellis-linf", 0.5, wide),
        at_step("rdo-huge-mse", 1e16, falling(5, 46).iter().map(|x| x * 1e20).collect()),
        at_step("rdo-one-row-ip", 0.25, falling(1, 47)),
        at_step("rdo-not-finite-mse", 0.5, not_finite),
        at_step("rdo-bound-linf", 0.5, falling(20, 48)),
        at_step("rdo-no-checksum-mse", 0.5, falling(8, 49)),
        at_step("rdo-max-bytes-trellis-mse", 1.0, falling(16, 50)),
        at_step("rdo-bits-linf", 1.0, falling(6, 51)),
        at_step("rdo-bits-protected-ip", 1.0, falling(6, 52)),
    ]
}

/// Changes the cases whose names contain `name`.
fn change(cases: &mut [Case], name: &str, change: impl Fn(&mut Case)) {
    let found = cases.iter_mut().filter(|case| case.name.contains(name));
    assert!(found.map(change).count() > 0, "{name}");
}

/// What the names say.
fn set_options(cases: &mut [Case]) {
    change(cases, "trellis", |case| case.settings.effort = 1);
    change(cases, "max-bytes", |case| {
        let settings = &mut case.settings;
        (settings.rate_control, settings.step, settings.max_bytes) = (RateControl::MaxBytes, 0.0, 300);
    });
    change(cases, "rdo-bits", |case| {
        let settings = &mut case.settings;
        (settings.rate_control, settings.step, settings.bits) = (RateControl::Bits, 0.0, 2.3);
    });
    change(cases, "rdo-weights", |case| case.weights = Some((0..20).map(|i| (i % 6) as f32).collect()));
    change(cases, "rdo-protected", |case| case.protect = &[0, 6, 7, 19]);
    change(cases, "bits-protected", |case| {
        (case.protect, case.settings.max_protected, case.settings.bits) = (&[5], 2, 8.0);
    });
    change(cases, "metric", |case| case.skeleton = Some("metric.kks"));
    change(cases, "not-finite", |case| case.settings.nan_policy = NanPolicy::Raw);
    change(cases, "bound", |case| case.settings.max_abs_error = 0.33);
    change(cases, "no-checksum", |case| case.settings.checksum = false);
    change(cases, "-ip", |case| case.objective = Objective::InnerProduct);
    change(cases, "-linf", |case| case.objective = Objective::LInf);
}

/// With K-means.
fn with_centres() -> Vec<Case> {
    let centres = |name, step, rows| {
        let mut case = Case { layout: Layout::plain(12).unwrap(), ..at_step(name, step, rows) };
        (case.skeleton, case.objective) = (Some("stepped-centres.kks"), Objective::LInf);
        case.settings.kmeans_k = 3;
        case
    };
    let rows = clustered((25, 12), 3, 1e-2, 28);
    let mut cases = vec![centres("rdo-centres-linf", 0.01, rows.clone())];
    // So fine that the way along a centre is more than 10^6 points.
    cases.push(centres("rdo-centres-wide-linf", 1e-4, rows[..48].to_vec()));
    let mut case = centres("rdo-centres-trellis-linf", 0.01, rows[..96].to_vec());
    (case.settings.effort, case.weights) = (1, Some((0..8).map(|i| 0.5 + i as f32).collect()));
    cases.push(case);
    let mut case = centres("rdo-bits-centres-linf", 0.01, rows[..96].to_vec());
    (case.settings.rate_control, case.settings.step) = (RateControl::Bits, 0.0);
    cases.push(case);
    cases
}
