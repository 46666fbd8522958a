//! `cargo xtask demo`: the package as its users meet it, from the build to seven running programs.

use anyhow::Result;

use crate::shell::{self, command};
use crate::tools;
use crate::workspace::{Workspace, configure};

/// The programs in `cpp-examples/` in their order, and the KV cache files that they take.
const PROGRAMS: [(&str, &[&str]); 7] = [
    ("00_block", &[]),
    ("01_roundtrip", &[]),
    ("02_kv_blocks", &[KV_CACHE]),
    ("03_paged_cache", &[]),
    ("04_threads", &[]),
    ("05_inspect", &[]),
    ("06_joined_rows", &[OTHER_KV_CACHE, KV_CACHE]),
];

/// KV caches of a small model, as tensors `layers.N.k` and `layers.N.v`: of one document, and of others.
const KV_CACHE: &str = "tests/data/smollm2-135m-test.safetensors";
const OTHER_KV_CACHE: &str = "tests/data/smollm2-135m-train.safetensors";

/// Installs the package, builds the examples against it, runs them.
///
/// # Errors
/// When a tool is missing and cannot be installed, a build fails, or an example does not exit with 0.
pub fn run() -> Result<()> {
    tools::ensure(&tools::BUILD.iter().collect::<Vec<_>>())?;
    let workspace = Workspace::load()?;
    let prefix = workspace.target.join("demo/prefix");
    let build = workspace.target.join("demo/examples");

    println!("\n== the package");
    workspace.install(&prefix)?;

    println!("\n== the examples, as an outside project");
    let search = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
    configure(&workspace.root.join("cpp-examples"), &build, &[search])?;
    shell::run(command("cmake", ["--build"]).arg(&build))?;

    for (program, files) in PROGRAMS {
        println!("\n== {program}");
        let mut example = command(build.join(program), files.iter().map(|file| workspace.root.join(file)));
        shell::run(&mut example)?;
    }
    println!("\nThe package is installed in {}", prefix.display());
    Ok(())
}
