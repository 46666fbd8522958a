//! The tables of `docs/QUALITY.md` and `docs/ATTRIBUTION.md`, by their names: `points SET`, `comparison SET`,
//! `skeletons`, `engine SET`, `crossings`, `layers SET`, `together SET` and `baselines SET`.

use std::ops::Range;

use anyhow::Result;
use comfy_table::Table;

use crate::attribution;
use crate::engine;
use crate::markdown::{self, small, table};
use crate::record::Record;
use crate::series::SERIES;
use crate::theory;

const EVERYTHING: Range<f64> = 0.0..f64::INFINITY;

/// The points of a set's tables in the document: where theory tells the codecs apart.
const DOCUMENTED: Range<f64> = 0.9..4.7;

/// Everything about the sets that some records speak of.
pub fn print(records: &[Record]) {
    for set in names(records) {
        println!("\n== {set}\n\n{}", points(records, set, EVERYTHING));
        println!("\nBits per value at the error of a rival (ratio to the rival's)\n");
        println!("{}", comparison(records, set));
    }
    println!("\n== skeletons\n\n{}", skeletons(records));
}

/// `text`, a page about quality, with its tables made anew.
///
/// # Errors
/// When a table has no end or a name that does not exist.
pub fn fill(text: &str, records: &[Record], engine: &[Record], parts: &[Record]) -> Result<String> {
    markdown::fill(text, |name| {
        Some(match name.split_once(' ').unwrap_or((name, "")) {
            ("points", set) => points(records, set, DOCUMENTED),
            ("comparison", set) => comparison(records, set),
            ("skeletons", "") => skeletons(records),
            ("engine", set) => engine::points(engine, set),
            ("crossings", "") => engine::crossings(engine),
            ("layers", set) => attribution::layers(parts, set),
            ("together", set) => attribution::together(parts, set),
            ("baselines", set) => attribution::baselines(parts, set),
            _ => return None,
        })
    })
}

/// The sets, in the order in which they occur.
fn names(records: &[Record]) -> Vec<&str> {
    let mut names: Vec<&str> = records.iter().map(|record| record.set.as_str()).collect();
    names.dedup();
    names
}

/// The points of a set whose rate is in a range; for independent rows what theory says of the rate.
fn points(records: &[Record], set: &str, range: Range<f64>) -> Table {
    let theoretical = |codec: &str| codec == "rd_bound" || codec == "uniform_entropy";
    let points = records.iter().filter(|r| r.set == set && r.is_point() && !theoretical(&r.codec));
    let rows = points.filter(|point| point.bpv.is_some_and(|bpv| range.contains(&bpv))).map(|point| {
        let (bpv, error) = (point.bpv.unwrap_or(f64::NAN), point.rel_err.unwrap_or(f64::NAN));
        let theory = [theory::uniform_with_entropy(bpv), theory::shannon(bpv)].map(small);
        let [uniform, shannon] =
            if point.suite == "gauss" && bpv <= theory::MAX_RATE { theory } else { Default::default() };
        let lloyd_max = lloyd_max(point).filter(|_| point.suite == "gauss");
        vec![
            point.codec.clone(),
            point.rows.clone().unwrap_or_default(),
            point.setting.clone().unwrap_or_default(),
            format!("{bpv:.3}"),
            format!("{:.2}", 16.0 / bpv),
            small(error),
            point.ci95.map_or(String::new(), small),
            lloyd_max.map_or(String::new(), small),
            uniform,
            shannon,
        ]
    });
    let header = [
        "codec",
        "rows",
        "setting",
        "bpv",
        "× f16",
        "error",
        "± 95 %",
        "Lloyd–Max",
        "uniform + entropy",
        "R(D)",
    ];
    table(&header, rows.collect(), 3)
}

/// Distortion of the quantiser that a point is made with, if it is Lloyd and Max's.
fn lloyd_max(point: &Record) -> Option<f64> {
    let setting = point.setting.as_deref().filter(|_| point.codec == "turbo")?;
    let bits: usize = setting.strip_prefix("bits=")?.parse().ok()?;
    kakeyaturbo::internals::DISTORTION.get(bits - 1).copied()
}

/// A row per series and a column per rival.
fn comparison(records: &[Record], set: &str) -> Table {
    let compared: Vec<&Record> =
        records.iter().filter(|record| record.set == set && record.rival.is_some()).collect();
    let mut rivals: Vec<(&str, f64)> = Vec::new();
    let mut series: Vec<[&str; 3]> = Vec::new();
    for record in &compared {
        let rival = (record.rival.as_deref().unwrap_or(""), record.rel_err.unwrap_or(f64::NAN));
        if !rivals.contains(&rival) {
            rivals.push(rival);
        }
        let name = key(record);
        if !series.contains(&name) {
            series.push(name);
        }
    }
    // In the order in which they are tried; theory comes last.
    let place = |[codec, _, setting]: &[&str; 3]| {
        SERIES.iter().position(|known| known.codec == *codec && known.family() == *setting)
    };
    series.sort_by_key(|name| place(name).unwrap_or(SERIES.len()));
    let cell = |name: &[&str; 3], rival: &str| {
        let found = compared.iter().find(|r| key(r) == *name && r.rival.as_deref() == Some(rival));
        found.map_or(String::new(), |record| {
            let bpv = record.bpv.map_or(String::new(), |bpv| format!("{bpv:.2}"));
            let half = record.ci95.map_or(String::new(), |half| format!(" ± {half:.2}"));
            let ratio = record.ratio.map(|ratio| format!(" ({ratio:.2}{half})"));
            bpv + &ratio.unwrap_or_default()
        })
    };
    let row = |name: &[&str; 3]| {
        let cells = rivals.iter().map(|(rival, _)| cell(name, rival));
        name.iter().map(|part| (*part).to_owned()).chain(cells).collect()
    };
    let title = |(rival, error): &(&str, f64)| {
        let name = |r: &Record| format!("{} {}", r.codec, r.setting.as_deref().unwrap_or(""));
        let points = records.iter().filter(|r| r.set == set && r.is_point());
        let bpv = points.filter(|r| name(r).trim_end() == *rival).find_map(|point| point.bpv);
        let bpv = bpv.map_or(String::new(), |bpv| format!("{bpv:.2} bpv, "));
        format!("{rival}: {bpv}{}", small(*error))
    };
    let titles = rivals.iter().map(title);
    let header: Vec<String> =
        ["codec", "rows", "setting"].map(str::to_owned).into_iter().chain(titles).collect();
    table(&header, series.iter().map(row).collect(), 3)
}

/// Codec, rows and setting.
fn key(record: &Record) -> [&str; 3] {
    [&record.codec, record.rows.as_deref().unwrap_or(""), record.setting.as_deref().unwrap_or("")]
}

/// Size of the skeletons of each set and cut, and what that is in bits per value.
fn skeletons(records: &[Record]) -> Table {
    let of_skeleton: Vec<&Record> = records.iter().filter(|record| record.tokens.is_some()).collect();
    let same = |a: &&Record, b: &&Record| (&a.set, key(a)) == (&b.set, key(b));
    let row = |group: &[&Record]| {
        let number = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
        let first = group[0];
        let mut row: Vec<String> =
            [first.set.as_str()].iter().chain(&key(first)).map(ToString::to_string).collect();
        row.extend([number(first.skeletons), number(first.bytes)]);
        row.extend(
            group.iter().map(|record| record.bpv.map_or(String::new(), |bpv| format!("{bpv:.3} bpv"))),
        );
        row
    };
    let header = ["set", "codec", "rows", "setting", "skeletons", "bytes", "at 1k tokens", "8k", "64k"];
    table(&header, of_skeleton.chunk_by(same).map(row).collect(), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let point = |codec: &str, setting: &str, bpv, error| Record {
            suite: "gauss".into(),
            set: "iid-4".into(),
            codec: codec.into(),
            setting: Some(setting.into()),
            bpv: Some(bpv),
            rel_err: Some(error),
            ..Record::default()
        };
        vec![
            point("turbo", "bits=2", 2.0, 0.118),
            point("turbo", "bits=8", 8.0, 4e-5),
            Record {
                rival: Some("turbo bits=2".into()),
                ratio: Some(0.9),
                ci95: Some(0.01),
                ..point("rdo", "", 1.8, 0.118)
            },
        ]
    }

    #[test]
    fn tables_stand_between_their_marks() {
        let text = "a\n<!-- table: points iid-4 -->\nold\n<!-- end -->\nb\n<!-- table: comparison iid-4 -->\n<!-- end -->\n";
        let filled = fill(text, &records(), &[], &[]).unwrap();
        assert_eq!(fill(&filled, &records(), &[], &[]).unwrap(), filled);
        assert!(filled.starts_with("a\n<!-- table: points iid-4 -->\n| codec"), "{filled}");
        assert!(filled.contains("\n<!-- end -->\nb\n") && !filled.contains("old"), "{filled}");
        assert!(filled.contains(" 1.80 (0.90 ± 0.01) |"), "{filled}");
        assert!(filled.contains("| turbo bits=2: 2.00 bpv, 0.118 |"), "{filled}");
        let row: Vec<&str> =
            filled.lines().find(|l| l.starts_with("| turbo")).unwrap().split('|').map(str::trim).collect();
        assert_eq!(row[1..], ["turbo", "bits=2", "2.000", "8.00", "0.118", "0.117", "0.0889", "0.0625", ""]);
        assert!(!filled.contains("bits=8"), "{filled}");
    }

    #[test]
    fn marks_that_are_wrong_are_refused() {
        assert!(fill("<!-- table: points x -->\n", &[], &[], &[]).is_err());
        assert!(fill("<!-- table: other -->\n<!-- end -->\n", &[], &[], &[]).is_err());
    }
}
