//! A part of a header: what one file of `src/ffi` declares.

use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::function::Function;
use super::initializer::{Field, initializer};

/// The declarations of one file.
pub struct Part(Vec<Item>);

/// A declaration and its documentation, a comment of lines that start with `///`.
struct Item {
    documentation: String,
    declaration: Declaration,
}

enum Declaration {
    /// `#define NAME value`
    Constant {
        name: String,
        text: String,
    },
    /// `typedef struct name name;`
    Object(String),
    Struct(String),
    /// Any other type.
    Alias(String),
    Function(Function),
}

impl Part {
    /// Asks cbindgen for the declarations of `src/ffi/NAME.rs`.
    ///
    /// # Errors
    /// When cbindgen fails or answers something unforeseen.
    pub fn read(root: &Path, name: &str) -> Result<Self> {
        let config =
            cbindgen::Config::from_file(root.join("cbindgen.toml")).map_err(|error| anyhow!(error))?;
        let source = root.join("src/ffi").join(name).with_extension("rs");
        let bindings = cbindgen::Builder::new().with_config(config).with_src(&source).generate();
        let mut text = Vec::new();
        bindings.with_context(|| format!("{}", source.display()))?.write(&mut text);
        let text = String::from_utf8(text)?;
        let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
        blocks.map(Item::parse).collect::<Result<_>>().map(Self)
    }

    /// The opaque types, documented.
    pub fn objects(&self) -> Vec<String> {
        let is_object = |item: &&Item| matches!(item.declaration, Declaration::Object(_));
        self.0.iter().filter(is_object).map(Item::render).collect()
    }

    /// The functions.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.0.iter().filter_map(|item| match &item.declaration {
            Declaration::Function(function) => Some(function),
            _ => None,
        })
    }

    /// Everything but the opaque types. Constants of one enumeration stand close together, and so do
    /// functions that fill structs with defaults.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut previous = None;
        for item in &self.0 {
            if matches!(item.declaration, Declaration::Object(_)) {
                continue;
            }
            let group = item.group();
            match previous {
                None => {}
                Some(before) if before == group && group.is_some() => text.push('\n'),
                Some(_) => text.push_str("\n\n"),
            }
            text += &item.render();
            previous = Some(group);
        }
        text
    }
}

impl Item {
    fn parse(block: &str) -> Result<Self> {
        let end = block.lines().take_while(|line| line.starts_with("///")).map(|line| line.len() + 1).sum();
        let (documentation, code) = block.split_at_checked(end).context("a comment without a declaration")?;
        let text = code.to_owned();
        let declaration = if let Some(rest) = code.strip_prefix("#define ") {
            let name = rest.split(' ').next().unwrap_or_default().to_owned();
            Declaration::Constant { name, text }
        } else if code.starts_with("typedef struct {") {
            Declaration::Struct(with_tag(code)?)
        } else if code.starts_with("typedef struct ") {
            Declaration::Object(text)
        } else if code.starts_with("typedef ") {
            Declaration::Alias(text)
        } else {
            Declaration::Function(Function::parse(code)?)
        };
        Ok(Self { documentation: for_c(documentation), declaration })
    }

    /// What constants of one enumeration have in common: `PRESET` of `KAKEYA_PRESET_TURBO`.
    fn group(&self) -> Option<&str> {
        match &self.declaration {
            Declaration::Constant { name, .. } => name.split('_').nth(1),
            Declaration::Function(function) if function.is_initializer() => Some("init"),
            _ => None,
        }
    }

    fn render(&self) -> String {
        let documentation = &self.documentation;
        match &self.declaration {
            Declaration::Constant { text, .. } | Declaration::Object(text) | Declaration::Alias(text) => {
                format!("{documentation}{text}")
            }
            Declaration::Struct(text) => {
                let (name, fields) = fields(text);
                match initializer(name, &fields) {
                    Some(initializer) => format!("{documentation}{text}\n{initializer}"),
                    None => format!("{documentation}{text}"),
                }
            }
            // What they do is said in the opening of the header.
            Declaration::Function(function) if function.is_initializer() => function.declaration(),
            Declaration::Function(function) => format!("{documentation}{}", function.declaration()),
        }
    }
}

/// The documentation without its section on safety: docs/C_API.md states once what all pointers must be.
fn for_c(documentation: &str) -> String {
    let kept = documentation.split("/// # Safety").next().unwrap_or_default();
    let kept = kept.trim_end().trim_end_matches("\n///");
    if kept.is_empty() { String::new() } else { format!("{kept}\n") }
}

/// `typedef struct {…} name;` as `typedef struct name {…} name;`, which can be declared ahead. A first field
/// with the size needs no comment: the opening of the header explains it.
fn with_tag(code: &str) -> Result<String> {
    let (_, name) = code.rsplit_once("} ").context("a struct without a name")?;
    let name = name.trim_end_matches(';');
    let code = code.replacen(&format!("    /// `sizeof({name})`.\n"), "", 1);
    Ok(code.replacen("typedef struct {", &format!("typedef struct {name} {{"), 1))
}

/// The name and the fields of a struct.
fn fields(text: &str) -> (&str, Vec<Field>) {
    let name = text.split(' ').nth(2).unwrap_or_default();
    let mut fields = Vec::new();
    let mut documentation = String::new();
    for line in text.lines().skip(1).map(str::trim) {
        if let Some(sentence) = line.strip_prefix("/// ") {
            documentation = format!("{documentation} {sentence}");
        } else if let Some(declaration) = line.strip_suffix(';').filter(|line| !line.starts_with('}')) {
            let documentation = std::mem::take(&mut documentation);
            fields.push(Field { documentation, declaration: declaration.to_owned() });
        }
    }
    (name, fields)
}
