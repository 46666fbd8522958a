//! `cargo xtask coverage`: which lines and functions of `src/` the tests reach.
//!
//! Counted are the Rust tests of the package and the C programs of `ffi-tests` that check the contract of the C
//! API. Test modules inside `src/` do not count. Lines named in `xtask/coverage-exempt.toml` are left out and
//! listed with their reasons. A closure is a function too; a function that is compiled several times, for types
//! or for CPU tiers, is reached where any instance of it is.

use std::collections::BTreeMap;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::shell::{cargo, command, read, run as show, succeeds};
use crate::tools::{self, Probe, Tool};
use crate::workspace::Workspace;

/// Percent of the lines that the tests must reach.
const REQUIRED: f64 = 99.0;

const EXEMPTIONS: &str = "xtask/coverage-exempt.toml";

/// How often what a file holds ran.
#[derive(Default)]
struct Counts {
    /// Each line with code, by its number from 1.
    lines: BTreeMap<usize, u64>,
    /// Each function, by its first line and its name.
    functions: BTreeMap<(usize, String), u64>,
}

/// Measures, prints a table, what was not reached, and the total as the last line.
///
/// # Errors
/// When a tool is missing and cannot be installed, a test fails, an exemption does not fit its file, the share
/// of lines is below [`REQUIRED`], or a function was not reached.
pub fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let lcov = measure(&workspace)?;
    let mut files = parse(&lcov, &workspace.root)?;
    ensure!(!files.is_empty(), "the report has no file of src/");
    let sources = Sources::load(&workspace.root, files.keys())?;
    for (file, counts) in &mut files {
        counts.leave_out(&test_module(sources.lines(file))?);
    }
    let exempt = exempt(&workspace.root, &mut files, &sources)?;

    print_table(&files);
    print_uncovered(&files, &sources);
    for line in exempt {
        println!("{line}");
    }
    let sum = |(total, missed): (usize, usize), file: (usize, usize)| (total + file.0, missed + file.1);
    let (functions, never) = files.values().map(|file| count(&file.functions)).fold((0, 0), sum);
    println!("functions {} of {functions}", functions - never);
    let (total, missed) = files.values().map(|file| count(&file.lines)).fold((0, 0), sum);
    let percent = percent(total, missed);
    println!("lines {percent:.2} %");
    ensure!(percent >= REQUIRED, "the tests must reach {REQUIRED:.2} % of the lines of src/");
    ensure!(never == 0, "the tests must reach every function of src/");
    Ok(())
}

/// Runs the tests on instrumented builds and returns the reports in lcov's format, one after the other.
fn measure(workspace: &Workspace) -> Result<String> {
    tools::ensure(&tools::BUILD.iter().chain(tools::TEST).collect::<Vec<_>>())?;
    if !succeeds(&mut cargo(["llvm-cov", "--version"])) {
        show(&mut cargo(["install", "cargo-llvm-cov", "--locked"]))?;
    }
    let llvm = LlvmTools::find()?;
    let folder = workspace.target.join("coverage");
    let llvm_cov = |arguments: &[&str]| -> Command {
        let mut command = cargo(["llvm-cov"]);
        command.args(arguments).env("CARGO_LLVM_COV_TARGET_DIR", &folder);
        command.env("LLVM_COV", &llvm.cov).env("LLVM_PROFDATA", &llvm.profdata);
        command
    };
    show(&mut llvm_cov(&["clean", "--workspace"]))?;
    // Sizes at the error of turbo take a hundred encodings: minutes on an instrumented build, and no line of their own.
    show(&mut llvm_cov(&[
        "test",
        "--no-report",
        "--package=kakeyaturbo",
        "--package=kakeyaturbo-fuzz-targets",
        "--",
        "--skip=_a_row_take",
    ]))?;
    show(&mut llvm_cov(&[
        "test",
        "--no-report",
        "--package=ffi-tests",
        "--test=all",
        "--",
        "contract",
        "version",
        // The same programs once more.
        "--skip=sanitizers",
    ]))?;
    let report = folder.join("rust.lcov");
    show(llvm_cov(&["report", "--lcov", "--output-path"]).arg(&report))?;
    let rust = fs::read_to_string(&report).with_context(|| format!("cannot read {}", report.display()))?;

    // The C programs ran in the library that CMake installs, which cargo does not know. It needs a report of its own:
    // in a common one, functions of the C API that the Rust tests never call hide those that the C programs call.
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let profile = paths.find(|path| path.extension().is_some_and(|extension| extension == "profdata"));
    let profile = profile.with_context(|| format!("no profile in {}", folder.display()))?;
    let mut export = command(&llvm.cov, ["export", "--format=lcov", "--instr-profile"]);
    let library = format!("{DLL_PREFIX}kakeyaturbo{DLL_SUFFIX}");
    export.arg(profile).arg(folder.join("package/lib").join(library));
    Ok(format!("{rust}\n{}", read(&mut export)?))
}

/// The tools of the compiler's own LLVM version.
struct LlvmTools {
    cov: PathBuf,
    profdata: PathBuf,
}

impl LlvmTools {
    /// Those of the toolchain, or else of Debian.
    fn find() -> Result<Self> {
        let sysroot = read(&mut command("rustc", ["--print", "sysroot"]))?;
        let version = read(&mut command("rustc", ["-vV"]))?;
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.with_context(|| format!("`rustc -vV` does not say its {name}"))
        };
        let bin = Path::new(sysroot.trim()).join("lib/rustlib").join(field("host")?).join("bin");
        let tools = Self { cov: bin.join("llvm-cov"), profdata: bin.join("llvm-profdata") };
        if tools.cov.exists() && tools.profdata.exists() {
            return Ok(tools);
        }
        let major = field("LLVM version")?.split('.').next().unwrap_or_default();
        let (name, cov) = (format!("llvm-{major}"), format!("llvm-cov-{major}"));
        let probe = Probe::Runs(&[&cov, "--version"]);
        tools::ensure(&[&Tool { name: &name, probe, debian: &name, brew: "llvm" }])?;
        Ok(Self { profdata: format!("llvm-profdata-{major}").into(), cov: cov.into() })
    }
}

impl Counts {
    /// Adds a record of a report in lcov's format, if it is one that counts. `starts` are the first lines of the
    /// file's functions, by symbol.
    fn add<'a>(&mut self, record: &'a str, starts: &mut BTreeMap<&'a str, usize>) -> Option<()> {
        if let Some((line, runs)) = record.strip_prefix("DA:").and_then(|data| data.split_once(',')) {
            *self.lines.entry(line.parse().ok()?).or_default() += runs.parse::<u64>().ok()?;
        } else if let Some((line, symbol)) = record.strip_prefix("FN:").and_then(|data| data.split_once(','))
        {
            starts.insert(symbol, line.parse().ok()?);
        } else if let Some((runs, symbol)) =
            record.strip_prefix("FNDA:").and_then(|data| data.split_once(','))
        {
            let key = (*starts.get(symbol)?, function_name(symbol));
            *self.functions.entry(key).or_default() += runs.parse::<u64>().ok()?;
        }
        Some(())
    }

    /// Takes out the lines of a range and the functions that start in it.
    fn leave_out(&mut self, range: &Range<usize>) {
        self.lines.retain(|line, _| !range.contains(line));
        self.functions.retain(|(line, _), _| !range.contains(line));
    }
}

/// The counts of the files below `root/src`, by path relative to `root`.
fn parse(lcov: &str, root: &Path) -> Result<BTreeMap<PathBuf, Counts>> {
    let mut files: BTreeMap<PathBuf, Counts> = BTreeMap::new();
    let (mut file, mut starts) = (None, BTreeMap::new());
    for record in lcov.lines() {
        if let Some(path) = record.strip_prefix("SF:") {
            // The library that CMake builds names the project, and once more in front the folder it was built
            // in, by the name of the project.
            let path = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
            let path: PathBuf =
                path.components().skip_while(|part| part.as_os_str() == "kakeyaturbo").collect();
            file = Some(path).filter(|path| path.starts_with("src"));
            starts.clear();
        } else if let Some(file) = &file {
            let counts = files.entry(file.clone()).or_default();
            counts.add(record, &mut starts).with_context(|| format!("a record of the report: {record}"))?;
        }
    }
    Ok(files)
}

/// The name of a function without what differs between its instances: types, and the numbers of closures, since
/// `dispatch!` repeats one for every CPU tier. `::run::{closure}` in a method, the whole path of a free function.
fn function_name(symbol: &str) -> String {
    let (mut name, mut depth, mut last) = (String::new(), 0_usize, ' ');
    for c in format!("{:#}", rustc_demangle::demangle(symbol)).chars() {
        match c {
            '<' => depth += 1,
            // Not the arrow of a function type.
            '>' if last != '-' => depth = depth.saturating_sub(1),
            '#' | '0'..='9' if name.rfind('{') > name.rfind('}') => {}
            _ if depth == 0 => name.push(c),
            _ => {}
        }
        last = c;
    }
    name
}

/// The source text of the files of the report.
struct Sources(BTreeMap<PathBuf, Vec<String>>);

impl Sources {
    fn load<'a>(root: &Path, files: impl Iterator<Item = &'a PathBuf>) -> Result<Self> {
        let read = |file: &PathBuf| {
            let text = fs::read_to_string(root.join(file))
                .with_context(|| format!("cannot read {}", file.display()))?;
            Ok((file.clone(), text.lines().map(str::to_owned).collect()))
        };
        Ok(Self(files.map(read).collect::<Result<_>>()?))
    }

    fn lines(&self, file: &Path) -> &[String] {
        self.0.get(file).map_or(&[], Vec::as_slice)
    }
}

/// The lines of the test module of a file, which by the project's custom is its last item.
fn test_module(lines: &[String]) -> Result<Range<usize>> {
    let Some(start) = lines.iter().position(|line| line == "#[cfg(test)]") else { return Ok(0..0) };
    let ends = lines[start..].iter().filter(|line| *line == "}").count();
    ensure!(ends == 1, "what follows `#[cfg(test)]` in line {} is not one last item", start + 1);
    Ok(start + 1..lines.len() + 1)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exemptions {
    #[serde(default)]
    exempt: Vec<Exemption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exemption {
    file: PathBuf,
    line: String,
    #[serde(default = "one")]
    lines: usize,
    reason: String,
}

fn one() -> usize {
    1
}

/// Takes the exempt lines out of `files` and returns a line of text about each exemption.
fn exempt(root: &Path, files: &mut BTreeMap<PathBuf, Counts>, sources: &Sources) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(root.join(EXEMPTIONS)).with_context(|| format!("cannot read {EXEMPTIONS}"))?;
    let Exemptions { exempt } = toml::from_str(&text).with_context(|| format!("cannot read {EXEMPTIONS}"))?;
    let mut report = Vec::new();
    for Exemption { file, line, lines, reason } in exempt {
        let source = sources.lines(&file);
        let hits: Vec<usize> =
            (1..).zip(source).filter(|(_, text)| text.contains(&line)).map(|hit| hit.0).collect();
        let [first] = hits[..] else {
            bail!("{EXEMPTIONS}: {} lines of {} contain {line:?}, not one", hits.len(), file.display());
        };
        let range = first..first + lines;
        let counts =
            files.get_mut(&file).with_context(|| format!("{EXEMPTIONS}: no code in {}", file.display()))?;
        let missed = range.clone().filter(|line| counts.lines.get(line) == Some(&0)).count();
        counts.leave_out(&range);
        let needless = if missed == 0 { " (all reached here)" } else { "" };
        report.push(format!("exempt {}:{first}+{lines}{needless}: {reason}", file.display()));
    }
    Ok(report)
}

/// How many lines or functions a file has, and how many never ran.
fn count<K>(runs: &BTreeMap<K, u64>) -> (usize, usize) {
    (runs.len(), runs.values().filter(|&&runs| runs == 0).count())
}

/// The share of lines that ran, cut (not rounded) to hundredths, so that 99.00 means 99.00.
#[expect(clippy::cast_precision_loss, reason = "line counts are far below 2^53")]
fn percent(total: usize, missed: usize) -> f64 {
    ((total - missed) as f64 / total.max(1) as f64 * 10_000.0).floor() / 100.0
}

fn print_table(files: &BTreeMap<PathBuf, Counts>) {
    println!(
        "\n{:<40} {:>7} {:>7} {:>8} {:>10} {:>7}",
        "file", "lines", "missed", "reached", "functions", "missed"
    );
    for (file, counts) in files {
        let ((total, missed), (functions, never)) = (count(&counts.lines), count(&counts.functions));
        let percent = percent(total, missed);
        println!("{:<40} {total:>7} {missed:>7} {percent:>6.2} % {functions:>10} {never:>7}", file.display());
    }
    println!();
}

fn print_uncovered(files: &BTreeMap<PathBuf, Counts>, sources: &Sources) {
    for (file, counts) in files {
        for line in counts.lines.iter().filter(|(_, runs)| **runs == 0).map(|(line, _)| *line) {
            let text = sources.lines(file).get(line - 1).map_or("", |text| text.trim());
            println!("missed {}:{line}: {text}", file.display());
        }
        for (line, name) in
            counts.functions.iter().filter(|(_, runs)| **runs == 0).map(|(function, _)| function)
        {
            println!("missed {}:{line}: the function {name}", file.display());
        }
    }
}
