//! `docs/rate-tables.tsv`, the tables for those who write a decoder of their own, has those of the rate model.
//!
//! `UPDATE_TABLES=1 cargo test --test rate_tables` writes it anew, after the tables were trained again.

use kakeyaturbo::rans::FREQ_BITS;
use kakeyaturbo::rate::{BINS, Bin, FIRST_BIN, Model, OFFSET_SIZES, OFFSET_UNIT, WIDEST, offset};
use std::fmt::Write as _;

/// Frequencies of the magnitudes up to that of the escape, found through what the values cost.
fn frequencies(model: &Model, bin: Bin) -> Vec<u32> {
    let range = 1 << FREQ_BITS;
    let freq = |value: i32, extra: f32| {
        let bits = model.cost(0, bin, value) - extra;
        assert_eq!(bits, model.cost(0, bin, -value) - extra, "{value} and its negative in {bin:?}");
        (FREQ_BITS as f32 - bits).exp2().round() as u32
    };
    let (mut found, mut left) = (vec![freq(0, 0.0)], range - freq(0, 0.0));
    for value in 1..=WIDEST {
        // The last one is escaped by one bit, the value beyond it by three; and the frequencies add up.
        let last = freq(value, 1.0);
        if 2 * last == left && model.cost(0, bin, value + 1) == model.cost(0, bin, value) + 2.0 {
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
    let model = Model::new(false).unwrap();
    let mut expected = String::from("table\tbin\tescape");
    (1..=OFFSET_SIZES).for_each(|size| write!(expected, "\toffset{size}").unwrap());
    (0..=WIDEST).for_each(|size| write!(expected, "\tfreq{size}").unwrap());
    for table in 0..BINS {
        let bin = Bin { table, shift: 0 };
        let mut found = frequencies(&model, bin);
        write!(expected, "\n{table}\t{}\t{}", FIRST_BIN + table as i32, found.len() - 1).unwrap();
        for size in 1..=OFFSET_SIZES as i32 {
            write!(expected, "\t{}", offset(bin, size) / OFFSET_UNIT).unwrap();
        }
        found.resize(WIDEST as usize + 1, 0);
        found.iter().for_each(|freq| write!(expected, "\t{freq}").unwrap());
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
