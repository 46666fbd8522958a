//! Where things are, and the installed package that the other commands look at.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{cargo, command, read, run};

/// What `cargo metadata` says about this workspace.
#[derive(Deserialize)]
pub struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// Where cargo builds: `target`, unless the user moved it.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo fails.
    pub fn load() -> Result<Self> {
        let json = read(&mut cargo(["metadata", "--no-deps", "--format-version=1"]))?;
        serde_json::from_str(&json).context("the answer of `cargo metadata`")
    }

    /// The id under which cargo's messages speak of the package `name`.
    ///
    /// # Errors
    /// When the workspace has no such package.
    pub fn package_id(&self, name: &str) -> Result<&str> {
        let package = self.packages.iter().find(|package| package.name == name);
        Ok(&package.with_context(|| format!("no package {name} in the workspace"))?.id)
    }

    /// The name of the package that cargo's messages call `id`.
    ///
    /// # Errors
    /// When the workspace has no such package.
    pub fn package_name(&self, id: &str) -> Result<&str> {
        let package = self.packages.iter().find(|package| package.id == id);
        Ok(&package.with_context(|| format!("no package {id} in the workspace"))?.name)
    }

    /// Builds the package with CMake in release mode and installs it into an empty `prefix`.
    ///
    /// The build folder is the one that `ffi-tests` uses, so the library is compiled once for all.
    ///
    /// # Errors
    /// When CMake or the compiler fails.
    pub fn install(&self, prefix: &Path) -> Result<()> {
        let build = self.target.join("package");
        configure(&self.root, &build, &["-DCMAKE_INSTALL_LIBDIR=lib".to_owned()])?;
        run(&mut command("cmake", [OsStr::new("--build"), build.as_os_str()]))?;
        if prefix.exists() {
            fs::remove_dir_all(prefix).with_context(|| format!("cannot empty {}", prefix.display()))?;
        }
        let (install, to) = (OsStr::new("--install"), OsStr::new("--prefix"));
        run(&mut command("cmake", [install, build.as_os_str(), to, prefix.as_os_str()]))
    }
}

/// Configures the CMake project in `source` for a release build with Ninja in `build`.
///
/// # Errors
/// When CMake fails.
pub fn configure(source: &Path, build: &Path, definitions: &[String]) -> Result<()> {
    let mut cmake = command("cmake", ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]);
    cmake.arg("-S").arg(source).arg("-B").arg(build).args(definitions);
    run(&mut cmake)
}
