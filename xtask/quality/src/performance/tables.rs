//! The tables of `docs/PERFORMANCE.md`.

use comfy_table::Table;

use super::Measurement;
use crate::report;

/// What tables are called.
pub const NAMES: [&str; 13] = [
    "machine",
    "aims",
    "speed encode",
    "speed decode",
    "ratios",
    "products",
    "growth",
    "access",
    "threads",
    "cold",
    "instructions",
    "sessions",
    "links",
];

/// Bytes per second of links, and what they are.
const LINKS: [(f64, &str); 5] =
    [(1e7, "0.01 GB/s"), (1e8, "0.1 GB/s"), (1e9, "1 GB/s"), (3e9, "3 GB/s"), (1e10, "10 GB/s")];

/// A table by its name; `None` if there is no such one.
pub fn table(all: &[Measurement], name: &str) -> Option<Table> {
    Some(match name {
        "machine" => machine(all),
        "aims" => aims(all),
        "speed encode" => speed(all, "encode"),
        "speed decode" => speed(all, "decode"),
        "ratios" => ratios(all),
        "products" => products(all),
        "growth" => growth(all),
        "access" => access(all),
        "threads" => threads(all),
        "cold" => cold(all),
        "instructions" => instructions(all),
        "sessions" => sessions(all),
        "links" => links(all),
        _ => return None,
    })
}

fn of<'a>(all: &'a [Measurement], suite: &'static str) -> impl Iterator<Item = &'a Measurement> {
    all.iter().filter(move |m| m.suite == suite)
}

/// The different values of a key, in the order in which they occur.
fn distinct<K: PartialEq>(keys: impl Iterator<Item = K>) -> Vec<K> {
    let mut list = Vec::new();
    for key in keys {
        if !list.contains(&key) {
            list.push(key);
        }
    }
    list
}

fn text(number: Option<f64>, show: impl Fn(f64) -> String) -> String {
    number.map_or(String::new(), show)
}

/// Three significant digits without an exponent.
fn three(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    let digits = (2 - x.abs().log10().floor() as i32).clamp(0, 6) as usize;
    format!("{x:.digits$}")
}

fn millions(x: f64) -> String {
    three(x * 1e-6)
}

fn micros(x: f64) -> String {
    three(x * 1e6)
}

fn millis(x: f64) -> String {
    three(x * 1e3)
}

fn kib(x: f64) -> String {
    three(x / 1024.0)
}

/// The name, and the element type if it is not f16.
fn title(m: &Measurement) -> String {
    if m.dtype.as_deref() == Some("f32") { format!("{}, f32", m.name) } else { m.name.clone() }
}

fn machine(all: &[Measurement]) -> Table {
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
    report::table(&header, of(all, "machine").map(row).collect(), 1)
}

/// A row of the aims: what, for which measurements, which of their numbers, and how large it should be.
type Aim =
    (&'static str, fn(&Measurement) -> bool, fn(&Measurement) -> Option<f64>, fn(f64) -> bool, &'static str);

/// What is aimed at, and what was measured.
fn aims(all: &[Measurement]) -> Table {
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
    report::table(&["what", "of", "aim", "measured", "met"], rows.collect(), 2)
}

/// A row per codec and rival, a column per width: millions of values per second.
fn speed(all: &[Measurement], op: &str) -> Table {
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
    report::table(&header, distinct(shown.iter().map(|m| title(m))).into_iter().map(row).collect(), 1)
}

/// Every codec of this library against ggml's q4_0 and against the f32 product.
fn ratios(all: &[Measurement]) -> Table {
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
    report::table(&header, rows.collect(), 2)
}

fn products(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let d = m.d.map_or(String::new(), |d| d.to_string());
        vec![m.name.clone(), d, text(m.gflops, three), text(m.values_per_s, millions)]
    };
    let header = ["product", "d", "GFLOP/s", "million values/s"];
    report::table(&header, of(all, "speed").filter(|m| m.op == "product").map(row).collect(), 1)
}

fn growth(all: &[Measurement]) -> Table {
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
    report::table(&header, rows.collect(), 3)
}

fn access(all: &[Measurement]) -> Table {
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
    report::table(&header, of(all, "access").map(row).collect(), 1)
}

fn threads(all: &[Measurement]) -> Table {
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
    report::table(&header, of(all, "threads").map(row).collect(), 2)
}

fn cold(all: &[Measurement]) -> Table {
    let row = |m: &Measurement| {
        let d = m.d.map_or(String::new(), |d| d.to_string());
        let sizes = [m.skeleton_bytes, m.workspace_bytes, m.bound_bytes].map(|bytes| text(bytes, kib));
        [vec![m.name.clone(), d, text(m.seconds, micros)], sizes.into()].concat()
    };
    let header = ["codec", "d", "ready after, µs", "skeleton, KiB", "workspace, KiB", "largest block, KiB"];
    report::table(&header, of(all, "cold").map(row).collect(), 1)
}

fn instructions(all: &[Measurement]) -> Table {
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
    report::table(&header, rows.collect(), 1)
}

fn sessions(all: &[Measurement]) -> Table {
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
    report::table(&header, of(all, "sessions").map(row).collect(), 2)
}

/// Milliseconds until a session is there: its bytes over the link, then decoding. The least of a model and link is marked.
fn links(all: &[Measurement]) -> Table {
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
    report::table(&header, rows, 2)
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

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.012_345, 1.2345, 123.45, 12_345.6].map(three), ["0.0123", "1.23", "123", "12346"]);
    }
}
