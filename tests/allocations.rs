//! Once codec and workspace exist, coding with a shared skeleton (or none) and all decoding allocate nothing.

mod common;

use common::blocks::{FLAG_RAW, OBJECTIVES, Side, codec, fit, of_layout, shared, stepped, with_views};
use common::clustered;
use common::counting::{Counting, counted};
use kakeyaturbo::{
    Codec, Fitter, Objective, Pairing, Params, Preset, Rope, Rows, RowsMut, Settings, Workspace, verify,
};
use kakeyaturbo::{Layout, Segment};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: usize = 48;
const DIM: usize = 40;

fn rows() -> Vec<f32> {
    clustered((ROWS, DIM), 3, 1e-2, 1)
}

/// Allocations of encoding, of decoding and of decoding a part.
fn allocations(codec: &Codec) -> [usize; 3] {
    let (mut rows, mut back) = (rows(), vec![0.0; ROWS * DIM]);
    let positions: Vec<i32> = (0..ROWS as i32).collect();
    let (weights, mut protect) = (vec![2.0; ROWS], vec![0; ROWS]);
    protect[5] = 1;
    let (weights, protect, positions) = (Some(&weights[..]), Some(&protect[..]), Some(&positions[..]));
    let mut workspace = Workspace::new(codec, ROWS).unwrap();
    let mut block = vec![0; codec.encode_bound(ROWS).unwrap()];

    let (size, encoding, _) = with_views(codec.layout(), &mut rows, |views| {
        let rows = Rows { n: ROWS, views, positions, weights, protect };
        counted(|| codec.encode(&mut workspace, &rows, &mut block))
    });
    let size = size.unwrap();
    let header = verify(&block[..size]).unwrap();
    assert!(header.n_protected == 1 || header.flags & FLAG_RAW != 0);

    let (result, decoding, _) = with_views(codec.layout(), &mut back, |views| {
        let rows = RowsMut { n: ROWS, views, positions };
        counted(|| codec.decode(&mut workspace, &block[..size], &rows))
    });
    result.unwrap();
    let (result, part, _) = with_views(codec.layout(), &mut back[..9 * DIM], |views| {
        let rows = RowsMut { n: 9, views, positions: positions.map(|positions| &positions[3..12]) };
        counted(|| codec.decode_rows(&mut workspace, &block[..size], 3, &rows))
    });
    result.unwrap();
    [encoding, decoding, part]
}

fn settings(preset: Preset) -> Settings {
    Settings { preset, bits: 3.0, kmeans_k: 3, max_protected: 2, ..Settings::default() }
}

#[test]
fn the_counter_counts() {
    let (vec, count, bytes) = counted(|| vec![1_u8; 1000]);
    assert_eq!((vec.len(), count, bytes), (1000, 1, 1000));
}

#[test]
fn turbo_allocates_nothing() {
    for objective in OBJECTIVES {
        assert_eq!(allocations(&codec(settings(Preset::Turbo), objective, DIM)), [0; 3], "{objective:?}");
    }
}

#[test]
fn gains_and_rotary_embeddings_allocate_nothing() {
    let rope = Some(Rope { pairing: Pairing::Neox, inv_freq: vec![0.1; 8] });
    let segments = vec![Segment { gain: 2.5, rope, ..Segment::new(16) }, Segment::new(DIM - 16)];
    let layout = Layout::new(segments).unwrap();
    let codec = of_layout(settings(Preset::Turbo), Objective::Mse, layout, None);
    assert_eq!(allocations(&codec), [0; 3]);
}

#[test]
fn a_shared_skeleton_allocates_nothing() {
    let mut fitter = Fitter::new(DIM, &Params::new(settings(Preset::Kakeya)).unwrap()).unwrap();
    fitter.add(&rows(), &[1.0; ROWS]);
    let (skeleton, report) = fitter.finish().unwrap();
    assert_eq!(report.n_centres, 3);
    for objective in OBJECTIVES {
        let codec = shared(settings(Preset::Kakeya), objective, skeleton.clone());
        assert_eq!(allocations(&codec), [0; 3], "{objective:?}");
    }
}

/// With centres, with rotary embeddings, and with a step so small that the block is stored raw.
#[test]
fn a_fixed_step_allocates_nothing() {
    let positions: Vec<i32> = (0..ROWS as i32).collect();
    let side = Side { positions: Some(&positions), ..Side::default() };
    let rope = Some(Rope { pairing: Pairing::Neox, inv_freq: vec![0.1; 8] });
    let turned = vec![Segment { gain: 2.5, rope, ..Segment::new(16) }, Segment::new(DIM - 16)];
    for layout in [Layout::plain(DIM).unwrap(), Layout::new(turned).unwrap()] {
        for (step, rows_per_run) in [(0.1, 128), (0.1, 7), (1e-12, 128)] {
            let settings = Settings { kmeans_k: 3, rows_per_run, ..stepped(step) };
            let (skeleton, _) = fit(&settings, &layout, &rows(), side);
            for objective in OBJECTIVES {
                let codec = of_layout(settings.clone(), objective, layout.clone(), Some(skeleton.clone()));
                assert_eq!(allocations(&codec), [0; 3], "{objective:?}, step {step}");
            }
        }
    }
}

/// Fitting allocates; reading the skeleton out of the block does not.
#[test]
fn blocks_with_their_own_skeleton_decode_without_allocating() {
    for objective in OBJECTIVES {
        let [encoding, decoding, part] = allocations(&codec(settings(Preset::Kakeya), objective, DIM));
        assert_eq!([decoding, part], [0; 2], "{objective:?}");
        assert!(encoding > 0, "fitting was expected to allocate");
    }
}

/// Refusing a block costs no memory either.
#[test]
fn errors_allocate_nothing() {
    let codec = codec(settings(Preset::Turbo), Objective::Mse, DIM);
    let mut workspace = Workspace::new(&codec, ROWS).unwrap();
    let (mut broken, mut dst) = (rows(), vec![0; codec.encode_bound(ROWS).unwrap()]);
    broken[7 * DIM + 3] = f32::NAN;
    let (result, count, _) = with_views(codec.layout(), &mut broken, |views| {
        let rows = Rows { n: ROWS, views, positions: None, weights: None, protect: None };
        counted(|| codec.encode(&mut workspace, &rows, &mut dst))
    });
    assert!(result.is_err());
    assert_eq!(count, 0);
    let (result, count, _) = counted(|| verify(&dst));
    assert!(result.is_err());
    assert_eq!(count, 0);
}
