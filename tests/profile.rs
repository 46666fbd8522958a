//! Profiles: the codecs that come from them are those made directly, changed copies share skeletons, and streams that
//! contradict each other are refused.

mod common;

use common::blocks::{Side, encode, stepped};
use common::normal;
use common::profiles::{HEAD, builder, quality, streams};
use kakeyaturbo::profile::{
    Builder, CodecOptions, MAX_STEP_FACTOR, Part, Policy, Profile, StreamKey, Tensor,
};
use kakeyaturbo::{Codec, Count, Error, Objective, Params, Preset, RateControl, Settings, Shared, Tier};
use kakeyaturbo::{Layout, Segment};

fn saved(profile: &Profile) -> Vec<u8> {
    let mut bytes = vec![0; profile.saved_bytes()];
    assert_eq!(profile.save(&mut bytes).unwrap(), bytes.len());
    bytes
}

fn best() -> Tier {
    Tier::select(0).unwrap()
}

#[test]
fn profiles_come_back() {
    let profile = builder().finish().unwrap();
    let bytes = saved(&profile);
    let loaded = Profile::load(&bytes).unwrap();
    assert_eq!(loaded, profile);
    assert_eq!(saved(&loaded), bytes);
    assert_eq!(*profile.fingerprint(), *blake3::hash(&bytes).as_bytes());
    assert_eq!(builder().finish().unwrap().fingerprint(), profile.fingerprint(), "not deterministic");
    assert_eq!(loaded.model()[31], 31);
    assert_eq!(loaded.description(), "a small model, größer als nichts");
    assert_eq!(loaded.default_step(), 0.75);
    assert_eq!((loaded.policy().n_sinks, loaded.policy().n_recent), (4, 32));
    assert_eq!(loaded.policy().raw_layers(), [0, 9]);
    assert_eq!(loaded.qualities(), [quality("q8", 0.125), quality("q4", 0.5)]);
    for (index, parts) in streams().iter().enumerate() {
        let stream = loaded.stream(index).unwrap();
        assert_eq!(*stream.key(), parts.key());
        assert_eq!(*stream.params(), parts.params());
        assert_eq!(stream.objective(), parts.objective);
        assert_eq!(stream.step_factor(), if index == 1 { 0.5 } else { 1.0 });
        assert_eq!(loaded.layout(index).unwrap(), parts.layout);
        assert_eq!(stream.dim(), parts.layout.dim());
        assert_eq!(stream.raw_row_bytes(), parts.layout.raw_row_bytes());
        assert_eq!(stream.needs_positions(), parts.layout.needs_positions());
        let skeleton = loaded.skeleton(index).unwrap();
        assert_eq!(skeleton.map(|shared| &*shared.skeleton), parts.skeleton.as_deref());
        assert_eq!(skeleton.map(|shared| shared.id), parts.skeleton.as_deref().map(|s| s.id().unwrap()));
    }
    let need = bytes.len();
    assert_eq!(profile.save(&mut vec![0; need - 1]), Err(Error::DstTooSmall { need, got: need - 1 }));
}

/// Its fingerprint and the block it makes of some rows.
fn shown(codec: &Codec) -> ([u8; 32], Vec<u8>) {
    let rows = normal(40 * codec.layout().dim(), 3);
    let positions: Vec<i32> = (0..40).collect();
    let side = Side { positions: Some(&positions), ..Side::default() };
    (*codec.fingerprint(), encode(codec, &rows, side).unwrap())
}

#[test]
fn codecs_are_those_made_directly() {
    let profile = Profile::load(&saved(&builder().finish().unwrap())).unwrap();
    for (index, parts) in streams().iter().enumerate() {
        let factor = if index == 1 { 0.5 } else { 1.0 };
        let rdo = parts.settings.preset == Preset::Rdo;
        let direct = |settings: Settings| {
            let params = Params::new(settings).unwrap();
            let codec =
                Codec::new(params, parts.objective, parts.layout.clone(), parts.skeleton.clone(), best());
            shown(&codec.unwrap())
        };
        let from_profile = |options| shown(&profile.codec(index, options, best()).unwrap());
        let step = |step: f32| {
            let own = parts.settings.clone();
            if rdo { Settings { step: step * factor, ..own } } else { own }
        };
        assert_eq!(from_profile(CodecOptions::Default), direct(step(0.75)), "stream {index}");
        assert_eq!(from_profile(CodecOptions::Step(0.3)), direct(step(0.3)), "stream {index}");
        let named = CodecOptions::Step(profile.quality("q8").unwrap().step);
        assert_eq!(from_profile(named), direct(step(0.125)), "stream {index}");
        let bits = if rdo { 2.25 } else { 5.0 };
        let fixed = Settings {
            rate_control: RateControl::Bits,
            bits,
            step: 0.0,
            effort: 0,
            ..parts.settings.clone()
        };
        assert_eq!(from_profile(CodecOptions::Bits(bits)), direct(fixed), "stream {index}");
        let capped = |finest| CodecOptions::MaxBytes { bytes: 400, finest };
        if !rdo {
            assert!(profile.codec(index, capped(None), best()).is_err(), "stream {index}");
            continue;
        }
        for (finest, step) in [(None, 0.75), (Some(0.1), 0.1)] {
            let settings = Settings {
                rate_control: RateControl::MaxBytes,
                step: step * factor,
                max_bytes: 400,
                ..parts.settings.clone()
            };
            let (fingerprint, block) = from_profile(capped(finest));
            assert!(block.len() <= 400, "stream {index}: {} bytes", block.len());
            assert_eq!((fingerprint, block), direct(settings), "stream {index}");
        }
    }
    let scalar = profile.codec(0, CodecOptions::Default, Tier::select(1).unwrap()).unwrap();
    assert_eq!(scalar.tier().code(), 1);
}

#[test]
fn without_a_default_step_streams_have_their_own() {
    let mut builder = builder();
    builder.set_step(0.0).unwrap();
    let profile = builder.finish().unwrap();
    for (index, factor) in [(0, 1.0), (1, 0.5)] {
        let params = profile.codec_params(index, CodecOptions::Default).unwrap();
        assert_eq!(params.settings().step, 0.25 * factor);
        assert_eq!(params.settings().rate_control, RateControl::Step);
    }
}

#[test]
fn wishes_change_the_rate_control_and_nothing_else() {
    let mut builder = builder();
    builder.set_step(0.0).unwrap();
    let rdo = |rate_control, step, max_bytes, effort| {
        let settings = Settings { rate_control, step, max_bytes, effort, ..stepped(1.0) };
        Some((Params::new(settings).unwrap(), Objective::Mse))
    };
    builder.set_stream(0, rdo(RateControl::Step, 0.5, 0, 1), Some(2.0)).unwrap();
    builder.set_stream(1, rdo(RateControl::Bits, 0.0, 0, 0), Some(2.0)).unwrap();
    builder.set_stream(2, rdo(RateControl::MaxBytes, 0.25, 700, 1), Some(2.0)).unwrap();
    let profile = builder.finish().unwrap();
    let chosen = |stream, options| {
        let params = profile.codec_params(stream, options).unwrap();
        let settings = params.settings();
        (settings.rate_control, settings.step, settings.max_bytes, settings.effort)
    };
    assert_eq!(chosen(0, CodecOptions::Default), (RateControl::Step, 1.0, 0, 1));
    assert_eq!(chosen(1, CodecOptions::Default), (RateControl::Bits, 0.0, 0, 0));
    assert_eq!(chosen(2, CodecOptions::Default), (RateControl::MaxBytes, 0.25, 700, 1));
    for (stream, effort, own) in [(0, 1, 1.0), (1, 0, 0.0), (2, 1, 0.5)] {
        assert_eq!(chosen(stream, CodecOptions::Step(0.125)), (RateControl::Step, 0.25, 0, effort));
        assert_eq!(chosen(stream, CodecOptions::Bits(1.5)), (RateControl::Bits, 0.0, 0, 0));
        let capped = |finest| CodecOptions::MaxBytes { bytes: 9, finest };
        assert_eq!(chosen(stream, capped(Some(0.125))), (RateControl::MaxBytes, 0.25, 9, effort));
        assert_eq!(chosen(stream, capped(None)), (RateControl::MaxBytes, own, 9, effort));
    }
}

#[test]
fn wishes_that_cannot_be_granted_are_refused() {
    let profile = builder().finish().unwrap();
    let n_streams = profile.streams().len();
    assert_eq!(profile.quality("q9"), Err(Error::NotInProfile { what: "quality" }));
    for step in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        for stream in 0..n_streams {
            assert!(profile.codec(stream, CodecOptions::Step(step), best()).is_err(), "step {step}");
        }
    }
    for bits in [0.0, 9.0, f32::NAN] {
        assert!(profile.codec(4, CodecOptions::Bits(bits), best()).is_err(), "{bits} bits");
    }
    // With the factor of 1/2 it is too small, without it is not.
    assert!(profile.codec(1, CodecOptions::Step(f32::MIN_POSITIVE), best()).is_err());
    assert!(profile.codec(0, CodecOptions::Step(f32::MIN_POSITIVE), best()).is_ok());
    let outside =
        Error::BadShape { what: "index of a stream", got: n_streams, expected: Count::Below(n_streams) };
    assert_eq!(profile.codec(n_streams, CodecOptions::Default, best()).unwrap_err(), outside);
    assert_eq!(profile.layout(n_streams).unwrap_err(), outside);
    assert_eq!(profile.skeleton(n_streams).unwrap_err(), outside);
}

#[test]
fn tensors_are_found() {
    let profile = builder().finish().unwrap();
    for (index, stream) in profile.streams().iter().enumerate() {
        for (segment, tensor) in stream.key().tensors().enumerate() {
            assert_eq!(profile.find(tensor), Ok((index, segment)));
        }
    }
    for (layer, part, head) in [(3, Part::K, 0), (4, Part::K, 1), (5, Part::K, 0), (9, Part::V, 3)] {
        let missing = Tensor { layer, part, head };
        assert_eq!(profile.find(missing), Err(Error::NotInProfile { what: "tensor" }), "{missing:?}");
    }
}

#[test]
fn equal_skeletons_and_tables_are_stored_once() {
    let one = |n_streams: usize, shared: bool| {
        let mut builder = Builder::new();
        let parts = &streams()[0];
        for layer in 0..n_streams as u32 {
            let key = StreamKey::new(&[2 * layer, 2 * layer + 1], &[0, 3], Part::Kv).unwrap();
            let skeleton = parts.skeleton.as_deref().unwrap().clone();
            let skeleton =
                if shared { parts.skeleton.clone().unwrap() } else { Shared::new(skeleton).unwrap() };
            builder.add(key, &parts.layout, Some(skeleton), parts.params(), parts.objective).unwrap();
        }
        builder.finish().unwrap()
    };
    // 2 layers and 2 heads of 4 bytes, 8 segments of 14, and 82 for what else a stream has.
    const STREAM: usize = 4 * 4 + 8 * 14 + 82;
    let bytes = |n_streams| one(n_streams, true).saved_bytes();
    assert_eq!(bytes(2) - bytes(1), STREAM);
    assert_eq!(bytes(3) - bytes(1), 2 * STREAM);
    // Equal by content, or the same one: no difference.
    assert_eq!(one(3, false), one(3, true));
    let profile = one(3, false);
    let skeleton = |index| &profile.skeleton(index).unwrap().unwrap().skeleton;
    assert!(Shared::ptr_eq(skeleton(0), skeleton(2)));
}

#[test]
fn zeros_of_both_signs_are_told_apart() {
    let layout = |zero: f32| {
        let rope = kakeyaturbo::Rope { pairing: kakeyaturbo::Pairing::Neox, inv_freq: vec![zero] };
        Layout::new(vec![Segment { rope: Some(rope), ..Segment::new(2) }]).unwrap()
    };
    let mut builder = Builder::new();
    for (layer, zero) in [(0, 0.0), (1, -0.0)] {
        let key = StreamKey::new(&[layer], &[0], Part::K).unwrap();
        builder.add(key, &layout(zero), None, Params::default(), Objective::Mse).unwrap();
    }
    let profile = builder.finish().unwrap();
    for (index, zero) in [(0, 0.0), (1, -0.0)] {
        let direct = Codec::new(Params::default(), Objective::Mse, layout(zero), None, best()).unwrap();
        let codec = profile.codec(index, CodecOptions::Default, best()).unwrap();
        assert_eq!(codec.fingerprint(), direct.fingerprint());
    }
}

#[test]
fn changed_copies_share_what_did_not_change() {
    let profile = builder().finish().unwrap();
    let mut copy = Builder::from_profile(&profile).unwrap();
    assert_eq!(copy.finish().unwrap(), profile);

    copy.set_qualities(&[]).unwrap();
    copy.set_policy(Policy::default());
    copy.set_stream(0, None, Some(2.0)).unwrap();
    let longer = Settings { rows_per_run: 64, ..stepped(1.0) };
    copy.set_stream(2, Some((Params::new(longer.clone()).unwrap(), Objective::Mse)), None).unwrap();
    let changed = copy.finish().unwrap();
    assert_ne!(changed.fingerprint(), profile.fingerprint());
    assert_eq!(changed.qualities(), []);
    assert_eq!(*changed.policy(), Policy::default());
    assert_eq!(changed.stream(0).unwrap().step_factor(), 2.0);
    assert_eq!(*changed.stream(2).unwrap().params().settings(), longer);
    assert_eq!(changed.stream(2).unwrap().objective(), Objective::Mse);
    for index in 0..3 {
        let skeleton = |profile: &Profile| profile.skeleton(index).unwrap().unwrap().skeleton.clone();
        assert!(Shared::ptr_eq(&skeleton(&changed), &skeleton(&profile)));
    }
    // The first one is what it was.
    assert_eq!(*profile.fingerprint(), *builder().finish().unwrap().fingerprint());
}

#[test]
fn refused_calls_change_nothing() {
    let mut builder = builder();
    let before = builder.finish().unwrap();
    let parts = streams();
    let rdo = &parts[0];
    let key = |layer| StreamKey::new(&[layer], &[0], Part::Kv).unwrap();
    let other = Layout::new(vec![Segment {
        rope: Some(kakeyaturbo::Rope { pairing: kakeyaturbo::Pairing::Neox, inv_freq: vec![0.125] }),
        ..Segment::new(2)
    }])
    .unwrap();
    let half = Layout::new(vec![Segment::new(HEAD); 2]).unwrap();
    let (mse, skeleton) = (Objective::Mse, rdo.skeleton.clone());

    // One segment for two tensors; its table of frequencies is not kept.
    assert!(builder.add(key(20), &other, None, Params::default(), mse).is_err());
    // Rdo without a skeleton, turbo with one, and one of another dimension.
    assert!(builder.add(key(20), &half, None, rdo.params(), mse).is_err());
    assert!(builder.add(rdo.key(), &rdo.layout, skeleton.clone(), Params::default(), mse).is_err());
    assert!(builder.add(key(20), &half, skeleton, rdo.params(), mse).is_err());
    // A largest error without LInf.
    let bounded = Params::new(Settings { max_abs_error: 1.0, ..Settings::default() }).unwrap();
    assert!(builder.add(key(20), &half, None, bounded.clone(), mse).is_err());
    assert!(builder.set_stream(4, Some((bounded, mse)), None).is_err());
    for factor in [0.0, -1.0, f32::NAN, f32::INFINITY, 2.0 * MAX_STEP_FACTOR, 0.5 / MAX_STEP_FACTOR] {
        assert!(builder.set_stream(0, None, Some(factor)).is_err(), "factor {factor}");
    }
    assert!(builder.set_stream(5, None, Some(1.0)).is_err());
    assert!(builder.set_stream(0, Some((Params::default(), mse)), None).is_err(), "turbo with a skeleton");
    assert!(builder.set_step(-1.0).is_err());
    assert!(builder.set_step(f32::NAN).is_err());
    assert!(builder.set_description("a\0b").is_err());
    assert!(builder.set_qualities(&[quality("q", 1.0); 257]).is_err());
    assert_eq!(builder.finish().unwrap(), before);
}

#[test]
fn streams_must_be_apart() {
    let mut builder = builder();
    let key = StreamKey::new(&[2], &[3], Part::V).unwrap();
    let layout = Layout::plain(HEAD).unwrap();
    builder.add(key, &layout, None, Params::default(), Objective::Mse).unwrap();
    match builder.finish() {
        Err(Error::BadParam { got, .. }) => assert_eq!(got, 2.0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_joined_stream_is_raw_or_not() {
    let with_raw = |layers: &[u32]| {
        let mut builder = builder();
        builder.set_policy(Policy::new(0, 0, layers).unwrap());
        builder.finish()
    };
    assert!(with_raw(&[1, 2]).is_ok());
    assert!(with_raw(&[4, 1000]).is_ok());
    for layer in [1, 2] {
        match with_raw(&[0, layer]) {
            Err(Error::BadParam { what, .. }) => assert_eq!(what, "a raw layer"),
            other => panic!("{other:?}"),
        }
    }
    assert!(Policy::new(0, 0, &[2, 1]).is_err());
}

#[test]
fn a_profile_has_streams_and_names_once() {
    assert!(Builder::new().finish().is_err());
    let mut builder = builder();
    builder.set_qualities(&[quality("q4", 1.0), quality("q4", 2.0)]).unwrap();
    assert!(builder.finish().is_err());
    builder.set_qualities(&[quality("q4", 1.0), quality("q40", 1.0)]).unwrap();
    assert!(builder.finish().is_ok());
}
