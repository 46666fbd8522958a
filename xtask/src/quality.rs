//! `cargo xtask quality`: starts the program in `xtask/quality`.
//!
//! It is a crate of its own because it links the library and what draws pictures, which no other command should
//! have to build first.

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::shell::cargo;

/// Runs it with these options. A release build takes minutes, and saves more than that on a run.
///
/// # Errors
/// When it does not build, or fails.
pub fn run(options: &[OsString]) -> Result<()> {
    let status =
        cargo(["run", "--quiet", "--release", "--package", "quality", "--"]).args(options).status()?;
    if !status.success() {
        bail!("quality failed: {status}");
    }
    Ok(())
}
