//! Sessions of llama.cpp: restored, read again, sent over a link.

use comfy_table::Table;

use super::Measurement;
use super::cells::{distinct, millis, of, text, three};
use crate::markdown::table;

/// Bytes per second of links, and what they are.
const LINKS: [(f64, &str); 5] =
    [(1e7, "0.01 GB/s"), (1e8, "0.1 GB/s"), (1e9, "1 GB/s"), (3e9, "3 GB/s"), (1e10, "10 GB/s")];

pub(super) fn sessions(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let mebi = |bytes: f64| three(bytes / 1_048_576.0);
        let times = [
            m.open_seconds,
            m.seconds,
            m.hash_seconds,
            m.load_seconds,
            m.compress_seconds,
            m.prefill_seconds,
            m.disk_seconds,
        ];
        let mut row =
            vec![m.name.clone(), m.rows.clone().unwrap_or_default(), text(m.bpv, |x| format!("{x:.2}"))];
        row.extend([m.state_bytes, m.session_bytes].map(|bytes| text(bytes, mebi)));
        row.extend(times.map(|seconds| text(seconds, millis)));
        row.push(text(m.ratio_to_prefill, three));
        row
    };
    let header = [
        "model",
        "rows",
        "bpv",
        "state, MiB",
        "session, MiB",
        "open, ms",
        "restore, ms",
        "hash, ms",
        "load, ms",
        "compress, ms",
        "prefill, ms",
        "raw at 1 GB/s, ms",
        "prefill ÷ restore",
    ];
    table(&header, of(all, "sessions").map(row).collect(), 2)
}

/// Milliseconds until a session is there: its bytes over the link, then decoding. The least of a model and link is marked.
pub(super) fn links(all: &[Measurement]) -> Table {
    let mut rows = Vec::new();
    for model in distinct(of(all, "sessions").map(|m| m.name.as_str())) {
        let shown: Vec<&Measurement> = of(all, "sessions").filter(|m| m.name == model).collect();
        let mut times: Vec<(String, Vec<f64>)> = Vec::new();
        let bytes = shown.first().and_then(|m| m.state_bytes).unwrap_or(f64::NAN);
        times.push(("raw state".to_owned(), LINKS.iter().map(|link| bytes / link.0).collect()));
        for m in shown {
            let (bytes, decode) = (m.session_bytes.unwrap_or(f64::NAN), m.seconds.unwrap_or(f64::NAN));
            let row = LINKS.iter().map(|link| bytes / link.0 + decode).collect();
            times.push((m.rows.clone().unwrap_or_default(), row));
        }
        for (name, row) in &times {
            let cells = row.iter().enumerate().map(|(link, &time)| {
                let best = times.iter().all(|other| time <= other.1[link]);
                if best { format!("**{}**", millis(time)) } else { millis(time) }
            });
            rows.push([model.to_owned(), name.clone()].into_iter().chain(cells).collect());
        }
    }
    let header: Vec<&str> =
        ["model", "what goes over the link"].into_iter().chain(LINKS.iter().map(|l| l.1)).collect();
    table(&header, rows, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_time_is_marked() {
        let session = |rows: &str, bytes, seconds| Measurement {
            suite: "sessions".into(),
            name: "m".into(),
            rows: Some(rows.into()),
            state_bytes: Some(1e8),
            session_bytes: Some(bytes),
            seconds: Some(seconds),
            ..Measurement::default()
        };
        let table = links(&[session("layer", 1e7, 0.05), session("layers", 8e6, 0.1)]).to_string();
        let row = |name: &str| table.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(row("raw state").contains(" 10000 ") && row("raw state").contains("**10.0**"), "{table}");
        assert!(row("layers ").contains("**900**") && row("layer ").contains("**60.0**"), "{table}");
    }
}
