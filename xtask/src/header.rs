//! `cargo xtask header`: the committed C header is what the build script makes of `src/ffi`.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, read};
use crate::workspace::Workspace;

const COMMITTED: &str = "include/kakeyaturbo/kakeyaturbo.h";

/// Copies the generated header over the committed one, or with `check` only compares them.
///
/// # Errors
/// When the build fails, or the two differ and `check` is set.
pub fn run(check: bool) -> Result<()> {
    let workspace = Workspace::load()?;
    let generated = build_output(&workspace)?.join("kakeyaturbo.h");
    let generated =
        fs::read_to_string(&generated).with_context(|| format!("cannot read {}", generated.display()))?;
    let path = workspace.root.join(COMMITTED);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == generated {
        println!("{COMMITTED} is up to date");
        return Ok(());
    }
    if check {
        bail!(
            "{COMMITTED} differs from src/ffi {}\nRun: cargo xtask header",
            first_difference(&committed, &generated)
        );
    }
    fs::write(&path, generated).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{COMMITTED} written");
    Ok(())
}

/// Builds the library and returns the folder its build script wrote to.
fn build_output(workspace: &Workspace) -> Result<PathBuf> {
    let id = workspace.package_id("kakeyaturbo")?;
    let arguments =
        ["build", "--quiet", "--lib", "--package=kakeyaturbo", "--message-format=json-render-diagnostics"];
    let messages = read(cargo(arguments).stdin(Stdio::null()))?;
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("a message of cargo")?;
        if message["reason"] == "build-script-executed" && message["package_id"] == id {
            return message["out_dir"].as_str().map(PathBuf::from).context("a build script without out_dir");
        }
    }
    bail!("cargo did not speak of the build script of {id}")
}

/// The first line in which two texts differ, from both sides.
fn first_difference(committed: &str, generated: &str) -> String {
    let (mut ours, mut theirs) = (committed.lines(), generated.lines());
    for number in 1.. {
        match (ours.next(), theirs.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let (a, b) = (a.unwrap_or("(end)"), b.unwrap_or("(end)"));
                return format!("from line {number}:\n  committed: {a}\n  generated: {b}");
            }
        }
    }
    "in its line ends".to_owned()
}
