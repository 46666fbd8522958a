//! Finds the finest step at which a block fits in the bytes it may take.
//!
//! There is no formula: the size depends on the data, so blocks are encoded until one fits. An octave upwards
//! at a time, then halving within the octave, takes 6 attempts besides those of the octaves, most of which
//! end early because the destination is full.

use crate::error::Result;

/// Steps that are tried in an octave. They are 1.1 % apart, which moves the size of a block by about as much.
const PER_OCTAVE: i32 = 64;
/// Octaves that are tried. The first step is at most a 4096th of the components, or was given, so after 48
/// octaves all values have long been 0 and a coarser step changes nothing.
const OCTAVES: i32 = 48;

/// The outcome of an attempt to encode a block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempt {
    /// Its size; `None` if it does not fit.
    pub size: Option<usize>,
    /// Whether any value was not 0 before the attempt ended. If none was, no coarser step helps.
    pub live: bool,
    /// Whether any row missed its bound. If none did, a coarser step makes a smaller block.
    pub missed: bool,
}

/// Encodes with the finest step of `first·2^(k/64)`, `k ≥ 1`, at which the block fits, and returns its size;
/// `None` if it fits at no step. After `Some`, the destination has the block of that size.
///
/// Goes up from the fine side, because attempts that do not fit end early. If rows that miss a bound are
/// stored raw, a coarser step may make a larger block, and steps that fit may lie between two that do not:
/// then every step is tried. Within an octave the size is taken to fall as the step grows, which it nearly
/// does: the step found may be a little coarser than the finest one that fits.
///
/// # Errors
/// Those of `encode`, which end the search.
pub(crate) fn finest_that_fits(
    first: f32,
    mut encode: impl FnMut(f32) -> Result<Attempt>,
) -> Result<Option<usize>> {
    let mut at = |k: i32| {
        let octaves = f64::from(k) / f64::from(PER_OCTAVE);
        // In binary64 and bounded, because 48 octaves above a large step are not a finite binary32.
        encode((f64::from(first) * octaves.exp2()).min(1e36) as f32)
    };
    // The last step up to which coarser means smaller, and the first one after which nothing can be gained.
    let (mut sound, mut end) = (0, OCTAVES * PER_OCTAVE);
    for k in (PER_OCTAVE..=end).step_by(PER_OCTAVE as usize) {
        let attempt = at(k)?;
        if attempt.size.is_some() {
            return halve(k - PER_OCTAVE, k, at);
        }
        if !attempt.missed {
            sound = k;
        }
        if !attempt.live {
            end = k;
            break;
        }
    }
    // No whole octave fits. Steps up to `sound` cannot fit either, since a coarser one that made smaller
    // blocks did not; beyond it the sizes are in no order.
    for k in sound + 1..end {
        let size = at(k)?.size;
        if size.is_some() {
            return Ok(size);
        }
    }
    Ok(None)
}

/// Encodes with the finest step between one that is too fine and one that fits.
///
/// # Errors
/// Those of `at`.
fn halve(
    mut too_fine: i32,
    mut fits: i32,
    mut at: impl FnMut(i32) -> Result<Attempt>,
) -> Result<Option<usize>> {
    let mut last = None;
    while fits - too_fine > 1 {
        let k = too_fine.midpoint(fits);
        last = at(k)?.size;
        *(if last.is_some() { &mut fits } else { &mut too_fine }) = k;
    }
    // The destination has the last attempt, which must be the one that is returned. If that one did not fit,
    // the best one is encoded again.
    if last.is_none() { Ok(at(fits)?.size) } else { Ok(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `size` makes of a step, with room for 100 bytes and rows that miss a bound from step 8 on.
    fn found(size: impl Fn(f32) -> f32) -> (Option<usize>, f32, usize) {
        let (mut last, mut attempts) = (0.0, 0);
        let size = finest_that_fits(0.01, |step| {
            (last, attempts) = (step, attempts + 1);
            let size = size(step);
            Ok(Attempt {
                size: (size <= 100.0).then_some(size as usize),
                live: step < 64.0,
                missed: step > 8.0,
            })
        });
        (size.unwrap(), last, attempts)
    }

    #[test]
    fn the_last_attempt_is_the_finest_that_fits() {
        for limit in [0.0123_f32, 0.5, 3.0, 7.9] {
            let (size, step, attempts) = found(|step| 100.0 * limit / step);
            assert!((98..=100).contains(&size.unwrap()), "{size:?}");
            assert!((limit..limit * 1.0111).contains(&step), "step {step}, limit {limit}");
            assert!(attempts <= 18, "{attempts} attempts");
        }
    }

    #[test]
    fn between_steps_that_do_not_fit_is_one_that_does() {
        // It fits from 9.0 to 9.2, and grows again.
        let (size, step, attempts) = found(|step| if (9.0..9.2).contains(&step) { 99.0 } else { 101.0 });
        assert!(size == Some(99) && (9.0..9.1).contains(&step), "step {step}");
        assert!(attempts < 100, "{attempts} attempts");
        let (size, _, attempts) = found(|_| 101.0);
        assert!(size.is_none() && attempts < 300, "{attempts} attempts");
    }
}
