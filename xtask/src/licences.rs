//! The licences of the crates that become a part of the library.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{cargo, read};

/// What `cargo metadata` says about the crates and who needs whom.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// Nothing for what is linked in.
    kind: Option<String>,
}

/// Names, versions and licence texts of all crates that are linked into `package` (an id of cargo's) on the platform
/// `target`, as a Markdown page.
///
/// # Errors
/// When cargo fails, or a crate does not say under which licence it is.
pub fn page(package: &str, target: &str) -> Result<String> {
    let metadata: Metadata = serde_json::from_str(&read(&mut cargo([
        "metadata",
        "--format-version=1",
        "--filter-platform",
        target,
    ]))?)?;
    let mut page = String::from("# Licences of the crates that are a part of this library\n");
    for crate_ in linked(&metadata, package) {
        let licence = crate_.license.as_deref().with_context(|| format!("{} has no licence", crate_.name))?;
        let source = crate_.repository.as_deref().unwrap_or("crates.io");
        writeln!(page, "\n## {} {}\n\n{licence}. Source: {source}", crate_.name, crate_.version)?;
        for text in texts(crate_)? {
            writeln!(page, "\n```text\n{}\n```", text.trim_end())?;
        }
    }
    Ok(page)
}

/// What `package` links to, without itself, by name. Macros of a crate run when it is compiled and leave nothing of
/// themselves, but cargo lists them with the others, and so does this.
fn linked<'a>(metadata: &'a Metadata, package: &str) -> impl Iterator<Item = &'a Package> {
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let (mut found, mut next) = (BTreeSet::new(), vec![package.to_owned()]);
    while let Some(id) = next.pop() {
        for dependency in nodes.get(id.as_str()).into_iter().flat_map(|node| &node.deps) {
            let is_linked = dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
            if is_linked && found.insert(dependency.pkg.clone()) {
                next.push(dependency.pkg.clone());
            }
        }
    }
    metadata.packages.iter().filter(move |package| found.contains(&package.id))
}

/// The texts beside the crate's `Cargo.toml`.
fn texts(package: &Package) -> Result<Vec<String>> {
    let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|start| name.starts_with(start))
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())).collect()
}
