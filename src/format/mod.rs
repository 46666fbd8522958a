//! Bytes: headers, sections, checks. Nothing is decoded before everything here has been checked.
//!
//! All integers are little-endian. The format number is 0: it may change with any version of the library, and
//! a reader refuses every other number. The layout is written down in `docs/FORMAT.md`.

pub(crate) mod artifact;
pub(crate) mod block;
pub(crate) mod bytes;
mod profile;
mod reader;

/// Format version of blocks, skeletons and profiles.
pub const FORMAT_VERSION: u16 = 0;
