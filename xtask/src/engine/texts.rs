//! What profiles are fitted to and what is scored: the folder `tools/llama/texts/`, and code, which is not copied into this
//! repository: the sources that cargo has fetched anyway, at locked versions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cache;
use super::packages::packages;
use crate::workspace::Workspace;

/// Files of llama.cpp's source to fit to: C, C++, CUDA, Metal, Python, CMake.
const CALIBRATION: [&str; 8] = [
    "ggml/src/ggml-alloc.c",
    "ggml/src/ggml-cuda/topk-moe.cu",
    "ggml/src/ggml-metal/kernels/rope.metal",
    "convert_hf_to_gguf.py",
    "src/llama-vocab.cpp",
    "ggml/CMakeLists.txt",
    "src/llama-grammar.cpp",
    "src/unicode.cpp",
];

/// Files to score, and the crates that they belong to: Rust and C.
const SCORED: [(&str, &str); 7] = [
    ("nalgebra", "src/linalg/svd.rs"),
    ("blake3", "c/blake3.c"),
    ("blake3", "src/hazmat.rs"),
    ("serde_json", "src/de.rs"),
    ("clap_builder", "src/parser/parser.rs"),
    ("insta", "src/settings.rs"),
    ("half", "src/bfloat.rs"),
];

/// As much of a file as is taken: some 4,000 tokens.
const MOST_BYTES: usize = 14_000;

/// The two folders: to fit to, to score. Made anew in `to`.
pub struct Texts {
    pub calibration: PathBuf,
    pub scored: PathBuf,
}

/// Collects the texts; `llama` is the folder of llama.cpp's source.
///
/// # Errors
/// When a text is not where it should be.
pub fn collect(workspace: &Workspace, llama: &Path, to: &Path) -> Result<Texts> {
    cache::empty(to)?;
    let texts = Texts { calibration: to.join("calibration"), scored: to.join("scored") };
    for (from, to) in [("calibration", &texts.calibration), ("scored", &texts.scored)] {
        copy_folders(&workspace.root.join("tools/llama/texts").join(from), to)?;
    }
    for file in CALIBRATION {
        copy_code(&llama.join(file), &texts.calibration.join("code"), file)?;
    }
    let crates = packages(&workspace.root.join("Cargo.toml"))?;
    for (name, file) in SCORED {
        let source = crates.iter().find(|package| package.name == name);
        let folder = source
            .with_context(|| format!("no dependency is called {name}"))?
            .manifest_path
            .with_file_name("");
        copy_code(&folder.join(file), &texts.scored.join("code"), &format!("{name}/{file}"))?;
    }
    Ok(texts)
}

/// Copies the folders of a folder, with their files.
fn copy_folders(from: &Path, to: &Path) -> Result<()> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    for folder in list(from)? {
        let to = to.join(folder.file_name().unwrap_or_default());
        cache::make(&to)?;
        for file in list(&folder)? {
            let to = to.join(file.file_name().unwrap_or_default());
            fs::copy(&file, to).with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    Ok(())
}

/// Writes the beginning of a source file to a text in `folder`, named after it.
fn copy_code(file: &Path, folder: &Path, name: &str) -> Result<()> {
    cache::make(folder)?;
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let end = (0..=MOST_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    let to = folder.join(format!("{}.txt", name.replace(['/', '.'], "-")));
    fs::write(&to, &text[..end.unwrap_or(0)]).with_context(|| format!("cannot write {}", to.display()))
}
