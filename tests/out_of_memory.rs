//! Where memory is short, making and reading objects through the C API gives `KAKEYA_ERR_OUT_OF_MEMORY` and leaks
//! nothing, whichever request is the one that is refused.

mod common;

use common::blocks::{Side, fit, stepped};
use common::c_api::{Made, defaults, layout, segment};
use common::failing::{Failing, held, refusing};
use common::{clustered, profiles};
use kakeyaturbo::Layout;
use kakeyaturbo::ffi::*;
use kakeyaturbo::{Preset, Settings, Skeleton};
use std::ptr;

#[global_allocator]
static ALLOCATOR: Failing = Failing;

const DIM: usize = 24;
const ROWS: usize = 40;

/// Refuses the first request, then the second, and so on, until there is none left to refuse; returns how many there
/// were. `make` returns what was made, which is dropped before the next attempt.
fn exhaust<T>(name: &str, mut make: impl FnMut() -> Result<T, kakeya_status>) -> usize {
    for nth in 1.. {
        let before = held();
        let (made, refused) = refusing(nth, &mut make);
        let status = made.err();
        assert_eq!(held(), before, "{name}: bytes are lost where request {nth} is refused");
        if !refused {
            assert_eq!(status, None, "{name}");
            return nth - 1;
        }
        assert_eq!(status, Some(KAKEYA_ERR_OUT_OF_MEMORY), "{name}: request {nth}");
    }
    unreachable!()
}

fn params(preset: u32) -> kakeya_params {
    kakeya_params { preset, kmeans_k: 4, ..defaults(kakeya_params_init) }
}

/// A skeleton with centres, saved.
fn skeleton(preset: Preset) -> Vec<u8> {
    let settings = Settings { preset, kmeans_k: 4, ..stepped(0.05) };
    let settings = match preset {
        Preset::Kakeya => Settings { preset, kmeans_k: 4, ..Settings::default() },
        _ => settings,
    };
    let rows = clustered((400, DIM), 4, 1e-2, 1);
    let (skeleton, report) = fit(&settings, &Layout::plain(DIM).unwrap(), &rows, Side::default());
    assert!(report.n_centres > 0, "the rows are made for centres");
    saved(&skeleton)
}

fn saved(skeleton: &Skeleton) -> Vec<u8> {
    let mut bytes = vec![0; skeleton.saved_bytes()];
    skeleton.save(&mut bytes).unwrap();
    bytes
}

fn load_skeleton(bytes: &[u8]) -> Result<Made<kakeya_skeleton>, kakeya_status> {
    // SAFETY: a slice, and memory for a pointer.
    Made::new(kakeya_skeleton_free, |out| unsafe {
        kakeya_skeleton_load(bytes.as_ptr().cast(), bytes.len(), out)
    })
}

fn load_profile(bytes: &[u8]) -> Result<Made<kakeya_profile>, kakeya_status> {
    // SAFETY: a slice, and memory for a pointer.
    Made::new(kakeya_profile_free, |out| unsafe {
        kakeya_profile_load(bytes.as_ptr().cast(), bytes.len(), out)
    })
}

fn codec(
    params: &kakeya_params,
    skeleton: *const kakeya_skeleton,
) -> Result<Made<kakeya_codec>, kakeya_status> {
    let inv_freq = [1.0, 0.1, 0.01];
    let turned = kakeya_segment {
        gain: 2.0,
        rope: KAKEYA_ROPE_NEOX,
        n_rot: 6,
        inv_freq: inv_freq.as_ptr(),
        ..segment(16)
    };
    let segments = [turned, segment(DIM - 16)];
    let layout = layout(&segments);
    // SAFETY: what the structs point to outlives the call, and the skeleton is NULL or live.
    Made::new(kakeya_codec_free, |out| unsafe { kakeya_codec_create(params, &layout, skeleton, out) })
}

fn workspace(codec: &Made<kakeya_codec>) -> Result<Made<kakeya_workspace>, kakeya_status> {
    // SAFETY: a live codec, and memory for a pointer.
    Made::new(kakeya_workspace_free, |out| unsafe { kakeya_workspace_create(codec.pointer, ROWS, out) })
}

/// Codecs and their workspaces.
fn codecs(name: &str, params: &kakeya_params, skeleton: *const kakeya_skeleton) {
    let requests = exhaust(name, || codec(params, skeleton));
    assert!(requests >= 5, "{name}: only {requests} requests");
    let codec = codec(params, skeleton).unwrap();
    let requests = exhaust(name, || workspace(&codec));
    assert!(requests >= 4, "{name}: only {requests} requests for a workspace");
}

#[test]
fn codecs_and_workspaces_without_a_skeleton() {
    codecs("turbo", &params(KAKEYA_PRESET_TURBO), ptr::null());
    codecs("kakeya, own skeleton", &params(KAKEYA_PRESET_KAKEYA), ptr::null());
}

#[test]
fn codecs_and_workspaces_with_a_skeleton() {
    let kakeya = load_skeleton(&skeleton(Preset::Kakeya)).unwrap();
    codecs("kakeya", &params(KAKEYA_PRESET_KAKEYA), kakeya.pointer);
    let rdo = load_skeleton(&skeleton(Preset::Rdo)).unwrap();
    codecs("rdo, bits", &params(KAKEYA_PRESET_RDO), rdo.pointer);
    let step =
        kakeya_params { rate_control: KAKEYA_RATE_CONTROL_STEP, step: 0.1, ..params(KAKEYA_PRESET_RDO) };
    codecs("rdo, step", &step, rdo.pointer);
    codecs("rdo, trellis", &kakeya_params { effort: 1, ..step }, rdo.pointer);
    let size =
        kakeya_params { rate_control: KAKEYA_RATE_CONTROL_MAX_BYTES, step: 0.0, max_bytes: 2048, ..step };
    codecs("rdo, max_bytes", &size, rdo.pointer);
}

#[test]
fn skeletons() {
    for preset in [Preset::Kakeya, Preset::Rdo] {
        let bytes = skeleton(preset);
        let requests = exhaust("loading a skeleton", || load_skeleton(&bytes));
        assert!(requests >= 5, "only {requests} requests");

        let loaded = load_skeleton(&bytes).unwrap();
        let mut copy = vec![0; bytes.len()];
        exhaust("saving a skeleton", || {
            let mut written = 0;
            // SAFETY: a live skeleton and a slice.
            match unsafe {
                kakeya_skeleton_save(loaded.pointer, copy.as_mut_ptr().cast(), copy.len(), &mut written)
            } {
                KAKEYA_OK => Ok(()),
                status => Err(status),
            }
        });
        assert_eq!(copy, bytes);
        exhaust("the id of a skeleton", || {
            let mut id = [0; 32];
            // SAFETY: a live skeleton and 32 bytes.
            match unsafe { kakeya_skeleton_id(loaded.pointer, id.as_mut_ptr()) } {
                KAKEYA_OK => Ok(()),
                status => Err(status),
            }
        });
    }
}

/// A skeleton whose transform follows queries: it has an inverse to compute.
#[test]
fn a_skeleton_with_a_metric() {
    let (settings, layout) = (stepped(0.1), Layout::plain(DIM).unwrap());
    let params = kakeyaturbo::Params::new(settings).unwrap();
    let mut fitter = kakeyaturbo::StreamFitter::new(&params, layout.clone()).unwrap();
    let mut rows = clustered((200, DIM), 4, 0.1, 2);
    common::blocks::with_views(&layout, &mut rows, |views| {
        fitter
            .add(&kakeyaturbo::Rows { n: 200, views, positions: None, weights: None, protect: None })
            .unwrap();
    });
    fitter.add_queries(0, &common::normal(50 * DIM, 3), None).unwrap();
    let (skeleton, _) = fitter.finish().unwrap();
    assert!(skeleton.has_metric());
    let bytes = saved(&skeleton);
    exhaust("loading a skeleton with a metric", || load_skeleton(&bytes));
}

#[test]
fn profiles() {
    let profile = profiles::builder().finish().unwrap();
    let mut bytes = vec![0; profile.saved_bytes()];
    profile.save(&mut bytes).unwrap();
    let requests = exhaust("loading a profile", || load_profile(&bytes));
    assert!(requests >= 40, "only {requests} requests");

    let loaded = load_profile(&bytes).unwrap();
    let mut copy = vec![0; bytes.len()];
    exhaust("saving a profile", || {
        let mut written = 0;
        // SAFETY: a live profile and a slice.
        match unsafe {
            kakeya_profile_save(loaded.pointer, copy.as_mut_ptr().cast(), copy.len(), &mut written)
        } {
            KAKEYA_OK => Ok(()),
            status => Err(status),
        }
    });
    assert_eq!(copy, bytes);
    for stream in 0..profile.streams().len() {
        exhaust("a codec of a profile", || {
            // SAFETY: a live profile, no options, and memory for a pointer.
            Made::new(kakeya_codec_free, |out| unsafe {
                kakeya_profile_codec(loaded.pointer, stream, ptr::null(), out)
            })
        });
    }
}

#[test]
fn profiles_under_construction() {
    let profile = profiles::builder().finish().unwrap();
    let mut bytes = vec![0; profile.saved_bytes()];
    profile.save(&mut bytes).unwrap();
    let loaded = load_profile(&bytes).unwrap();
    let copy = || {
        // SAFETY: a live profile and memory for a pointer.
        Made::new(kakeya_profile_builder_free, |out| unsafe {
            kakeya_profile_builder_from(loaded.pointer, out)
        })
    };
    exhaust("a builder", || {
        // SAFETY: memory for a pointer.
        Made::new(kakeya_profile_builder_free, |out| unsafe { kakeya_profile_builder_create(out) })
    });
    exhaust("a copy of a profile", copy);
    let builder = copy().unwrap();
    exhaust("a finished profile", || {
        // SAFETY: a live builder and memory for a pointer.
        Made::new(kakeya_profile_free, |out| unsafe { kakeya_profile_builder_finish(builder.pointer, out) })
    });

    // Every attempt adds to a builder of its own.
    let rdo = load_skeleton(&skeleton(Preset::Rdo)).unwrap();
    let (layers, heads) = ([20], [0, 1]);
    let key = kakeya_stream_key {
        n_layers: 1,
        layers: layers.as_ptr(),
        n_heads: 2,
        heads: heads.as_ptr(),
        part: KAKEYA_PART_K,
        ..defaults(kakeya_stream_key_init)
    };
    let inv_freq = [1.0, 0.25];
    let turned =
        kakeya_segment { rope: KAKEYA_ROPE_NEOX, n_rot: 4, inv_freq: inv_freq.as_ptr(), ..segment(12) };
    let segments = [turned, segment(12)];
    let (layout, params) = (layout(&segments), params(KAKEYA_PRESET_RDO));
    exhaust("a stream more", || {
        let builder = copy()?;
        // SAFETY: a live builder and skeleton, and structs whose arrays outlive the call.
        match unsafe { kakeya_profile_builder_add(builder.pointer, &key, &layout, rdo.pointer, &params) } {
            KAKEYA_OK => Ok(builder),
            status => Err(status),
        }
    });
}

/// A fitter reserves its sums and its sample when it is made; the linear algebra of a fit is not reserved ahead.
#[test]
fn fitters() {
    for preset in [KAKEYA_PRESET_KAKEYA, KAKEYA_PRESET_RDO] {
        let (segments, params) = ([segment(16), segment(DIM - 16)], params(preset));
        let layout = layout(&segments);
        let requests = exhaust("a fitter", || {
            // SAFETY: structs whose arrays outlive the call, and memory for a pointer.
            Made::new(kakeya_fitter_free, |out| unsafe { kakeya_fitter_create(&params, &layout, out) })
        });
        assert!(requests >= 8, "only {requests} requests");
    }
}
