//! The test programs of the workspace, built by cargo and run side by side.
//!
//! `cargo test` runs one program after the other; most of ours have a test that is much longer than their others, during
//! which one core would be idle.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::shell::{cargo, command, read};
use crate::steps;
use crate::workspace::Workspace;

/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A message of cargo, as far as it is about a program.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(flatten)]
    artifact: Option<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

struct Program {
    /// `PACKAGE::TARGET`, or the package for its unit tests.
    name: String,
    path: PathBuf,
    /// The folder of the package, in which cargo runs tests too.
    folder: PathBuf,
}

/// Wall time, and time of all processors where the system says.
struct Times {
    wall: Duration,
    cpu: Option<Duration>,
}

/// Builds the tests that `cargo test ARGUMENTS` would run, without those in documentation, and runs their programs: as
/// many at once as there are cores, those first that took longest the last time. Prints what each takes, and the output
/// of those that fail.
///
/// # Errors
/// When the build or a program fails.
pub fn test(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let start = Instant::now();
    let mut programs = build(workspace, arguments)?;
    println!("built in {:.1} s: {} programs", start.elapsed().as_secs_f64(), programs.len());
    let folder = workspace.target.join("test");
    fs::create_dir_all(folder.join("logs")).with_context(|| format!("cannot make {}", folder.display()))?;
    let known = folder.join("seconds.json");
    let mut seconds: BTreeMap<String, f64> =
        fs::read_to_string(&known).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    // What is new may be long.
    let last = |program: &Program| seconds.get(&program.name).copied().unwrap_or(f64::INFINITY);
    programs.sort_by(|a, b| last(b).total_cmp(&last(a)));

    let queue = Mutex::new(VecDeque::from(programs));
    let (done, failures) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let worker = || -> Result<()> {
        loop {
            let next = queue.lock().expect("no worker panics").pop_front();
            let Some(program) = next.filter(|_| failures.load(Ordering::Relaxed) == 0) else { return Ok(()) };
            let log = folder.join("logs").join(format!("{}.log", program.name.replace("::", "-")));
            let (status, times) = run(&program, &log)?;
            report(&program, &log, status, &times)?;
            if status.success() {
                done.lock().expect("no worker panics").push((program.name, times.wall.as_secs_f64()));
            } else {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    seconds.extend(done.into_inner().expect("no worker panics"));
    fs::write(&known, serde_json::to_string(&seconds)?)
        .with_context(|| format!("cannot write {}", known.display()))?;
    let failures = failures.into_inner();
    ensure!(failures == 0, "{failures} test programs failed");
    Ok(())
}

/// The programs that cargo has built or found up to date.
fn build(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<Program>> {
    let mut line = cargo(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    let messages = read(line.args(arguments).stdin(Stdio::null()))?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).context("a message of cargo")?;
        let Some(artifact) = message.artifact.filter(|artifact| artifact.profile.test) else { continue };
        let Some(path) = artifact.executable.filter(|_| message.reason == "compiler-artifact") else {
            continue;
        };
        let package = workspace.package_name(&artifact.package_id)?;
        let is_test = artifact.target.kind.iter().any(|kind| kind == "test");
        let name = if is_test { format!("{package}::{}", artifact.target.name) } else { package.to_owned() };
        let folder = artifact.manifest_path.parent().context("a manifest is in a folder")?.to_owned();
        programs.push(Program { name, path, folder });
    }
    if programs.is_empty() {
        bail!("cargo built no test program");
    }
    Ok(programs)
}

/// Runs a program with its output in `log`.
fn run(program: &Program, log: &Path) -> Result<(ExitStatus, Times)> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut line = command::<&str>(&program.path, []);
    line.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder).stdin(Stdio::null());
    line.stdout(file.try_clone()?).stderr(file);
    let start = Instant::now();
    let mut child = line.spawn().with_context(|| format!("cannot start {}", program.path.display()))?;
    let (status, cpu) = wait(&mut child)?;
    Ok((status, Times { wall: start.elapsed(), cpu }))
}

/// Waits for a program, and says what it took of the processors when it was last looked at.
fn wait(child: &mut Child) -> Result<(ExitStatus, Option<Duration>)> {
    let mut cpu = None;
    loop {
        cpu = steps::cpu_of(child.id()).or(cpu);
        if let Some(status) = child.try_wait()? {
            return Ok((status, cpu));
        }
        thread::sleep(GLANCE);
    }
}

fn report(program: &Program, log: &Path, status: ExitStatus, times: &Times) -> Result<()> {
    let word = if status.success() { "ok" } else { "FAILED" };
    let line = format!(
        "{word:<6} {:>7.1} s {:>8} s CPU  {}",
        times.wall.as_secs_f64(),
        steps::seconds(times.cpu),
        program.name
    );
    let output = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let output = String::from_utf8_lossy(&output);
    if status.success() {
        // The program's own summary counts its tests.
        let summary = output.lines().rfind(|line| line.starts_with("test result:"));
        println!("{line}\n{}", summary.unwrap_or("no summary"));
    } else {
        println!("{line}: {status}\n{output}");
    }
    Ok(())
}
