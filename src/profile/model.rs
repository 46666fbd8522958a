//! What a profile says about the model as a whole: named qualities, and what is not coded.
//!
//! The library uses none of it by itself. Qualities are for users to choose from, the policy is for engines
//! to follow; both are in the profile because they were measured with its streams and mean nothing without
//! them.

use super::key::ascending_numbers;
use crate::error::{Count, Error, Result};

/// Bytes of a name, including at least one zero at its end, so that C can use it as a string.
pub const NAME_BYTES: usize = 32;
/// Largest size of a description, in bytes. It is shown to people; data belong elsewhere.
pub const MAX_DESCRIPTION: usize = 4096;
/// Largest number of entries in a table of qualities. Names are compared in pairs, so it must not be large.
pub const MAX_QUALITIES: usize = 256;

/// An entry of the table of qualities: a step under a name, and what was measured with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    name: [u8; NAME_BYTES],
    /// Step of the uniform quantiser, positive.
    pub step: f32,
    /// Mean Kullback–Leibler divergence of the model's predictions, in nats, not below 0.
    pub mean_kld: f64,
    /// Bits per value, not below 0.
    pub bpv: f64,
}

impl Quality {
    /// Checks name and numbers. The name is 1 to 31 bytes of UTF-8, filled up with zeros.
    ///
    /// # Errors
    /// [`Error::BadParam`]
    pub fn new(name: [u8; NAME_BYTES], step: f32, mean_kld: f64, bpv: f64) -> Result<Self> {
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
        let legal = (1..NAME_BYTES).contains(&len)
            && name[len..].iter().all(|&byte| byte == 0)
            && std::str::from_utf8(&name[..len]).is_ok();
        if !legal {
            let expected = "1 to 31 bytes of UTF-8, filled up with zeros";
            return Err(Error::BadParam {
                what: "length of the name of a quality",
                got: len as f64,
                expected,
            });
        }
        check_step(step, "step of a quality")?;
        for (what, got) in [("mean_kld of a quality", mean_kld), ("bpv of a quality", bpv)] {
            if !(got >= 0.0 && got.is_finite()) {
                return Err(Error::BadParam { what, got, expected: "a finite number not below 0" });
            }
        }
        Ok(Self { name, step, mean_kld, bpv })
    }

    /// The name.
    pub fn name(&self) -> &str {
        let len = self.name.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
        std::str::from_utf8(&self.name[..len]).expect("the name was checked")
    }

    /// The name as it is stored, filled up with zeros.
    pub fn name_bytes(&self) -> &[u8; NAME_BYTES] {
        &self.name
    }
}

/// What an engine does not code. The library checks and stores it; engines have to apply it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Rows at positions below this are protected: attention sinks.
    pub n_sinks: u32,
    /// Number of most recent rows that are protected, because attention looks at them most.
    pub n_recent: u32,
    raw_layers: Vec<u32>,
}

impl Policy {
    /// Checks that the layers are strictly ascending. That no stream is partly raw is checked with the
    /// streams.
    ///
    /// # Errors
    /// [`Error::BadParam`], [`Error::OutOfMemory`]
    pub fn new(n_sinks: u32, n_recent: u32, raw_layers: &[u32]) -> Result<Self> {
        Ok(Self { n_sinks, n_recent, raw_layers: ascending_numbers(raw_layers, "raw layers")? })
    }

    /// A copy. Not `Clone`, which aborts if memory is short.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Self::new(self.n_sinks, self.n_recent, &self.raw_layers)
    }

    /// Layers that are kept raw as a whole, ascending.
    pub fn raw_layers(&self) -> &[u32] {
        &self.raw_layers
    }
}

/// A copy of a description. It has to be short enough and without zeros, at which C would end it.
///
/// # Errors
/// [`Error::BadShape`], [`Error::BadParam`], [`Error::OutOfMemory`]
pub(crate) fn description(text: &str) -> Result<String> {
    if text.len() > MAX_DESCRIPTION {
        return Err(Error::BadShape {
            what: "description",
            got: text.len(),
            expected: Count::AtMost(MAX_DESCRIPTION),
        });
    }
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        let expected = "text without a zero byte";
        return Err(Error::BadParam { what: "place of a zero in the description", got: at as f64, expected });
    }
    let mut copy = String::new();
    if copy.try_reserve_exact(text.len()).is_err() {
        return Err(Error::OutOfMemory { what: "the profile", bytes: text.len() });
    }
    copy.push_str(text);
    Ok(copy)
}

/// Checks a step: positive, finite and not subnormal, as the header of a block has it.
///
/// # Errors
/// [`Error::BadParam`]
pub(crate) fn check_step(step: f32, what: &'static str) -> Result<()> {
    if step > 0.0 && step.is_normal() {
        return Ok(());
    }
    Err(Error::BadParam { what, got: f64::from(step), expected: "a positive normal number" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &[u8]) -> [u8; NAME_BYTES] {
        let mut name = [0; NAME_BYTES];
        name[..text.len()].copy_from_slice(text);
        name
    }

    #[test]
    fn names_are_checked() {
        let quality = |text: &[u8]| Quality::new(name(text), 0.5, 0.01, 1.25);
        assert_eq!(quality(b"q4").unwrap().name(), "q4");
        assert_eq!(quality("größe".as_bytes()).unwrap().name(), "größe");
        assert_eq!(quality(&[b'x'; 31]).unwrap().name().len(), 31);
        assert!(quality(b"").is_err());
        assert!(quality(&[b'x'; 32]).is_err());
        assert!(quality(b"a\0b").is_err());
        assert!(quality(&[b'a', 0xFF]).is_err());
    }

    #[test]
    fn numbers_are_checked() {
        let quality = |step, kld, bpv| Quality::new(name(b"q"), step, kld, bpv).is_ok();
        assert!(quality(1e-30, 0.0, 0.0));
        for step in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-40] {
            assert!(!quality(step, 0.0, 0.0), "{step}");
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(!quality(1.0, bad, 0.0) && !quality(1.0, 0.0, bad), "{bad}");
        }
    }

    #[test]
    fn descriptions_are_checked() {
        assert_eq!(description("a model").unwrap(), "a model");
        assert!(description("a\0b").is_err());
        assert!(description(&"x".repeat(MAX_DESCRIPTION)).is_ok());
        assert!(description(&"x".repeat(MAX_DESCRIPTION + 1)).is_err());
    }
}
