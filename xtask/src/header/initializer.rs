//! Static initialisers of structs, from the documentation of their fields.
//!
//! A field's default is what its documentation says, "Default: `4`.", or else zero. A test of the package
//! compares every field with what the struct's `_init` function writes.

use super::fill;

/// A field of a struct.
pub struct Field {
    /// Its documentation, in one line.
    pub documentation: String,
    /// Its declaration without the semicolon: `const float *inv_freq`.
    pub declaration: String,
}

/// `#define KAKEYA_PARAMS_INIT {…}` for `kakeya_params`; `None` for a struct that does not start with its
/// size.
pub fn initializer(name: &str, fields: &[Field]) -> Option<String> {
    fields.first().filter(|field| field.declaration == "size_t struct_size")?;
    let values: Vec<String> = fields.iter().map(|field| field.value(name)).collect();
    let head = format!("#define {}_INIT {{", name.to_uppercase());
    Some(fill(&head, &values, "}", " \\"))
}

impl Field {
    fn value(&self, struct_name: &str) -> String {
        let default = self.documentation.split_once("Default: `").map(|(_, rest)| rest);
        match default.and_then(|rest| rest.split_once('`')) {
            _ if self.declaration == "size_t struct_size" => format!("sizeof({struct_name})"),
            Some((value, _)) if self.declaration.starts_with("float ") => float(value),
            Some((value, _)) => value.to_owned(),
            None if self.declaration.contains('*') => "NULL".to_owned(),
            None if self.declaration.contains('[') => "{0}".to_owned(),
            None if self.declaration.starts_with("float ") => float("0"),
            None => "0".to_owned(),
        }
    }
}

/// A literal of type `float`.
fn float(number: &str) -> String {
    let point = if number.contains('.') { "" } else { ".0" };
    format!("{number}{point}f")
}
