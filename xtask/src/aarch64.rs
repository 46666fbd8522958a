//! The library for aarch64, built across and run under QEMU: the stored blocks decode to the same bits there.

use std::env::consts::{ARCH, OS};

use anyhow::{Context, Result};

use crate::shell::{cargo, command, run};
use crate::tools::{self, Probe, Tool};

const TARGET: &str = "aarch64-unknown-linux-gnu";

const TOOLS: &[Tool<'static>] = &[
    Tool {
        name: "GCC for aarch64",
        probe: Probe::Runs(&["aarch64-linux-gnu-gcc", "--version"]),
        debian: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        brew: "",
    },
    Tool {
        name: "QEMU's user mode",
        probe: Probe::Runs(&["qemu-aarch64", "--version"]),
        debian: "qemu-user",
        brew: "",
    },
];

/// Builds the library and runs the tests of stored blocks and of CPU tiers. Elsewhere than on Linux for x86-64 there is
/// nothing to do across.
///
/// # Errors
/// When a tool is missing and cannot be installed, the build fails, or a test does.
pub fn check() -> Result<()> {
    if (OS, ARCH) != ("linux", "x86_64") {
        println!("left out: only Linux on x86-64 builds across to {TARGET}");
        return Ok(());
    }
    tools::ensure(&TOOLS.iter().collect::<Vec<_>>())?;
    run(&mut command("rustup", ["target", "add", TARGET]))
        .with_context(|| format!("Rust's standard library for {TARGET} is missing: install it"))?;
    let mut test =
        cargo(["test", "--profile", "cross", "--target", TARGET, "--test", "golden", "--test", "tiers"]);
    test.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
    test.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64 -L /usr/aarch64-linux-gnu");
    run(&mut test)
}
