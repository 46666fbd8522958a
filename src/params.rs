//! Parameters of the kernel. A [`Params`] that exists is legal: it is only made by [`Params::new`], which
//! checks every field, and it cannot be changed. So the rest of the library asks for no range again.

use crate::error::{Count, Error, Result};

/// Largest number of bits per component: symbols are bytes.
pub const MAX_BITS: u8 = 8;

/// Highest effort of the encoder. Decoding is the same for all of them.
pub const MAX_EFFORT: u32 = 1;

/// Largest number of K-means centres: the number of a centre is stored in a byte.
pub const MAX_CENTRES: u32 = 256;

/// Which stages of the kernel are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Rotation and quantisation of each row on its own. Needs no calibration.
    Turbo,
    /// PCA, K-means, rotation, quantisation. The skeleton is fitted to each block, or shared.
    Kakeya,
    /// A shared skeleton of full rank, and more bits for components with more variance.
    Rdo,
}

impl Preset {
    /// The code of the C API and of the block header: never renumbered.
    pub fn code(self) -> u8 {
        match self {
            Self::Turbo => 0,
            Self::Kakeya => 1,
            Self::Rdo => 2,
        }
    }

    /// The preset of a code.
    ///
    /// # Errors
    /// [`Error::BadParam`] for a code that no preset has.
    pub fn from_code(code: u32) -> Result<Self> {
        match code {
            0 => Ok(Self::Turbo),
            1 => Ok(Self::Kakeya),
            2 => Ok(Self::Rdo),
            got => Err(Error::BadParam {
                what: "preset",
                got: f64::from(got),
                expected: "0 (turbo), 1 (kakeya) or 2 (rdo)",
            }),
        }
    }
}

/// What fixes the rate of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateControl {
    /// [`Settings::bits`]: a fixed number of bits per component.
    Bits,
    /// [`Settings::step`]: the error is fixed, the size follows the data. For [`Preset::Rdo`].
    Step,
    /// [`Settings::max_bytes`]: the finest step whose block fits, found by search. For [`Preset::Rdo`].
    MaxBytes,
}

impl RateControl {
    /// The code of the C API and of saved profiles: never renumbered.
    pub fn code(self) -> u8 {
        match self {
            Self::Bits => 0,
            Self::Step => 1,
            Self::MaxBytes => 2,
        }
    }

    /// The rate control of a code.
    ///
    /// # Errors
    /// [`Error::BadParam`] for a code that no rate control has.
    pub fn from_code(code: u32) -> Result<Self> {
        match code {
            0 => Ok(Self::Bits),
            1 => Ok(Self::Step),
            2 => Ok(Self::MaxBytes),
            got => Err(Error::BadParam {
                what: "rate_control",
                got: f64::from(got),
                expected: "0 (bits), 1 (step) or 2 (max_bytes)",
            }),
        }
    }
}

/// What to do with a row that contains NaN or infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanPolicy {
    /// Refuse the block.
    Reject,
    /// Store the row raw, in one of the reserved slots.
    Raw,
}

impl NanPolicy {
    /// The code of the C API and of saved profiles: never renumbered.
    pub fn code(self) -> u8 {
        match self {
            Self::Reject => 0,
            Self::Raw => 1,
        }
    }

    /// The policy of a code.
    ///
    /// # Errors
    /// [`Error::BadParam`] for a code that no policy has.
    pub fn from_code(code: u32) -> Result<Self> {
        match code {
            0 => Ok(Self::Reject),
            1 => Ok(Self::Raw),
            got => Err(Error::BadParam {
                what: "nan_policy",
                got: f64::from(got),
                expected: "0 (reject) or 1 (raw)",
            }),
        }
    }
}

/// The fields of [`Params`], to fill in.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which stages are on.
    pub preset: Preset,
    /// What fixes the rate.
    pub rate_control: RateControl,
    /// Bits per coded component: an integer from 1 to 8; for [`Preset::Rdo`] their average, a number above 0
    /// and up to 8.
    pub bits: f32,
    /// Step of the uniform quantiser, in units of the rows: positive with [`RateControl::Step`]; with
    /// [`RateControl::MaxBytes`] the finest one to try, 0 = as fine as fits; 0 otherwise.
    pub step: f32,
    /// Largest size of a block in bytes; positive with [`RateControl::MaxBytes`], 0 otherwise.
    pub max_bytes: usize,
    /// How hard the encoder works at a step: 0 = a plain uniform quantiser, 1 = a trellis.
    pub effort: u32,
    /// Rows that are entropy-coded together, 1 to 65,535. To decode one row its whole run has to be decoded;
    /// short runs cost bytes, since each has a head of its own.
    pub rows_per_run: u32,
    /// Largest allowed absolute error with `LInf`; 0 = no limit.
    pub max_abs_error: f32,
    /// Share of the variance that a fitted basis must capture, in (0, 1].
    pub variance_ratio: f32,
    /// Largest number of components of a fitted basis; 0 = no limit.
    pub max_rank: u32,
    /// K-means centres to try, 0 to 256.
    pub kmeans_k: u32,
    /// Rounds of K-means, 1 to 100.
    pub kmeans_iters: u32,
    /// Rows of a block that may be stored raw. Space for them is reserved, so that a block's largest size is
    /// known.
    pub max_protected: usize,
    /// Selects the signs of the rotation and the choices of K-means.
    pub seed: u64,
    /// What to do with a row that is not finite.
    pub nan_policy: NanPolicy,
    /// Whether the payload of a block is covered by a checksum.
    pub checksum: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preset: Preset::Turbo,
            rate_control: RateControl::Bits,
            bits: 4.0,
            step: 0.0,
            max_bytes: 0,
            effort: 0,
            rows_per_run: 128,
            max_abs_error: 0.0,
            variance_ratio: 0.99,
            max_rank: 0,
            kmeans_k: 16,
            kmeans_iters: 10,
            max_protected: 0,
            seed: 0,
            nan_policy: NanPolicy::Reject,
            checksum: true,
        }
    }
}

impl Settings {
    /// Hands every number to `sink`, little-endian and in the order in which fingerprints and saved profiles
    /// have them. The codes of preset, rate control and policies stand before or behind these, not among
    /// them. Another order would give every codec another fingerprint, and refuse all its blocks.
    pub(crate) fn write_numbers(&self, mut sink: impl FnMut(&[u8])) {
        for value in [self.bits, self.step, self.max_abs_error, self.variance_ratio] {
            sink(&value.to_le_bytes());
        }
        for value in [self.rows_per_run, self.max_rank, self.kmeans_k, self.kmeans_iters, self.effort] {
            sink(&value.to_le_bytes());
        }
        // As 64 bits, so that machines with a shorter `usize` write the same bytes.
        for value in [self.max_bytes as u64, self.max_protected as u64, self.seed] {
            sink(&value.to_le_bytes());
        }
    }
}

/// Settings that have been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    settings: Settings,
    /// `settings.bits` as an integer, or 0 for rdo.
    bits: u8,
}

impl Params {
    /// Checks every field against its range. Fields that the preset or the rate control does not use are
    /// checked too: a step beside fixed bits is a mistake of the caller, and ignoring it would hide that.
    ///
    /// # Errors
    /// [`Error::BadParam`] or [`Error::BadShape`] for the first field out of range, [`Error::Unsupported`]
    /// for a rate control that the preset does not have.
    pub fn new(settings: Settings) -> Result<Self> {
        let rdo = settings.preset == Preset::Rdo;
        let control = settings.rate_control;
        let bits = settings.bits;
        let most = f32::from(MAX_BITS);
        if rdo {
            check("bits", bits > 0.0 && bits <= most, bits, "a number in (0, 8]")?;
        } else {
            let legal = bits.fract() == 0.0 && (1.0..=most).contains(&bits);
            check("bits", legal, bits, "an integer from 1 to 8")?;
        }
        if control != RateControl::Bits && !rdo {
            return Err(Error::Unsupported {
                what: "this rate control",
                why: "turbo and kakeya only take bits",
            });
        }
        let step = settings.step;
        match control {
            RateControl::Bits => check("step", step == 0.0, step, "0 without rate control step"),
            RateControl::Step => check("step", step > 0.0 && step.is_normal(), step, "a positive number"),
            RateControl::MaxBytes => {
                let legal = step == 0.0 || (step > 0.0 && step.is_normal());
                check("step", legal, step, "0 or a positive number")
            }
        }?;
        let capped = control == RateControl::MaxBytes;
        let size = settings.max_bytes;
        check(
            "max_bytes",
            (size > 0) == capped,
            size as f32,
            "positive with rate control max_bytes, else 0",
        )?;
        let effort = settings.effort;
        let highest = if control == RateControl::Bits { 0 } else { MAX_EFFORT };
        check("effort", effort <= highest, effort as f32, "0, or 1 with rate control step or max_bytes")?;
        let runs = settings.rows_per_run;
        check("rows_per_run", (1..=65_535).contains(&runs), runs as f32, "an integer from 1 to 65535")?;
        let bound = settings.max_abs_error;
        check("max_abs_error", bound >= 0.0 && bound.is_finite(), bound, "a finite number not below 0")?;
        let ratio = settings.variance_ratio;
        check("variance_ratio", ratio > 0.0 && ratio <= 1.0, ratio, "a number in (0, 1]")?;
        let k = settings.kmeans_k;
        check("kmeans_k", k <= MAX_CENTRES, k as f32, "an integer from 0 to 256")?;
        let rounds = settings.kmeans_iters;
        check("kmeans_iters", (1..=100).contains(&rounds), rounds as f32, "an integer from 1 to 100")?;
        if settings.max_protected > u32::MAX as usize {
            let limit = u32::MAX as usize;
            return Err(Error::BadShape {
                what: "max_protected",
                got: settings.max_protected,
                expected: Count::AtMost(limit),
            });
        }
        // With rdo the width differs by component.
        let bits = if rdo { 0 } else { bits as u8 };
        Ok(Self { bits, settings })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bits per coded component; 0 if they differ by component.
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::new(Settings::default()).expect("the defaults are legal")
    }
}

/// Refuses the field `what` if it is not `ok`. NaN makes every comparison false, and so is refused too.
///
/// # Errors
/// [`Error::BadParam`]
fn check(what: &'static str, ok: bool, got: f32, expected: &'static str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::BadParam { what, got: f64::from(got), expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_range() {
        let refused = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            Params::new(settings).is_err()
        };
        assert!(!refused(|_| {}));
        for bits in [0.0, 8.5, 9.0, 2.5, -1.0, f32::NAN, f32::INFINITY] {
            let settings = Settings { bits, ..Settings::default() };
            assert!(Params::new(settings).is_err(), "{bits} bits");
        }
        assert!(refused(|s| s.step = 0.5));
        assert!(refused(|s| s.effort = 1));
        assert!(refused(|s| s.max_bytes = 1000));
        assert!(refused(|s| s.rate_control = RateControl::Step));
        assert!(refused(|s| s.rate_control = RateControl::MaxBytes));
        assert!(refused(|s| s.max_abs_error = -1.0));
        assert!(refused(|s| s.max_abs_error = f32::NAN));
        assert!(refused(|s| s.variance_ratio = 0.0));
        assert!(refused(|s| s.variance_ratio = 1.1));
        assert!(refused(|s| s.variance_ratio = f32::NAN));
        assert!(refused(|s| s.kmeans_k = 257));
        assert!(refused(|s| s.kmeans_iters = 0));
        assert!(refused(|s| s.kmeans_iters = 101));
        assert!(refused(|s| s.max_protected = usize::MAX));
    }

    #[test]
    fn a_rate_control_takes_its_own_field() {
        let base = Settings { preset: Preset::Rdo, ..Settings::default() };
        let step = Settings { rate_control: RateControl::Step, step: 0.5, ..base.clone() };
        let capped = Settings { rate_control: RateControl::MaxBytes, max_bytes: 900, ..base.clone() };
        let legal = |settings: Settings| Params::new(settings).is_ok();
        for bits in [0.01, 1.7, 8.0] {
            assert!(legal(Settings { bits, ..base.clone() }), "{bits} bits");
        }
        for bits in [0.0, -1.0, 8.01, f32::NAN] {
            assert!(!legal(Settings { bits, ..base.clone() }), "{bits} bits");
        }
        for step in [0.0, -1.0, 1e-40, f32::NAN, f32::INFINITY] {
            assert!(
                !legal(Settings { rate_control: RateControl::Step, step, ..base.clone() }),
                "step {step}"
            );
        }
        assert!(legal(Settings { effort: 1, ..step.clone() }));
        assert!(!legal(Settings { effort: 2, ..step.clone() }));
        assert!(!legal(Settings { max_bytes: 9, ..step }));
        assert!(legal(capped.clone()) && legal(Settings { step: 0.1, effort: 1, ..capped.clone() }));
        assert!(!legal(Settings { max_bytes: 0, ..capped.clone() }));
        assert!(!legal(Settings { step: -0.1, ..capped }));
    }

    #[test]
    fn codes_name_presets_and_rate_controls() {
        for preset in [Preset::Turbo, Preset::Kakeya, Preset::Rdo] {
            assert_eq!(Preset::from_code(u32::from(preset.code())).unwrap(), preset);
        }
        assert!(Preset::from_code(7).is_err());
        for control in [RateControl::Bits, RateControl::Step, RateControl::MaxBytes] {
            assert_eq!(RateControl::from_code(u32::from(control.code())).unwrap(), control);
        }
        assert!(RateControl::from_code(3).is_err());
    }
}
