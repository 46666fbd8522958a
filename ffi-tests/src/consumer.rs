//! Outside projects that use the package through CMake.

use std::path::{Path, PathBuf};

use crate::command::{command, run};

/// Configures and builds the CMake project in `project` with the cache entries `definitions`, and returns its build
/// folder, which is `folder/build`.
///
/// # Panics
/// When CMake or the compiler fails; what they printed stands above.
#[must_use]
pub fn build_with_cmake(project: &Path, folder: &Path, definitions: &[(&str, &Path)]) -> PathBuf {
    let triple = env!("FFI_TESTS_TARGET");
    let mut config = cmake::Config::new(project);
    // Outside of a build script nothing else tells the crate these.
    config.out_dir(folder).target(triple).host(triple).profile("Release");
    config.generator("Ninja").build_target("all");
    // What CMake prints goes straight to the terminal, past the test runner: keep it short.
    config.configure_arg("--log-level=ERROR").configure_arg("--no-warn-unused-cli");
    for (name, value) in definitions {
        config.define(name, value);
    }
    config.build().join("build")
}

/// The shared libraries that a program asks the loader for.
///
/// # Panics
/// When `readelf` does not understand the program.
#[must_use]
pub fn needed_libraries(program: &Path) -> Vec<String> {
    let dynamic = run(command("readelf", ["--dynamic", "--wide"]).arg(program));
    let names = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    names.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned())).collect()
}
