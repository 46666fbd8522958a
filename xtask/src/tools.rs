//! The programs and libraries that a command needs: a probe for each, and the package that has it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, command, read, run, succeeds};

/// How to tell whether something is there.
pub enum Probe<'a> {
    /// This command line exits with 0.
    Runs(&'a [&'a str]),
    /// The C++ compiler finds this header.
    Header(&'a str),
    /// `gcc` links a program with this `-fsanitize=` list.
    Sanitizers(&'a str),
    /// One of the Python interpreters imports numpy.
    Numpy,
}

/// Something that is needed.
pub struct Tool<'a> {
    /// What it is, for messages.
    pub name: &'a str,
    /// How to tell.
    pub probe: Probe<'a>,
    /// The Debian package.
    pub debian: &'a str,
    /// The Homebrew formula; empty where macOS or its developer tools bring it, or nobody does.
    pub brew: &'a str,
}

/// What building the package and the examples takes.
pub const BUILD: &[Tool<'static>] = &[
    Tool { name: "CMake", probe: Probe::Runs(&["cmake", "--version"]), debian: "cmake", brew: "cmake" },
    Tool { name: "Ninja", probe: Probe::Runs(&["ninja", "--version"]), debian: "ninja-build", brew: "ninja" },
    Tool { name: "a C++ compiler", probe: Probe::Runs(&["c++", "--version"]), debian: "g++", brew: "" },
    Tool {
        name: "pkg-config",
        probe: Probe::Runs(&["pkg-config", "--version"]),
        debian: "pkg-config",
        brew: "pkgconf",
    },
    Tool { name: "CLI11", probe: Probe::Header("CLI/CLI.hpp"), debian: "libcli11-dev", brew: "cli11" },
    Tool {
        name: "nlohmann-json",
        probe: Probe::Header("nlohmann/json.hpp"),
        debian: "nlohmann-json3-dev",
        brew: "nlohmann-json",
    },
];

const VALGRIND: Tool<'static> =
    Tool { name: "Valgrind", probe: Probe::Runs(&["valgrind", "--version"]), debian: "valgrind", brew: "" };

/// What the tests take beside [`BUILD`].
pub const TEST: &[Tool<'static>] = &[
    Tool { name: "GCC", probe: Probe::Runs(&["g++", "--version"]), debian: "g++", brew: "gcc" },
    Tool { name: "Clang", probe: Probe::Runs(&["clang++", "--version"]), debian: "clang", brew: "llvm" },
    VALGRIND,
    Tool {
        name: "GCC's sanitizers",
        probe: Probe::Sanitizers("address,undefined"),
        debian: "build-essential",
        brew: "gcc",
    },
    Tool {
        name: "nm and readelf",
        probe: Probe::Runs(&["readelf", "--version"]),
        debian: "binutils",
        brew: "",
    },
    Tool {
        name: "libabigail",
        probe: Probe::Runs(&["abidw", "--version"]),
        debian: "abigail-tools",
        brew: "",
    },
    Tool { name: "numpy", probe: Probe::Numpy, debian: "python3-numpy", brew: "numpy" },
];

/// What fetching the engine's models and texts takes beside [`BUILD`].
pub const ENGINE: &[Tool<'static>] = &[Tool {
    name: "pip",
    probe: Probe::Runs(&["python3", "-m", "pip", "--version"]),
    debian: "python3-pip",
    brew: "python",
}];

/// What measuring time takes beside [`BUILD`] and [`ENGINE`]: rivals, and what counts instructions and chooses a core.
pub const BENCH: &[Tool<'static>] = &[
    VALGRIND,
    Tool { name: "zstd", probe: Probe::Header("zstd.h"), debian: "libzstd-dev", brew: "zstd" },
    Tool { name: "lz4", probe: Probe::Header("lz4.h"), debian: "liblz4-dev", brew: "lz4" },
    Tool { name: "OpenBLAS", probe: Probe::Header("cblas.h"), debian: "libopenblas-dev", brew: "openblas" },
    Tool { name: "taskset", probe: Probe::Runs(&["taskset", "--version"]), debian: "util-linux", brew: "" },
];

impl Tool<'_> {
    fn is_there(&self) -> bool {
        match self.probe {
            Probe::Runs(line) => succeeds(&mut command(line[0], &line[1..])),
            Probe::Header(header) => {
                let text = format!("#if !__has_include(<{header}>)\n#error missing\n#endif\n");
                compiles(command("c++", ["-std=c++17", "-E", "-x", "c++", "-"]), &text)
            }
            Probe::Sanitizers(list) => {
                let sanitize = format!("-fsanitize={list}");
                compiles(
                    command("gcc", [&sanitize, "-x", "c", "-", "-o", "/dev/null"]),
                    "int main(void) { return 0; }\n",
                )
            }
            Probe::Numpy => python_with_numpy().is_ok(),
        }
    }
}

/// Installs the parts of the Rust toolchain that a minimal one lacks.
///
/// # Errors
/// When they are missing and rustup, which could add them, is not there or fails.
pub fn ensure_rust_components() -> Result<()> {
    let has = |tool: &str| succeeds(&mut command("cargo", [tool, "--version"]));
    if has("fmt") && has("clippy") {
        return Ok(());
    }
    run(&mut command("rustup", ["component", "add", "rustfmt", "clippy"]))
        .context("rustfmt or clippy is missing: install both for this toolchain")
}

/// The program of cargo's subcommand `name`: from the path, or installed from its registry into `target/tools`, where
/// no other project meets it.
///
/// # Errors
/// When it is missing and cargo cannot install it.
pub fn subcommand(name: &str, target: &Path) -> Result<PathBuf> {
    let (package, root) = (format!("cargo-{name}"), target.join("tools"));
    let own = root.join("bin").join(&package);
    for program in [PathBuf::from(&package), own.clone()] {
        if succeeds(&mut command(&program, [name, "--version"])) {
            return Ok(program);
        }
    }
    // It is used a few times: compile it fast rather than well.
    run(cargo(["install", "--locked", "--debug", &package, "--root"]).arg(&root))?;
    Ok(own)
}

/// The Python interpreter that has numpy: the first in the path, or the system's own.
///
/// # Errors
/// When neither has it.
pub fn python_with_numpy() -> Result<&'static str> {
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| succeeds(&mut command(python, ["-c", "import numpy"])))
        .context("no python3 with numpy")
}

/// Installs what is missing.
///
/// # Errors
/// When something is missing and cannot be installed from here: the message has the command to run.
pub fn ensure(tools: &[&Tool<'_>]) -> Result<()> {
    let missing: Vec<&Tool<'_>> = tools.iter().copied().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = list(&missing, ", ", |tool| tool.name);
    let packages = list(&missing, " ", |tool| tool.debian);
    if !succeeds(&mut command("apt-get", ["--version"])) {
        let formulas = list(&missing, " ", |tool| tool.brew);
        bail!("missing: {names}\nInstall them, for example on macOS with: brew install {formulas}");
    }
    let Some(root) = as_root() else {
        bail!("missing: {names}\nRun: sudo apt-get install -y --no-install-recommends {packages}");
    };
    println!("installing what is missing: {names}");
    run(&mut apt_get(root, "update", &[]))?;
    let arguments: Vec<&str> = packages.split(' ').collect();
    run(&mut apt_get(root, "install", &[&["-y", "--no-install-recommends"], arguments.as_slice()].concat()))?;
    match missing.iter().find(|tool| !tool.is_there()) {
        Some(tool) => bail!("{} is still not usable after installing the package {}", tool.name, tool.debian),
        None => Ok(()),
    }
}

/// What goes before a command that needs root: nothing for root, `sudo -n` where that works, else `None`.
fn as_root() -> Option<&'static [&'static str]> {
    if read(&mut command("id", ["-u"])).is_ok_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    succeeds(&mut command("sudo", ["-n", "true"])).then_some(&["sudo", "-n"])
}

fn apt_get(root: &[&str], verb: &str, arguments: &[&str]) -> Command {
    // `env` keeps the variable across sudo, which would drop it.
    let line = [root, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", verb], arguments].concat();
    command(line[0], &line[1..])
}

fn list<'a>(tools: &[&Tool<'a>], separator: &str, field: impl Fn(&Tool<'a>) -> &'a str) -> String {
    let mut words: Vec<&str> = tools.iter().map(|tool| field(tool)).filter(|word| !word.is_empty()).collect();
    words.dedup();
    words.join(separator)
}

/// Whether a compiler accepts `text` on its standard input.
fn compiles(mut compiler: Command, text: &str) -> bool {
    let child = compiler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.is_ok_and(|mut child| {
        let written = child.stdin.take().is_some_and(|mut stdin| stdin.write_all(text.as_bytes()).is_ok());
        child.wait().is_ok_and(|status| status.success()) && written
    })
}
