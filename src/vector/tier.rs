//! CPU tiers: which the machine has, and the macro that compiles a kernel for all of them.
//!
//! A codec runs on the tier that it was created with, [`Tier::select`]. Work without a codec, which is
//! fitting and the functions over plain slices, runs on the best one, [`best`]. Kernels are written once over
//! a SIMD token, and [`dispatch!`] chooses the tier at the top: once per block or once per call, never per
//! row, so its branches cost nothing and everything below them is inlined for one tier.
//!
//! Every tier computes the same bits. That rules out, in all kernels:
//!
//! - a fused multiply-add whose result differs from a product and a sum, because not all tiers have one;
//! - a sum whose order depends on the width of a register (see [`super::sums`]);
//! - approximate instructions, such as those for reciprocals, which differ between makers;
//! - mathematical functions of the system's library in anything that a decoder computes: the crate `libm`
//!   serves instead. An encoder takes logarithms from the system, but only to choose among what it may write.
//!
//! Without that a block would decode to other values on another machine than on the one that measured its
//! error, and the golden files could not be one set.

use crate::error::{Error, Result};
use fearless_simd::{Level, Simd};

/// Compiles an expression for every tier, and runs it on that of a level. (The macro of `fearless_simd`
/// compiles it for SSE4.2 too. That takes as long as any other tier, and this library has none for it.)
///
/// The closure is marked to be inlined because a closure is a function of its own: not inlined, it would be
/// compiled for the baseline, and every operation in it would be a call.
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

/// Compiles an expression for the tier of a token, in a function that is not inlined.
///
/// Inlining everything into one function per kernel would repeat the large pieces for every distortion and
/// every place that uses them, which is what compiling takes long for. A call per row or per group of rows
/// costs nothing that can be measured; only what runs per value must be inlined.
macro_rules! on_tier {
    ($simd:expr, $op:expr) => {
        fearless_simd::Simd::vectorize(
            $simd,
            #[inline(always)]
            || $op,
        )
    };
}
pub(crate) use on_tier;

/// A CPU tier that this machine has.
#[derive(Debug, Clone, Copy)]
pub struct Tier {
    level: Level,
    code: u32,
}

/// Codes of the C API. They are part of the ABI: never renumbered.
const BEST: u32 = 0;
const SCALAR: u32 = 1;
const AVX2: u32 = 2;
const AVX512: u32 = 3;
const NEON: u32 = 4;

/// The best level of this machine. What the processor has is found out once and remembered.
pub(crate) fn best() -> Level {
    Level::new()
}

impl Tier {
    /// The tier with a code of the C API: 0 = the best one, 1 = the baseline of the target, 2 = AVX2, 3 =
    /// AVX-512, 4 = NEON. All give the same bits, so one below the best only serves tests and comparisons.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if this machine lacks the tier, [`Error::BadParam`] for a code that no tier
    /// has.
    pub fn select(code: u32) -> Result<Self> {
        let best = best();
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

    /// The tier's code: never 0, which is resolved to the tier that was found best.
    pub fn code(self) -> u32 {
        self.code
    }

    /// The token for `dispatch!`.
    pub(crate) fn level(self) -> Level {
        self.level
    }

    /// Name of a code: `best`, `scalar`, `avx2`, `avx512`, `neon`, or `unknown`. The C API hands it out, so
    /// it ends in a zero byte and is never freed.
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

/// The code of the highest tier that a level includes. The baseline of aarch64 is NEON itself.
fn code_of(level: Level) -> u32 {
    if avx512(level).is_some() {
        AVX512
    } else if avx2(level).is_some() {
        AVX2
    } else if neon(level).is_some() {
        NEON
    } else {
        SCALAR
    }
}

// Each of these is the level of one tier if a level includes it. A level of AVX-512 includes AVX2, and has to
// be lowered to it: `Simd::level` of the token does that.

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
