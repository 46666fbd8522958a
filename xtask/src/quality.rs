//! `cargo xtask quality`: starts the program in `report`.
//!
//! It is a crate of its own because it links the library and what draws pictures, which no other command should
//! have to build first.

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::engine;
use crate::shell::cargo;

/// Runs it with these options. A release build takes minutes, and saves more than that on a run. The first of them may be
/// `--engine`: then codecs are judged inside llama.cpp, and it is given the results.
///
/// # Errors
/// When it does not build, or fails.
pub fn run(options: &[OsString]) -> Result<()> {
    let engine = options.first().is_some_and(|option| option == "--engine");
    let mut options = options[usize::from(engine)..].to_vec();
    if engine {
        options.extend(["--suite", "none"].map(OsString::from));
        options.extend(engine::full()?);
    }
    let status =
        cargo(["run", "--quiet", "--release", "--package", "report", "--"]).args(&options).status()?;
    if !status.success() {
        bail!("quality failed: {status}");
    }
    Ok(())
}
