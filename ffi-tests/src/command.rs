//! Running programs with everything they print at hand.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// A command that does not inherit the library path which `cargo test` sets: the loader has to find libraries the
/// way it does for a user.
pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_remove("LD_LIBRARY_PATH").stdin(Stdio::null());
    command
}

/// Runs a command and returns its standard output.
///
/// # Panics
/// When it cannot be started or does not exit with 0: with the command line and both outputs.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n--- standard output\n{stdout}\n--- standard error\n{stderr}",
        output.status
    );
    stdout
}

/// Runs a program without arguments and returns its standard output.
///
/// # Panics
/// As [`run`] does.
#[track_caller]
pub fn execute(program: impl AsRef<OsStr>) -> String {
    run(&mut command(program, std::iter::empty::<&OsStr>()))
}
