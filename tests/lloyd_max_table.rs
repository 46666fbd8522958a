//! `docs/lloyd-max.tsv`, the table for those who write a decoder of their own, has the levels of the kernel.

use kakeyaturbo::internals::Quantizer;

#[test]
fn documented_levels_are_those_of_the_kernel() {
    let mut expected = String::from("bits\tsymbol\tlevel\n");
    for bits in 1..=8 {
        let quantizer = Quantizer::new(bits);
        let levels = quantizer.levels();
        for (symbol, level) in levels.iter().enumerate() {
            assert_eq!(*level, -levels[levels.len() - 1 - symbol], "{bits} bits, symbol {symbol}");
            if symbol >= levels.len() / 2 {
                expected += &format!("{bits}\t{symbol}\t{level}\n");
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lloyd-max.tsv");
    let table = std::fs::read_to_string(path).expect("docs/lloyd-max.tsv is readable");
    for (number, (line, expected)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

/// The first lines of the same table stand in the page itself.
#[test]
fn levels_on_the_format_page_are_those_of_the_kernel() {
    let page = include_str!("../docs/FORMAT.md");
    for bits in 1..=4_u8 {
        let quantizer = Quantizer::new(bits);
        let positive = &quantizer.levels()[1 << (bits - 1)..];
        let levels: Vec<String> = positive.iter().map(f32::to_string).collect();
        let line = format!("| {bits} | {} |", levels.join(", "));
        assert!(page.lines().any(|found| found == line), "the page lacks: {line}");
    }
}
