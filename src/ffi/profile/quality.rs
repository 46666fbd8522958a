//! Qualities and policies: what was measured, and what an engine does not code.

use super::pointer_to;
use crate::error::{Count, Error, Result, try_reserve};
use crate::ffi::codes::kakeya_status;
use crate::ffi::sized::{SizedStruct, init, read, read_element, sized};
use crate::ffi::slice;
use crate::profile::{MAX_NUMBER, MAX_QUALITIES, Policy, Quality};
use libc::{c_char, size_t};
use std::ptr;

/// A named step and what was measured with it. Start from `KAKEYA_QUALITY_INIT`, then set name and step.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_quality {
    /// `sizeof(kakeya_quality)`.
    pub struct_size: size_t,
    /// 1 to 31 bytes of UTF-8, padded with zeros.
    pub name: [c_char; 32],
    /// Step of the model, positive.
    pub step: f32,
    /// Must be 0.
    pub reserved: u32,
    /// Measured mean Kullback-Leibler divergence of the model's predictions, in nats; not negative.
    pub mean_kld: f64,
    /// Measured bits per value, counting all bytes except the profile's; not negative.
    pub bpv: f64,
}

/// What an engine does not code. The library only keeps it with the profile; whoever encodes sets
/// `kakeya_rows.protect` accordingly. Start from `KAKEYA_POLICY_INIT`: everything is coded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct kakeya_policy {
    /// `sizeof(kakeya_policy)`.
    pub struct_size: size_t,
    /// Protect rows at positions below this: attention sinks.
    pub n_sinks: u32,
    /// Protect this many of the most recent rows.
    pub n_recent: u32,
    /// Number of layers that are kept raw as a whole.
    pub n_raw_layers: size_t,
    /// These layers, strictly ascending; may be NULL if there are none.
    pub raw_layers: *const u32,
}

sized!(kakeya_quality { name: [0; 32], step: 0.0, reserved: 0, mean_kld: 0.0, bpv: 0.0 });
sized!(kakeya_policy { n_sinks: 0, n_recent: 0, n_raw_layers: 0, raw_layers: ptr::null() });

/// Fills `quality` with zeros, as `KAKEYA_QUALITY_INIT` does.
///
/// # Safety
/// `quality` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_quality_init(
    quality: *mut kakeya_quality,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(quality, struct_size) }
}

/// Fills `policy` with the defaults, as `KAKEYA_POLICY_INIT` does.
///
/// # Safety
/// `policy` has `struct_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kakeya_policy_init(
    policy: *mut kakeya_policy,
    struct_size: size_t,
) -> kakeya_status {
    // SAFETY: the caller vouches for the memory.
    unsafe { init(policy, struct_size) }
}

/// # Safety
/// `qualities` has `n` elements.
pub(super) unsafe fn read_qualities(qualities: *const kakeya_quality, n: usize) -> Result<Vec<Quality>> {
    if n > MAX_QUALITIES {
        return Err(Error::BadShape { what: "n_qualities", got: n, expected: Count::AtMost(MAX_QUALITIES) });
    }
    let mut table = try_reserve(n, "the table of qualities")?;
    for index in 0..n {
        // SAFETY: the array has `n` elements.
        let quality = unsafe { read_element(qualities, index) }?;
        if quality.reserved != 0 {
            return Err(Error::BadParam {
                what: "reserved",
                got: f64::from(quality.reserved),
                expected: "0",
            });
        }
        let name = quality.name.map(|byte| byte as u8);
        table.push(Quality::new(name, quality.step, quality.mean_kld, quality.bpv)?);
    }
    Ok(table)
}

/// # Safety
/// `policy` is as its type says.
pub(super) unsafe fn read_policy(policy: *const kakeya_policy) -> Result<Policy> {
    // SAFETY: as above.
    let policy = unsafe { read(policy) }?;
    let limit = MAX_NUMBER as usize + 1;
    if policy.n_raw_layers > limit {
        return Err(Error::BadShape {
            what: "n_raw_layers",
            got: policy.n_raw_layers,
            expected: Count::AtMost(limit),
        });
    }
    let raw_layers = match policy.n_raw_layers {
        0 => &[],
        // SAFETY: the caller vouches for the array.
        n => unsafe { slice::array(policy.raw_layers, n, "raw_layers") }?,
    };
    Policy::new(policy.n_sinks, policy.n_recent, raw_layers)
}

/// The struct that [`read_qualities`] reads as this quality.
pub(super) fn quality_of(quality: &Quality) -> kakeya_quality {
    kakeya_quality {
        name: quality.name_bytes().map(|byte| byte as c_char),
        step: quality.step,
        mean_kld: quality.mean_kld,
        bpv: quality.bpv,
        ..SizedStruct::defaults()
    }
}

/// The struct that [`read_policy`] reads as this policy; it points into `policy`.
pub(super) fn policy_of(policy: &Policy) -> kakeya_policy {
    kakeya_policy {
        n_sinks: policy.n_sinks,
        n_recent: policy.n_recent,
        n_raw_layers: policy.raw_layers().len(),
        raw_layers: pointer_to(policy.raw_layers()),
        ..SizedStruct::defaults()
    }
}
