//! What the installed package promises, one promise a file. All of them are one program, so that the package is
//! built and installed once.

mod abi;
mod adapter;
mod block_dump;
mod consumers;
mod contract;
mod header;
mod llama;
mod readme;
mod sanitizers;
mod struct_layout;
mod symbols;
mod tree;
mod version;

use std::path::Path;
use std::sync::LazyLock;

use ffi_tests::Package;

/// The installed package.
static PACKAGE: LazyLock<Package> =
    LazyLock::new(|| Package::install(Path::new(env!("CARGO_TARGET_TMPDIR"))));
