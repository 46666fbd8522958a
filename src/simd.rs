//! The one place that picks a CPU tier.
//!
//! Kernels are written once and compiled for every tier of the target by [`dispatch!`], which is entered once per block.
//! They use no fused multiply-add that rounds otherwise, and no sum whose order depends on the tier, so every tier
//! computes the same bits.

use crate::error::{Error, Result};
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::x86::Avx2;
use fearless_simd::{Level, Simd};

/// Compiles an expression for every tier, and runs it on that of a level. (That of `fearless_simd` compiles it for SSE4.2
/// too, which takes as long as any other and is no tier of this library.)
#[cfg(target_arch = "x86_64")]
macro_rules! dispatch {
    ($level:expr, $simd:ident => $op:expr) => {{
        let level: fearless_simd::Level = $level;
        if let Some($simd) = level.as_avx512() {
            fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $op,
            )
        } else if let Some($simd) = level.as_avx2() {
            fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $op,
            )
        } else {
            let $simd = level.as_sse2().expect("x86-64 has SSE2");
            fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $op,
            )
        }
    }};
}
#[cfg(target_arch = "x86_64")]
pub(crate) use dispatch;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use fearless_simd::dispatch;

/// A CPU tier that this machine has.
#[derive(Debug, Clone, Copy)]
pub struct Tier {
    level: Level,
    code: u32,
}

/// Codes of the C API.
const BEST: u32 = 0;
const SCALAR: u32 = 1;
const AVX2: u32 = 2;
const AVX512: u32 = 3;
const NEON: u32 = 4;

impl Tier {
    /// The tier with a code of the C API: 0 = the best one, 1 = the baseline of the target, 2 = AVX2, 3 =
    /// AVX-512, 4 = NEON.
    pub fn select(code: u32) -> Result<Self> {
        let best = Level::new();
        let lacking = Error::Unsupported { what: "cpu_tier", why: "this machine lacks it" };
        let level = match code {
            BEST => Some(best),
            SCALAR => Some(Level::baseline()),
            AVX2 => avx2(best),
            AVX512 => avx512(best),
            NEON => neon(best),
            got => return Err(Error::BadParam { what: "cpu_tier", got: f64::from(got), expected: "0 to 4" }),
        };
        let level = level.ok_or(lacking)?;
        Ok(Self { level, code: if code == BEST { code_of(level) } else { code } })
    }

    /// The tier's code; never 0.
    pub fn code(self) -> u32 {
        self.code
    }

    /// The token for `dispatch!`.
    pub(crate) fn level(self) -> Level {
        self.level
    }

    /// Name of a code: `best`, `scalar`, `avx2`, `avx512`, `neon`, or `unknown`.
    pub fn name(code: u32) -> &'static std::ffi::CStr {
        match code {
            BEST => c"best",
            SCALAR => c"scalar",
            AVX2 => c"avx2",
            AVX512 => c"avx512",
            NEON => c"neon",
            _ => c"unknown",
        }
    }
}

fn code_of(level: Level) -> u32 {
    match () {
        () if avx512(level).is_some() => AVX512,
        () if avx2(level).is_some() => AVX2,
        () if neon(level).is_some() => NEON,
        () => SCALAR,
    }
}

/// The token of AVX2, where that is the tier: what has instructions of its own there, and none with AVX-512.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn only_avx2<S: Simd>(simd: S) -> Option<Avx2> {
    let level = simd.level();
    if level.as_avx512().is_some() { None } else { level.as_avx2() }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn avx2(level: Level) -> Option<Level> {
    level.as_avx2().map(Simd::level)
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn avx512(level: Level) -> Option<Level> {
    level.as_avx512().map(Simd::level)
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn avx2(_: Level) -> Option<Level> {
    None
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn avx512(_: Level) -> Option<Level> {
    None
}

#[cfg(target_arch = "aarch64")]
fn neon(level: Level) -> Option<Level> {
    level.as_neon().map(Simd::level)
}

#[cfg(not(target_arch = "aarch64"))]
fn neon(_: Level) -> Option<Level> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_its_code() {
        assert_eq!(code_of(Level::baseline()), if cfg!(target_arch = "aarch64") { NEON } else { SCALAR });
        let best = Level::new();
        for (level, code) in [(avx2(best), AVX2), (avx512(best), AVX512), (neon(best), NEON)] {
            assert!(level.is_none_or(|level| code_of(level) == code));
        }
    }

    #[test]
    fn tiers_are_what_they_are_asked_to_be() {
        assert_ne!(Tier::select(BEST).unwrap().code(), BEST);
        assert_eq!(Tier::select(SCALAR).unwrap().code(), SCALAR);
        assert!(Tier::select(5).is_err());
        for code in [AVX2, AVX512, NEON] {
            match Tier::select(code) {
                Ok(tier) => assert_eq!(tier.code(), code),
                Err(error) => assert!(matches!(error, Error::Unsupported { .. })),
            }
        }
        assert_eq!(Tier::name(AVX512), c"avx512");
        assert_eq!(Tier::name(NEON), c"neon");
        assert_eq!(Tier::name(77), c"unknown");
    }
}
