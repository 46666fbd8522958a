//! What the fuzz targets do with their input. All of it goes through the C API, with options taken from the input; a
//! property that does not hold is a panic. `tests/seeds.rs` runs the same on the stored seeds.
//!
//! This is a crate of its own because the fuzzer needs a C++ compiler and a build of its own, and the tests do not.

mod victim;

use crate::victim::{DIM, ROWS, spoilt, victims};
use kakeyaturbo::ffi::*;
use kakeyaturbo::reference::Reference;
use kakeyaturbo::{InnerProduct, MSE, NormMode, Params, Preset, Settings, decode_block, encode_block};
use std::mem::MaybeUninit;
use std::ptr;

/// Decoding is total, writes what is finite or nothing at all, and a part decodes as in the whole.
pub fn decode(data: &[u8]) {
    let Some((victim, block, more)) = spoilt(data) else { return };
    // Blocks may say that they have other rows; then what is decoded is refused.
    let (status, whole) = victim.decode(&block, None, ROWS);
    let (first, count) = (usize::from(more[0]), 1 + usize::from(more[1] % 8));
    let (part_status, part) = victim.decode(&block, Some(first), count);
    if status == KAKEYA_OK {
        assert!(whole.iter().all(|x| !x.is_nan()), "not a number");
        if part_status == KAKEYA_OK {
            let same = whole[first * DIM..][..count * DIM].iter().zip(&part);
            assert!(same.clone().all(|(a, b)| a.to_bits() == b.to_bits()), "a part is not as in the whole");
        }
    }
}

/// What a header says is read from any bytes; where the whole verifies, so does the header.
pub fn header(data: &[u8]) {
    let Some((victim, block, _)) = spoilt(data) else { return };
    let mut info = MaybeUninit::<kakeya_block_info>::zeroed();
    let (src, len) = (block.as_ptr().cast(), block.len());
    // SAFETY: a slice, a live codec, memory for the info.
    let (read, of_anyone, of_codec) = unsafe {
        (
            kakeya_block_read_info(src, len, info.as_mut_ptr(), size_of::<kakeya_block_info>()),
            kakeya_block_verify(ptr::null(), src, len),
            kakeya_block_verify(victim.codec, src, len),
        )
    };
    assert!([read, of_anyone, of_codec].iter().all(|&status| status != KAKEYA_ERR_PANIC));
    assert!(of_anyone != KAKEYA_OK || read == KAKEYA_OK);
    assert!(of_codec != KAKEYA_OK || of_anyone == KAKEYA_OK);
}

/// A skeleton that loads is saved as the same bytes.
pub fn skeleton(data: &[u8]) {
    let (mut skeleton, mut size, mut written) = (ptr::null_mut(), 0, 0);
    // SAFETY: slices of the sizes that are told, and a live skeleton.
    unsafe {
        let status = kakeya_skeleton_load(data.as_ptr().cast(), data.len(), &mut skeleton);
        assert_ne!(status, KAKEYA_ERR_PANIC);
        if status == KAKEYA_OK {
            assert_eq!(kakeya_skeleton_size(skeleton, &mut size), KAKEYA_OK);
            let mut saved = vec![0_u8; size];
            let dst = saved.as_mut_ptr().cast();
            assert_eq!(kakeya_skeleton_save(skeleton, dst, size, &mut written), KAKEYA_OK);
            assert_eq!(saved[..written], data[..written]);
        }
        kakeya_skeleton_free(skeleton);
    }
}

/// A profile that loads is saved as the same bytes and gives codecs.
pub fn profile(data: &[u8]) {
    let (mut profile, mut size, mut written, mut codec) = (ptr::null_mut(), 0, 0, ptr::null_mut());
    // SAFETY: as in `skeleton`.
    unsafe {
        let status = kakeya_profile_load(data.as_ptr().cast(), data.len(), &mut profile);
        assert_ne!(status, KAKEYA_ERR_PANIC);
        if status == KAKEYA_OK {
            assert_eq!(kakeya_profile_size(profile, &mut size), KAKEYA_OK);
            let mut saved = vec![0_u8; size];
            let dst = saved.as_mut_ptr().cast();
            assert_eq!(kakeya_profile_save(profile, dst, size, &mut written), KAKEYA_OK);
            assert_eq!(saved[..written], data[..written]);
            let status = kakeya_profile_codec(profile, 0, ptr::null(), &mut codec);
            assert_ne!(status, KAKEYA_ERR_PANIC);
            kakeya_codec_free(codec);
        }
        kakeya_profile_free(profile);
    }
}

/// Rows of any bits are encoded or refused; what was encoded verifies, and decodes.
pub fn round_trip(data: &[u8]) {
    let Some((&option, bytes)) = data.split_first() else { return };
    let values = bytes.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw));
    let mut rows: Vec<f32> = values.take(ROWS * DIM).collect();
    rows.truncate(rows.len() / DIM * DIM);
    if rows.is_empty() {
        return;
    }
    let victim = &victims()[usize::from(option % 8)];
    match victim.encode(&rows) {
        Ok(block) => {
            // SAFETY: a live codec and a slice.
            let status = unsafe { kakeya_block_verify(victim.codec, block.as_ptr().cast(), block.len()) };
            assert_eq!(status, KAKEYA_OK);
            let (status, back) = victim.decode(&block, None, rows.len() / DIM);
            assert_eq!(status, KAKEYA_OK);
            assert!(back.iter().all(|x| !x.is_nan()));
        }
        Err(status) => assert_ne!(status, KAKEYA_ERR_PANIC),
    }
}

/// The kernel and the plain codec have the same error, row by row.
pub fn differential(data: &[u8]) {
    let Some((&option, bytes)) = data.split_first() else { return };
    let bits = 1 + option % 8;
    let values = bytes.as_chunks::<2>().0.iter().map(|&raw| f32::from(i16::from_le_bytes(raw)) / 256.0);
    let mut rows: Vec<f32> = values.take(ROWS * DIM).collect();
    rows.truncate(rows.len() / DIM * DIM);
    if rows.is_empty() {
        return;
    }
    let settings = Settings { preset: Preset::Turbo, bits: f32::from(bits), seed: 11, ..Settings::default() };
    let params = Params::new(settings).expect("these are right");
    let weights = vec![1.0; rows.len() / DIM];
    let unbiased = option & 8 != 0;
    let coded = if unbiased {
        encode_block::<InnerProduct>(&rows, &weights, DIM, &params)
    } else {
        encode_block::<MSE>(&rows, &weights, DIM, &params)
    };
    let (skeleton, codes) = coded.expect("finite rows are coded");
    let decoded = if unbiased {
        decode_block::<InnerProduct>(&skeleton, &codes)
    } else {
        decode_block::<MSE>(&skeleton, &codes)
    };
    let back = decoded.expect("codes decode");
    let reference = Reference { skeleton: &skeleton, seed: 11, bits };
    let mode = if unbiased { NormMode::Unbiased } else { NormMode::LeastSquares };
    for (x, back) in rows.chunks(DIM).zip(back.chunks(DIM)) {
        let energy: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        let of_kernel: f64 = x.iter().zip(back).map(|(&x, &y)| f64::from(x - y).powi(2)).sum();
        // What lies midway between two scales or levels is rounded either way in binary32; a nudge tips it over.
        let agrees = [0.0, 1e-5, -1e-5].into_iter().any(|nudge| {
            let nudged: Vec<f32> = x.iter().map(|x| x * (1.0 + nudge)).collect();
            let plain = reference.decode(&reference.encode(&nudged, mode));
            let of_plain: f64 = x.iter().zip(&plain).map(|(&x, &y)| (f64::from(x) - y).powi(2)).sum();
            (of_kernel - of_plain).abs() <= 0.05 * of_plain + 1e-6 * energy
        });
        assert!(agrees, "error {of_kernel} of {x:?}");
    }
}
