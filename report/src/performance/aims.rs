//! What is aimed at, and whether it is met.

use comfy_table::Table;

use super::Measurement;
use super::cells::three;
use crate::markdown::table;

/// A row of the aims: what, for which measurements, which of their numbers, and how large it should be.
type Aim =
    (&'static str, fn(&Measurement) -> bool, fn(&Measurement) -> Option<f64>, fn(f64) -> bool, &'static str);

/// What is aimed at, and what was measured.
pub(super) fn aims(all: &[Measurement]) -> Table {
    fn speed(m: &Measurement, name: &str, op: &str, ds: &[usize]) -> bool {
        m.suite == "speed"
            && (m.name.as_str(), m.op.as_str()) == (name, op)
            && m.d.is_some_and(|d| ds.contains(&d))
    }
    let list: [Aim; 7] = [
        (
            "turbo 4 bits, decode, ÷ ggml q4_0",
            |m| speed(m, "turbo 4 bits", "decode", &[128, 256]),
            |m| m.ratio_to_q4_0,
            |x| x >= 1.0,
            "≥ 1",
        ),
        (
            "turbo 4 bits, encode, ÷ ggml q4_0",
            |m| speed(m, "turbo 4 bits", "encode", &[128, 256]),
            |m| m.ratio_to_q4_0,
            |x| x >= 1.0,
            "≥ 1",
        ),
        (
            "rdo, decode, ÷ f32 product",
            |m| speed(m, "rdo", "decode", &[512]) && m.dtype.as_deref() == Some("f16"),
            |m| m.ratio_to_bound,
            |x| x >= 1.0,
            "≥ 1",
        ),
        (
            "rdo, encode, ÷ f32 product",
            |m| speed(m, "rdo", "encode", &[512]) && m.dtype.as_deref() == Some("f16"),
            |m| m.ratio_to_bound,
            |x| x >= 0.5,
            "≥ 0.5",
        ),
        (
            "one row, ÷ entropy decoding of its run and two transforms",
            |m| m.suite == "access" && m.ratio_to_limit.is_some(),
            |m| m.ratio_to_limit,
            |x| x <= 1.0,
            "≤ 1",
        ),
        (
            "batch on 2 threads, ÷ 1 thread",
            |m| m.suite == "threads" && m.threads == Some(2) && m.op.ends_with("batch"),
            |m| m.ratio_to_one_thread,
            |x| x >= 1.85,
            "≥ 1.85",
        ),
        (
            "restoring, times faster than prefilling",
            |m| m.suite == "sessions",
            |m| m.ratio_to_prefill,
            |x| x >= 20.0,
            "≥ 20",
        ),
    ];
    let rows = list.into_iter().flat_map(|(what, is_it, number, met, aim)| {
        all.iter().filter(move |m| is_it(m)).filter_map(move |m| {
            let of = match (m.suite.as_str(), &m.rows) {
                ("sessions", Some(rows)) => format!("{}, rows: {rows}", m.name),
                ("threads", _) => format!("{}, {}", m.name, m.op),
                ("speed", _) => {
                    let (d, dtype) = (m.d.unwrap_or_default(), m.dtype.as_deref().unwrap_or_default());
                    format!("d = {d}, {dtype}")
                }
                _ => m.d.map_or(String::new(), |d| format!("d = {d}")),
            };
            let measured = number(m)?;
            let mark = if met(measured) { "yes" } else { "no" };
            Some(vec![what.to_owned(), of, aim.to_owned(), three(measured), mark.to_owned()])
        })
    });
    table(&["what", "of", "aim", "measured", "met"], rows.collect(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_say_whether_they_are_met() {
        let rdo = |op: &str, ratio| Measurement {
            suite: "speed".into(),
            name: "rdo".into(),
            op: op.into(),
            dtype: Some("f16".into()),
            d: Some(512),
            ratio_to_bound: Some(ratio),
            ..Measurement::default()
        };
        let table = aims(&[rdo("decode", 0.9), rdo("encode", 0.9)]).to_string();
        let met = |what: &str| {
            table.lines().find(|line| line.contains(what)).unwrap().trim_end().ends_with("yes |")
        };
        assert!(!met("rdo, decode") && met("rdo, encode"), "{table}");
    }
}
