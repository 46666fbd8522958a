//! Checks that parameters, objective, rows and skeleton fit together.
//!
//! In a place of its own because profiles ask the same question about streams long before they make a codec.

use super::coder::RDO_NEEDS_A_SKELETON;
use crate::distortion::{NormMode, Objective};
use crate::error::{Count, Error, Result};
use crate::params::{Params, Preset};
use crate::skeleton::Skeleton;

/// Checks that a bound on the error is only requested with a distortion that searches for the least maximum
/// error: the others do not measure it.
///
/// # Errors
/// [`Error::BadParam`]
pub(super) fn check_bound(params: &Params, mode: NormMode) -> Result<()> {
    let bound = params.settings().max_abs_error;
    if bound > 0.0 && mode != NormMode::Search {
        let expected = "0, unless the distortion is LInf";
        return Err(Error::BadParam { what: "max_abs_error", got: f64::from(bound), expected });
    }
    Ok(())
}

/// Checks that parameters, objective, rows of `dim` coordinates and the shared skeleton fit together:
/// everything that [`super::Codec::new`] checks. Parameters have already been checked on their own.
///
/// # Errors
/// [`Error::BadParam`], [`Error::BadShape`], [`Error::Unsupported`]
pub(crate) fn check(
    params: &Params,
    objective: Objective,
    dim: usize,
    skeleton: Option<&Skeleton>,
) -> Result<()> {
    check_bound(params, objective.norm_mode())?;
    let bad_shape = |what, got| Err(Error::BadShape { what, got, expected: Count::Is(dim) });
    match (params.settings().preset, skeleton) {
        (Preset::Turbo, Some(_)) => {
            Err(Error::Unsupported { what: "a skeleton", why: "turbo codes every row on its own" })
        }
        (Preset::Rdo, None) => Err(RDO_NEEDS_A_SKELETON),
        (_, Some(skeleton)) if skeleton.dim() != dim => bad_shape("dim of the skeleton", skeleton.dim()),
        (Preset::Rdo, Some(skeleton)) if skeleton.rank() != dim => {
            bad_shape("rank of the skeleton, which rdo needs in full,", skeleton.rank())
        }
        (Preset::Rdo, Some(skeleton)) if skeleton.variances().len() != dim => bad_shape(
            "number of variances of the skeleton, which rdo needs in full,",
            skeleton.variances().len(),
        ),
        (Preset::Turbo, None) | (Preset::Kakeya, _) | (Preset::Rdo, Some(_)) => Ok(()),
    }
}
