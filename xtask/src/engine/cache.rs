//! Where what is fetched and built for the engine lives: a folder of the user's cache, outside of the tree.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The variable that moves the folder.
const VARIABLE: &str = "KAKEYATURBO_CACHE";

/// `$KAKEYATURBO_CACHE`, or `kakeyaturbo` in the user's cache folder; made if it is not there.
///
/// # Errors
/// When the system knows no cache folder, or the folder cannot be made.
pub fn folder() -> Result<PathBuf> {
    let folder = match std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => dirs::cache_dir()
            .with_context(|| format!("no cache folder of the user: set {VARIABLE}"))?
            .join("kakeyaturbo"),
    };
    make(&folder)?;
    Ok(folder)
}

/// Makes a folder and those above it.
///
/// # Errors
/// When the system refuses.
pub fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Empties a folder, or makes it.
///
/// # Errors
/// When the system refuses.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    make(folder)
}

/// The SHA-256 of the bytes of some files, one after the other, in hexadecimal digits.
///
/// # Errors
/// When a file cannot be read.
pub fn sha256<P: AsRef<Path>>(files: &[P]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let file = file.as_ref();
        let mut open = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        io::copy(&mut open, &mut hash).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
