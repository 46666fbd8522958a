//! `cargo xtask header`: writes the C headers from `src/ffi`.
//!
//! cbindgen writes the declarations of one source file at a time: a part. For each header there is a template
//! beside this file, which has everything between the parts, in the order in which a reader meets it. A line
//! of a template that starts with `@` is replaced:
//!
//! - `@objects a b` by the opaque types of `src/ffi/a.rs` and `b.rs`,
//! - `@part a` by all other declarations of `src/ffi/a.rs`,
//! - `@example` by the heart of `cpp-examples/00_block.c`,
//! - `@pointers` by a pointer type for each function of the headers written before,
//! - `@names` by the names of these functions, as arguments of a macro `X`.

mod function;
mod initializer;
mod part;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use function::Function;
use part::Part;

/// Every header and its template, in the order in which they include each other.
const HEADERS: [(&str, &str); 3] = [
    ("kakeyaturbo.h", include_str!("kakeyaturbo.h.in")),
    ("profile.h", include_str!("profile.h.in")),
    ("dlopen.h", include_str!("dlopen.h.in")),
];

/// The columns of a header.
const WIDTH: usize = 110;

/// Writes the headers to `include/kakeyaturbo`, or with `check` only compares them with the committed ones.
///
/// # Errors
/// When `src/ffi` does not describe a header, or a committed one differs and `check` is set.
pub fn run(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut generator = Generator { root, functions: Vec::new() };
    for (name, template) in HEADERS {
        let generated = generator.fill_in(template).with_context(|| format!("the template of {name}"))?;
        let path = generator.root.join("include/kakeyaturbo").join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed == generated {
            println!("{name} is up to date");
        } else if check {
            let difference = first_difference(&committed, &generated);
            bail!("{name} differs from src/ffi {difference}\nRun: cargo xtask header");
        } else {
            fs::write(&path, generated).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{name} written");
        }
    }
    Ok(())
}

struct Generator {
    root: PathBuf,
    /// The functions of the headers written so far.
    functions: Vec<Function>,
}

impl Generator {
    fn fill_in(&mut self, template: &str) -> Result<String> {
        let mut header = String::new();
        for line in versions(template).lines() {
            match line.strip_prefix('@') {
                Some(directive) => header += &self.replacement(directive)?,
                None => header += line,
            }
            header.push('\n');
        }
        Ok(header)
    }

    fn replacement(&mut self, directive: &str) -> Result<String> {
        let mut words = directive.split_whitespace();
        match words.next().unwrap_or_default() {
            "objects" => {
                let parts: Result<Vec<Part>> = words.map(|name| Part::read(&self.root, name)).collect();
                let objects: Vec<String> = parts?.iter().flat_map(Part::objects).collect();
                Ok(objects.join("\n"))
            }
            "part" => {
                let part = Part::read(&self.root, words.next().context("@part without a name")?)?;
                self.functions.extend(part.functions().cloned());
                Ok(part.render())
            }
            "example" => example(&self.root),
            "pointers" => {
                let pointers: Vec<String> = self.functions.iter().map(Function::pointer_type).collect();
                Ok(pointers.join("\n"))
            }
            "names" => {
                let names: Vec<String> =
                    self.functions.iter().map(|function| format!("    X({})", function.name)).collect();
                Ok(names.join(" \\\n"))
            }
            other => bail!("no directive @{other}"),
        }
    }
}

/// The template with the version of the package.
fn versions(template: &str) -> String {
    let mut text = template.replace("{version}", env!("CARGO_PKG_VERSION"));
    let parts = env!("CARGO_PKG_VERSION").split('.');
    for (part, value) in ["{major}", "{minor}", "{patch}"].into_iter().zip(parts) {
        text = text.replace(part, value);
    }
    text
}

/// The calls of `00_block.c` that make a codec, encode and decode, as lines of a comment.
fn example(root: &Path) -> Result<String> {
    let path = root.join("cpp-examples/00_block.c");
    let program = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (first, last) = ("    kakeya_params ", "kakeya_decode(");
    let mut calls = program.lines().skip_while(|line| !line.starts_with(first));
    let mut lines = Vec::new();
    for line in &mut calls {
        lines.push(format!(" * {line}").trim_end().to_owned());
        if line.contains(last) {
            return Ok(lines.join("\n"));
        }
    }
    bail!("{} has no lines from {first:?} to {last:?}", path.display())
}

/// `head`, `pieces` with commas between, `tail`: in one line if it fits, otherwise indented below `head`.
/// Every line but the last ends with `line_end`.
fn fill(head: &str, pieces: &[String], tail: &str, line_end: &str) -> String {
    let one_line = format!("{head}{}{tail}", pieces.join(", "));
    if one_line.len() <= WIDTH {
        return one_line;
    }
    let mut lines = vec![head.to_owned(), "   ".to_owned()];
    for (index, piece) in pieces.iter().enumerate() {
        let end = if index + 1 == pieces.len() { tail } else { "," };
        let line = lines.last_mut().expect("there are two lines");
        if line.len() + 1 + piece.len() + end.len() + line_end.len() > WIDTH {
            lines.push("   ".to_owned());
        }
        let line = lines.last_mut().expect("there are two lines");
        *line += &format!(" {piece}{end}");
    }
    lines.join(&format!("{line_end}\n"))
}

/// The first line in which two texts differ, from both sides.
fn first_difference(committed: &str, generated: &str) -> String {
    let (mut ours, mut theirs) = (committed.lines(), generated.lines());
    for number in 1.. {
        match (ours.next(), theirs.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let (a, b) = (a.unwrap_or("(end)"), b.unwrap_or("(end)"));
                return format!("from line {number}:\n  committed: {a}\n  generated: {b}");
            }
        }
    }
    "in its line ends".to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_headers_are_up_to_date() {
        super::run(true).unwrap();
    }
}
