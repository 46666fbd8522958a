//! Helpers of the tests in `tests/all`, which see the library as its users do: an installed package, compilers,
//! linkers, and programs that run or do not.
//!
//! Every helper panics where something does not work, with the command line and all that it printed: a test that
//! fails tells the whole story.

mod command;
mod consumer;
mod package;

pub use command::{command, execute, run};
pub use consumer::{build_with_cmake, needed_libraries};
pub use package::{Linkage, Package, WARNINGS, source};
