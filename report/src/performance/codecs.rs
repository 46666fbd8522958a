//! Codecs and their rivals: speed by width and size, single rows, batches, cold starts, instructions.

use comfy_table::Table;

use super::Measurement;
use super::cells::{distinct, kib, micros, millions, of, text, three, title};
use crate::markdown::table;

pub(super) fn machine(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let cores = m.cores.map_or(String::new(), |cores| cores.to_string());
        vec![
            m.name.clone(),
            cores,
            m.tier.clone().unwrap_or_default(),
            m.openblas.clone().unwrap_or_default(),
        ]
    };
    let header = ["processor", "cores", "tier", "kernels of OpenBLAS"];
    table(&header, of(all, "machine").map(row).collect(), 1)
}

/// A row per codec and rival, a column per width: millions of values per second.
pub(super) fn speed(all: &[Measurement], op: &str) -> Table {
    let is =
        |m: &&Measurement| m.op == op || m.op == "copy" || (m.op == "product" && m.name.contains("OpenBLAS"));
    let shown: Vec<&Measurement> = of(all, "speed").filter(is).collect();
    let widths = distinct(shown.iter().filter_map(|m| m.d));
    let row = |name: String| {
        let same: Vec<&&Measurement> = shown.iter().filter(|m| title(m) == name).collect();
        let bpv = same.last().and_then(|m| m.bpv);
        let cells = widths
            .iter()
            .map(|&d| text(same.iter().find(|m| m.d == Some(d)).and_then(|m| m.values_per_s), millions));
        let mut row = vec![name.clone(), text(bpv, |bpv| format!("{bpv:.2}"))];
        row.extend(cells);
        row
    };
    let header: Vec<String> = ["codec", "bpv"]
        .map(str::to_owned)
        .into_iter()
        .chain(widths.iter().map(|d| format!("d = {d}")))
        .collect();
    table(&header, distinct(shown.iter().map(|m| title(m))).into_iter().map(row).collect(), 1)
}

/// Every codec of this library against ggml's q4_0 and against the f32 product.
pub(super) fn ratios(all: &[Measurement]) -> Table {
    let own = |m: &&Measurement| m.name.starts_with("turbo") || m.name == "rdo";
    let shown: Vec<&Measurement> = of(all, "speed").filter(own).collect();
    let widths = distinct(shown.iter().filter_map(|m| m.d));
    let rows = distinct(shown.iter().map(|m| (title(m), m.op.clone()))).into_iter().map(|(name, op)| {
        let mut row = vec![name.clone(), op.clone()];
        row.extend(widths.iter().map(|&d| {
            let found = shown.iter().find(|m| title(m) == name && m.op == op && m.d == Some(d));
            let both = found.and_then(|m| Some((m.ratio_to_q4_0?, m.ratio_to_bound?)));
            both.map_or(String::new(), |(q4_0, bound)| format!("{q4_0:.2} / {bound:.2}"))
        }));
        row
    });
    let header: Vec<String> = ["codec", "direction"]
        .map(str::to_owned)
        .into_iter()
        .chain(widths.iter().map(|d| format!("d = {d}")))
        .collect();
    table(&header, rows.collect(), 2)
}

pub(super) fn products(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let d = m.d.map_or(String::new(), |d| d.to_string());
        vec![m.name.clone(), d, text(m.gflops, three), text(m.values_per_s, millions)]
    };
    let header = ["product", "d", "GFLOP/s", "million values/s"];
    table(&header, of(all, "speed").filter(|m| m.op == "product").map(row).collect(), 1)
}

pub(super) fn growth(all: &[Measurement]) -> Table {
    let shown: Vec<&Measurement> = of(all, "growth").collect();
    let sizes = distinct(shown.iter().filter_map(|m| m.n));
    let keys = distinct(shown.iter().map(|m| (m.name.clone(), m.d, m.op.clone())));
    let rows = keys.into_iter().map(|(name, d, op)| {
        let mut row = vec![name.clone(), d.map_or(String::new(), |d| d.to_string()), op.clone()];
        row.extend(sizes.iter().map(|&n| {
            let found = shown.iter().find(|m| (&m.name, m.d, &m.op, m.n) == (&name, d, &op, Some(n)));
            text(found.and_then(|m| m.values_per_s), millions)
        }));
        row
    });
    let header: Vec<String> = ["codec", "d", "direction"]
        .map(str::to_owned)
        .into_iter()
        .chain(sizes.iter().map(|n| format!("n = {n}")))
        .collect();
    table(&header, rows.collect(), 3)
}

pub(super) fn access(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let first = m.first.unwrap_or(0);
        let rows = match m.n {
            Some(1) => format!("{first}"),
            n => format!("{first} to {}", first + n.unwrap_or(1) - 1),
        };
        let d = m.d.map_or(String::new(), |d| d.to_string());
        vec![
            m.name.clone(),
            d,
            rows,
            text(m.seconds, micros),
            text(m.entropy_seconds, micros),
            text(m.row_seconds, micros),
            text(m.ratio_to_limit, |x| format!("{x:.2}")),
        ]
    };
    let header = ["codec", "d", "rows of the run", "µs", "entropy, µs", "a transform, µs", "÷ limit"];
    table(&header, of(all, "access").map(row).collect(), 1)
}

pub(super) fn threads(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let number = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
        let ratio = text(m.ratio_to_one_thread, |x| format!("{x:.2}"));
        vec![
            m.name.clone(),
            m.op.clone(),
            number(m.d),
            number(m.threads),
            text(m.values_per_s, millions),
            ratio,
        ]
    };
    let header = ["codec", "call", "d", "threads", "million values/s", "÷ 1 thread"];
    table(&header, of(all, "threads").map(row).collect(), 2)
}

pub(super) fn cold(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let d = m.d.map_or(String::new(), |d| d.to_string());
        let sizes = [m.skeleton_bytes, m.workspace_bytes, m.bound_bytes].map(|bytes| text(bytes, kib));
        [vec![m.name.clone(), d, text(m.seconds, micros)], sizes.into()].concat()
    };
    let header = ["codec", "d", "ready after, µs", "skeleton, KiB", "workspace, KiB", "largest block, KiB"];
    table(&header, of(all, "cold").map(row).collect(), 1)
}

pub(super) fn instructions(all: &[Measurement]) -> Table {
    let shown: Vec<&Measurement> = of(all, "instructions").collect();
    let tiers = distinct(shown.iter().filter_map(|m| m.tier.clone()));
    let rows = distinct(shown.iter().map(|m| m.name.clone())).into_iter().map(|name| {
        let mut row = vec![name.clone()];
        row.extend(tiers.iter().map(|tier| {
            let found = shown.iter().find(|m| m.name == name && m.tier.as_ref() == Some(tier));
            text(found.and_then(|m| m.instructions_per_value), three)
        }));
        row
    });
    let header: Vec<String> = std::iter::once("case".to_owned()).chain(tiers.iter().cloned()).collect();
    table(&header, rows.collect(), 1)
}
