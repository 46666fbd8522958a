//! The committed C header is the one that the sources describe.

#[test]
fn the_committed_header_is_up_to_date() {
    let generated = include_str!(concat!(env!("OUT_DIR"), "/kakeyaturbo.h"));
    let committed = include_str!("../include/kakeyaturbo/kakeyaturbo.h");
    let line = generated.lines().zip(committed.lines()).position(|(a, b)| a != b);
    assert!(
        generated == committed,
        "include/kakeyaturbo/kakeyaturbo.h differs from src/ffi at line {:?}: run `cargo xtask header`",
        line.map(|line| line + 1)
    );
}
