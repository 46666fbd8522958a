//! `cargo xtask demo`: the package as its users meet it, from the build to five running programs.

use anyhow::Result;

use crate::shell::{self, command};
use crate::tools;
use crate::workspace::{Workspace, configure};

/// The programs in `cpp-examples/` in their order, and whether they take a KV cache file.
const PROGRAMS: [(&str, bool); 5] = [
    ("01_roundtrip", false),
    ("02_kv_blocks", true),
    ("03_paged_cache", false),
    ("04_threads", false),
    ("05_inspect", false),
];

/// A KV cache of a small model, as tensors `layers.N.k` and `layers.N.v`.
const KV_CACHE: &str = "tests/data/smollm2-135m-test.safetensors";

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

    for (program, takes_kv_cache) in PROGRAMS {
        println!("\n== {program}");
        let mut example = command(build.join(program), takes_kv_cache.then(|| workspace.root.join(KV_CACHE)));
        shell::run(&mut example)?;
    }
    println!("\nThe package is installed in {}", prefix.display());
    Ok(())
}
