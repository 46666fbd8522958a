//! What the tables have in common: which measurements, and how numbers are shown.

use super::Measurement;
use crate::markdown::NO_FIGURE;

pub(super) fn of<'a>(all: &'a [Measurement], suite: &'static str) -> impl Iterator<Item = &'a Measurement> {
    all.iter().filter(move |m| m.suite == suite)
}

/// The different values of a key, in the order in which they occur.
pub(super) fn distinct<K: PartialEq>(keys: impl Iterator<Item = K>) -> Vec<K> {
    let mut list = Vec::new();
    for key in keys {
        if !list.contains(&key) {
            list.push(key);
        }
    }
    list
}

pub(super) fn text(number: Option<f64>, show: impl Fn(f64) -> String) -> String {
    number.map_or(String::new(), show)
}

/// Three significant digits without an exponent.
pub(super) fn three(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return if x == 0.0 { "0".to_owned() } else { NO_FIGURE.to_owned() };
    }
    let digits = (2 - x.abs().log10().floor() as i32).clamp(0, 6) as usize;
    format!("{x:.digits$}")
}

pub(super) fn millions(x: f64) -> String {
    three(x * 1e-6)
}

pub(super) fn micros(x: f64) -> String {
    three(x * 1e6)
}

pub(super) fn millis(x: f64) -> String {
    three(x * 1e3)
}

pub(super) fn kib(x: f64) -> String {
    three(x / 1024.0)
}

/// The name, and the element type if it is not f16.
pub(super) fn title(m: &Measurement) -> String {
    if m.dtype.as_deref() == Some("f32") { format!("{}, f32", m.name) } else { m.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([0.012_345, 1.2345, 123.45, 12_345.6].map(three), ["0.0123", "1.23", "123", "12346"]);
    }

    #[test]
    fn a_dash_stands_for_no_figure() {
        assert_eq!([0.0, f64::NAN].map(three), ["0", NO_FIGURE]);
    }
}
