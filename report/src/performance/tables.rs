//! The tables of `docs/PERFORMANCE.md`, by their names.

use comfy_table::Table;

use super::codecs::{access, cold, growth, instructions, machine, products, ratios, speed, threads};
use super::sessions::{links, sessions};
use super::{Measurement, aims::aims};

/// What tables are called.
pub const NAMES: [&str; 13] = [
    "machine",
    "aims",
    "speed encode",
    "speed decode",
    "ratios",
    "products",
    "growth",
    "access",
    "threads",
    "cold",
    "instructions",
    "sessions",
    "links",
];

/// A table by its name; `None` if there is no such one.
pub fn table(all: &[Measurement], name: &str) -> Option<Table> {
    Some(match name {
        "machine" => machine(all),
        "aims" => aims(all),
        "speed encode" => speed(all, "encode"),
        "speed decode" => speed(all, "decode"),
        "ratios" => ratios(all),
        "products" => products(all),
        "growth" => growth(all),
        "access" => access(all),
        "threads" => threads(all),
        "cold" => cold(all),
        "instructions" => instructions(all),
        "sessions" => sessions(all),
        "links" => links(all),
        _ => return None,
    })
}
