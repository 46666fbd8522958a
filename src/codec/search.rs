//! The finest step at which a block fits in as many bytes as it may take.

use crate::error::Result;

/// Steps that are tried in an octave: they are 1.1 % apart.
const PER_OCTAVE: i32 = 64;
/// Beyond 48 octaves every step is the same as the last: nothing is left to code.
const OCTAVES: i32 = 48;

/// What came of an attempt to encode a block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt {
    /// Its size; `None` where it does not fit.
    pub size: Option<usize>,
    /// Whether there was a value other than 0 among those coded before it ended: else no coarser step helps.
    pub live: bool,
    /// Whether there was a row that missed its bound: else a coarser step makes a smaller block.
    pub missed: bool,
}

/// Encodes with the finest step of `first·2^(k/64)`, `k ≥ 1`, at which the block fits, and returns its size; `None`
/// where there is none.
///
/// Goes up from the fine side: attempts that do not fit end early. Where rows that miss a bound are stored raw, a
/// coarser step may make a larger block, and those that fit may lie between two that do not: then every step is
/// tried. Within an octave the size is taken to fall as the step grows, which it nearly does.
pub(super) fn finest_that_fits(
    first: f32,
    mut encode: impl FnMut(f32) -> Result<Attempt>,
) -> Result<Option<usize>> {
    let mut at = |k: i32| {
        let octaves = f64::from(k) / f64::from(PER_OCTAVE);
        encode((f64::from(first) * octaves.exp2()).min(1e36) as f32)
    };
    // The last step up to which coarser is smaller, and the first after which nothing is left to gain.
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
    // Without rows that miss a bound, coarser steps would have fitted.
    for k in sound + 1..end {
        let size = at(k)?.size;
        if size.is_some() {
            return Ok(size);
        }
    }
    Ok(None)
}

/// Encodes with the finest step between one that is too fine and one that fits.
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
    // What is in the destination is what was encoded last.
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
