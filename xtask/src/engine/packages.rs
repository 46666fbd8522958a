//! What a Cargo package is built from, fetched.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{cargo, read};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package and where its `Cargo.toml` is.
#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    pub manifest_path: PathBuf,
}

/// The package of a manifest and all its dependencies, which cargo fetches if they are not there.
///
/// # Errors
/// When cargo fails.
pub fn packages(manifest: &Path) -> Result<Vec<Package>> {
    let json = read(cargo(["metadata", "--format-version=1", "--manifest-path"]).arg(manifest))?;
    Ok(serde_json::from_str::<Metadata>(&json).context("the answer of `cargo metadata`")?.packages)
}
