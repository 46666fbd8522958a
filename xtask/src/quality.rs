//! `cargo xtask quality`: starts the program in `xtask/quality`.
//!
//! It is a crate of its own because it links the library and what draws pictures, which no other command should
//! have to build first.

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::shell::cargo;

/// Runs it with these options, in the profile that the tests are built in.
///
/// # Errors
/// When it does not build, or fails.
pub fn run(options: &[OsString]) -> Result<()> {
    let status = cargo(["run", "--quiet", "--package", "quality", "--"]).args(options).status()?;
    if !status.success() {
        bail!("quality failed: {status}");
    }
    Ok(())
}
