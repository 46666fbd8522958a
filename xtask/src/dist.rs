//! `cargo xtask dist`: the archive of a release, which is unpacked and used before it is believed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::licences;
use crate::shell::{cargo, command, read, run};
use crate::tools;
use crate::workspace::{Workspace, configure};

/// Documents of use without the sources, beside those that every installation has.
const DOCUMENTS: [&str; 3] = ["SECURITY.md", "docs/QUALITY.md", "docs/RELIABILITY.md"];

/// Packs headers, libraries, the CMake package, the pkg-config file and all licences into
/// `target/dist/kakeyaturbo-VERSION-TARGET.tar.gz`, then builds and runs outside programs against what is in it.
///
/// # Errors
/// When a tool is missing and cannot be installed, a build fails, or an outside program does.
pub fn pack() -> Result<()> {
    tools::ensure(&tools::BUILD.iter().collect::<Vec<_>>())?;
    let workspace = Workspace::load()?;
    let folder = workspace.target.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let target = host()?;
    let name = format!("kakeyaturbo-{}-{target}", env!("CARGO_PKG_VERSION"));
    let prefix = folder.join(&name);
    workspace.install(&prefix)?;
    let page = licences::page(workspace.package_id("kakeyaturbo")?, &target)?;
    let documents = prefix.join("share/doc/kakeyaturbo");
    fs::write(documents.join("THIRD_PARTY.md"), page)?;
    for file in DOCUMENTS {
        fs::copy(workspace.root.join(file), documents.join(file)).context(file)?;
    }

    let archive = folder.join(format!("{name}.tar.gz"));
    let pack = ["-E", "tar", "czf"].map(OsStr::new);
    run(command("cmake", pack).arg(&archive).arg("--").arg(&name).current_dir(&folder))?;
    fs::remove_dir_all(&prefix)?;
    let outside = folder.join("outside");
    fs::create_dir(&outside)?;
    run(command("cmake", ["-E", "tar", "xf"]).arg(&archive).current_dir(&outside))?;
    use_it(&workspace.root, &outside, &outside.join(&name))?;

    let sum = read(command("cmake", ["-E", "sha256sum"]).arg(format!("{name}.tar.gz")).current_dir(&folder))?;
    fs::write(folder.join(format!("{name}.tar.gz.sha256")), &sum)?;
    let size = fs::metadata(&archive)?.len() as f64 / 1e6;
    println!("\n{} ({size:.1} MB) was unpacked and used\nsha256: {}", archive.display(), sum.trim());
    Ok(())
}

/// The platform that cargo builds for.
fn host() -> Result<String> {
    let version = read(&mut cargo(["version", "--verbose"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("cargo does not say what it builds for")?.to_owned())
}

/// Builds the consumers against `package` with CMake and with pkg-config, and runs them.
fn use_it(root: &Path, outside: &Path, package: &Path) -> Result<()> {
    let project = root.join("ffi-tests/consumers");
    for kind in ["shared", "static"] {
        let build = outside.join(kind);
        let definitions = [
            format!("-DCMAKE_PREFIX_PATH={}", package.display()),
            format!("-DCONSUMER_LINKS_TO=kakeyaturbo::{kind}"),
        ];
        configure(&project.join("find_package"), &build, &definitions)?;
        run(command("cmake", ["--build"]).arg(&build))?;
        for program in ["consumer_c", "consumer_cpp"] {
            run(&mut command::<&str>(build.join(program), []))?;
        }
    }
    let mut pkg_config = command("pkg-config", ["--cflags", "--libs", "kakeyaturbo"]);
    let flags = read(pkg_config.env("PKG_CONFIG_PATH", package.join("lib/pkgconfig")))?;
    let program = outside.join("consumer");
    let mut compile = command("cc", [project.join("consumer.c")]);
    compile.args(flags.split_whitespace()).arg("-lm").arg("-o").arg(&program);
    compile.arg(format!("-Wl,-rpath,{}", package.join("lib").display()));
    run(&mut compile)?;
    run(&mut command::<&str>(&program, []))?;
    ensure!(package.join("share/doc/kakeyaturbo/LICENSE").is_file(), "the archive has no licence");
    Ok(())
}
