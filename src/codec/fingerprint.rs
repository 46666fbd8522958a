//! The fingerprint of a codec: a hash of everything that decides what its blocks mean.
//!
//! It is in every block, so that a block is never decoded with a codec that would read something else from
//! it. The CPU tier is not part of it: all tiers decode to the same bits.

use crate::distortion::Objective;
use crate::error::Result;
use crate::format::FORMAT_VERSION;
use crate::params::Params;
use crate::skeleton::Skeleton;
use crate::tensor::layout::Layout;

/// BLAKE3 of format version, parameters, layout and skeleton, each field in a fixed order and width. Lists
/// come with their length, so that no two codecs feed the hash the same bytes. Described in `docs/FORMAT.md`.
///
/// # Errors
/// [`crate::Error::OutOfMemory`] for a skeleton whose id is not known yet.
pub(super) fn fingerprint(
    params: &Params,
    objective: Objective,
    layout: &Layout,
    skeleton: Option<&Skeleton>,
) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let settings = params.settings();
    // Keeps it apart from hashes of skeletons and profiles.
    hasher.update(b"kakeyaturbo codec");
    hasher.update(&FORMAT_VERSION.to_le_bytes());
    hasher.update(&[settings.preset.code(), objective.code(), settings.rate_control.code()]);
    settings.write_numbers(|bytes| {
        hasher.update(bytes);
    });
    hasher.update(&[settings.nan_policy.code(), u8::from(settings.checksum)]);
    hasher.update(&(layout.segments().len() as u64).to_le_bytes());
    for segment in layout.segments() {
        hasher.update(&(segment.dim as u64).to_le_bytes());
        hasher.update(&segment.gain.to_le_bytes());
        hasher.update(&segment.raw_dtype.code().to_le_bytes());
        let rope = segment.rope.as_ref();
        hasher.update(&[rope.map_or(0, |rope| rope.pairing.code())]);
        let inv_freq = rope.map_or(&[][..], |rope| &rope.inv_freq);
        hasher.update(&(inv_freq.len() as u64).to_le_bytes());
        for frequency in inv_freq {
            hasher.update(&frequency.to_le_bytes());
        }
    }
    // The identity follows from the preset, so it counts as none.
    match skeleton.filter(|skeleton| !skeleton.is_identity()) {
        Some(skeleton) => hasher.update(&skeleton.id()?),
        None => hasher.update(&[0; 32]),
    };
    Ok(*hasher.finalize().as_bytes())
}
