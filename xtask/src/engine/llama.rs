//! llama.cpp, built once into the cache from the source that a crate ships.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::cache;
use super::packages::packages;
use crate::shell::{command, run};
use crate::workspace::configure;

/// The crate that carries the source in its folder `llama.cpp`.
const CRATE: &str = "llama-cpp-sys-2";
const VERSION: &str = "0.1.161";
/// SHA-256 of the crate file, as the registry's index and cargo's lock file have it.
const CHECKSUM: &str = "e9bea77fde41bbc15a278891cd5edd2ba07c5260d162614b41080ba1f100b39b";

/// The library and its CMake package and nothing else, for the processor of this machine.
const OPTIONS: [&str; 10] = [
    "BUILD_SHARED_LIBS=ON",
    // The libraries find each other wherever the prefix is.
    RPATH,
    "GGML_NATIVE=ON",
    "GGML_CCACHE=OFF",
    "LLAMA_BUILD_COMMON=OFF",
    "LLAMA_BUILD_TOOLS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_SERVER=OFF",
    "LLAMA_BUILD_APP=OFF",
];

const RPATH: &str = if cfg!(target_os = "macos") {
    "CMAKE_INSTALL_RPATH=@loader_path"
} else {
    "CMAKE_INSTALL_RPATH=$ORIGIN"
};

/// The install prefix with the CMake package `llama`; the first call fetches and builds, which takes some minutes.
///
/// # Errors
/// When the source cannot be had, is not the expected one, or does not build.
pub fn prefix(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("llama-{VERSION}"));
    let (prefix, build) = (folder.join("prefix"), folder.join("build"));
    // Installation writes this one last of all that matters here.
    if prefix.join("lib/cmake/llama/llama-config.cmake").exists() {
        return Ok(prefix);
    }
    println!("\n== llama.cpp, from the crate {CRATE} {VERSION}");
    let source = source(cache)?;
    let mut definitions: Vec<String> = OPTIONS.iter().map(|option| format!("-D{option}")).collect();
    definitions.push("-DCMAKE_INSTALL_LIBDIR=lib".to_owned());
    configure(&source, &build, &definitions)?;
    run(command("cmake", ["--build"]).arg(&build))?;
    run(command("cmake", ["--install"]).arg(&build).arg("--prefix").arg(&prefix))?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
    Ok(prefix)
}

/// The folder of llama.cpp's source: lets cargo fetch the crate as a dependency of an empty package.
///
/// # Errors
/// When the source cannot be had, or is not the expected one.
pub fn source(cache: &Path) -> Result<PathBuf> {
    let folder = &cache.join(format!("llama-{VERSION}/fetch"));
    cache::make(&folder.join("src"))?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    write("src/lib.rs", "")?;
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"fetch\"\nedition = \"2021\"\n[dependencies]\n{CRATE} = \"={VERSION}\"\n[workspace]\n"
        ),
    )?;
    let manifest = folder.join("Cargo.toml");
    let packages = packages(&manifest)?;
    let lock = folder.join("Cargo.lock");
    let text = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let lock: Lock = toml::from_str(&text).context("the lock file that cargo wrote")?;
    let locked = lock.package.iter().find(|package| package.name == CRATE);
    ensure!(
        locked.and_then(|package| package.checksum.as_deref()) == Some(CHECKSUM),
        "the crate {CRATE} {VERSION} is not the one that is known here"
    );
    let package = packages.into_iter().find(|package| package.name == CRATE);
    let mut source = package.with_context(|| format!("cargo did not fetch {CRATE}"))?.manifest_path;
    source.set_file_name("llama.cpp");
    Ok(source)
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    checksum: Option<String>,
}
