//! What blocks say about themselves, field by field, and how their bytes begin: a change of the format shows here.

use ffi_tests::{Linkage, execute, source};

use crate::PACKAGE;

#[test]
fn header_fields_and_first_bytes() {
    let program = PACKAGE.scratch("block_dump").join("block_dump");
    let program = PACKAGE.compile("gcc", &source("c/block_dump.c"), &program, Linkage::Shared, &[]);
    insta::assert_snapshot!(execute(program));
}
