//! The kernel through `encode_block` and `decode_block`, which are generic over the distortion.
//!
//! These tests are one program because a program that calls generic functions compiles the whole kernel into itself,
//! for every distortion and CPU tier: more than a minute of compilation, against seconds for other tests.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod plain;
mod reference;
mod theory;
