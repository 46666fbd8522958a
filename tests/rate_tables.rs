//! `docs/rate-tables.tsv`, the tables for those who write a decoder of their own, has those of the rate model.
//!
//! `UPDATE_TABLES=1 cargo test --test rate_tables` writes it anew, after the tables were trained again.

use kakeyaturbo::internals::rans::FREQ_BITS;
use kakeyaturbo::internals::rate::{BINS, Bin, FIRST_BIN, Model, OFFSET_SIZES, POINTS, WIDEST};
use std::fmt::Write as _;

/// Frequencies of the magnitudes up to that of the escape, found through what the values cost. `set` is the quantiser
/// of the model, 0 or 1.
fn frequencies(model: &Model, set: usize, bin: Bin) -> Vec<u32> {
    let range = 1 << FREQ_BITS;
    let freq = |value: i32, extra: f32| {
        let bits = model.cost(set, bin, value) - extra;
        assert_eq!(bits, model.cost(set, bin, -value) - extra, "{value} and its negative in {bin:?}");
        (FREQ_BITS as f32 - bits).exp2().round() as u32
    };
    let (mut found, mut left) = (vec![freq(0, 0.0)], range - freq(0, 0.0));
    for value in 1..=WIDEST {
        // The last one is escaped by one bit, the value beyond it by three; and the frequencies add up.
        let last = freq(value, 1.0);
        if 2 * last == left && model.cost(set, bin, value + 1) == model.cost(set, bin, value) + 2.0 {
            found.push(last);
            return found;
        }
        found.push(freq(value, 0.0));
        left -= 2 * freq(value, 0.0);
    }
    panic!("{bin:?} has no escape");
}

#[test]
fn documented_tables_are_those_of_the_rate_model() {
    let mut expected = String::from("quantiser\ttable\tbin\tescape");
    (1..=OFFSET_SIZES).for_each(|size| write!(expected, "\toffset{size}").unwrap());
    (0..=WIDEST).for_each(|size| write!(expected, "\tfreq{size}").unwrap());
    let [plain, trellis] = [false, true].map(|trellis| Model::new(trellis).unwrap());
    for (quantiser, (model, set)) in [(&plain, 0), (&trellis, 0), (&trellis, 1)].into_iter().enumerate() {
        for table in 0..BINS {
            let bin = Bin { table, shift: 0 };
            let mut found = frequencies(model, set, bin);
            let quarters = FIRST_BIN + table as i32;
            write!(expected, "\n{quantiser}\t{table}\t{quarters}\t{}", found.len() - 1).unwrap();
            for size in 1..=OFFSET_SIZES as i32 {
                // The points of a trellis have none.
                let offset = if quantiser == 0 { model.point(bin, size) - POINTS * size } else { 0 };
                write!(expected, "\t{offset}").unwrap();
            }
            found.resize(WIDEST as usize + 1, 0);
            found.iter().for_each(|freq| write!(expected, "\t{freq}").unwrap());
        }
    }
    expected.push('\n');
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rate-tables.tsv");
    if std::env::var_os("UPDATE_TABLES").is_some_and(|value| value == "1") {
        std::fs::write(path, &expected).unwrap();
    }
    let table = std::fs::read_to_string(path).expect("docs/rate-tables.tsv is readable");
    for (number, (line, expected)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}
