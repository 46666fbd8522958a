//! The block as bytes: header, sections, checksums, and which values are legal. Nothing is decoded before
//! everything here has been checked.
//!
//! [`BlockWriter`] writes blocks of every kind, [`Block`] reads them. All integers are little-endian. The
//! format number is 0: it may change with any version of the library, and a reader refuses every other
//! number. The layout is described in `docs/FORMAT.md`.

pub(crate) mod block;
pub(crate) mod bytes;
pub(crate) mod header;
mod parse;
pub(crate) mod reader;
pub(crate) mod sections;
pub(crate) mod spec;
pub(crate) mod writer;

pub(crate) use block::{Block, RowCode};
pub(crate) use spec::BlockSpec;
pub(crate) use writer::BlockWriter;

/// Format version of blocks, skeletons and profiles.
pub const FORMAT_VERSION: u16 = 0;
