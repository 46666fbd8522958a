//! Functions: their declarations, and pointer types for those who load the library by hand.

use anyhow::{Context, Result};

use super::fill;

/// A function as cbindgen declares it.
#[derive(Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it returns, up to the name: `kakeya_status ` or `const char *`.
    returns: String,
    /// Its parameters, types and names.
    parameters: Vec<String>,
}

impl Function {
    /// Reads `KAKEYA_API type name(parameters);`, on any number of lines.
    ///
    /// # Errors
    /// When it is no such thing.
    pub fn parse(declaration: &str) -> Result<Self> {
        let line = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
        let split = || {
            let (head, parameters) = line.strip_prefix("KAKEYA_API ")?.strip_suffix(");")?.split_once('(')?;
            let start = head.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')? + 1;
            Some(Self {
                name: head[start..].to_owned(),
                returns: head[..start].to_owned(),
                parameters: parameters.split(", ").map(str::to_owned).collect(),
            })
        };
        split().with_context(|| format!("not a declaration of a function: {line}"))
    }

    /// Whether it fills a struct with defaults.
    pub fn is_initializer(&self) -> bool {
        self.name.ends_with("_init")
    }

    /// Whether its result must not be ignored. Initialisers fail only for wrong arguments, and who wants a
    /// message is dealing with a failure already.
    fn is_fallible(&self) -> bool {
        let harmless = self.is_initializer() || self.name == "kakeya_last_error_message";
        self.returns.starts_with("kakeya_status") && !harmless
    }

    /// The declaration.
    pub fn declaration(&self) -> String {
        // The attribute goes first: C++ takes it nowhere else beside __declspec.
        let attribute = if self.is_fallible() { "KAKEYA_NODISCARD " } else { "" };
        let head = format!("{attribute}KAKEYA_API {}{}(", self.returns, self.name);
        fill(&head, &self.parameters, ");", "")
    }

    /// A pointer type: `kakeya_encode_fn` for `kakeya_encode`.
    pub fn pointer_type(&self) -> String {
        let types: Vec<String> = self.parameters.iter().map(|parameter| without_name(parameter)).collect();
        fill(&format!("typedef {}(*{}_fn)(", self.returns, self.name), &types, ");", "")
    }
}

/// The type of a parameter: `const kakeya_codec *` of `const kakeya_codec *codec`, `void` of `void`.
fn without_name(parameter: &str) -> String {
    match parameter.rfind([' ', '*']) {
        Some(end) => parameter[..=end].trim_end().to_owned(),
        None => parameter.to_owned(),
    }
}
