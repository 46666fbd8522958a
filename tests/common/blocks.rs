//! Blocks of contiguous f32 rows, for tests that are about something other than views.

use kakeyaturbo::Elements;
use kakeyaturbo::{
    Codec, FitReport, Header, Objective, Params, Preset, RateControl, Result, Rows, RowsMut, Settings,
    Shared, Skeleton, StreamFitter, Tier, Workspace, verify,
};
use kakeyaturbo::{Layout, View};
use std::cell::Cell;

pub const OBJECTIVES: [Objective; 3] = [Objective::Mse, Objective::InnerProduct, Objective::LInf];

pub use kakeyaturbo::internals::{FLAG_RAW, HEADER_BYTES, RAW_HEADER_BYTES};

/// What goes with the rows of a block.
#[derive(Debug, Clone, Copy, Default)]
pub struct Side<'a> {
    pub positions: Option<&'a [i32]>,
    pub weights: Option<&'a [f32]>,
    pub protect: Option<&'a [u8]>,
}

/// A codec for plain rows of `dim` coordinates, on the best tier.
pub fn codec(settings: Settings, objective: Objective, dim: usize) -> Codec {
    of_layout(settings, objective, Layout::plain(dim).unwrap(), None)
}

/// A codec whose blocks share `skeleton`.
pub fn shared(settings: Settings, objective: Objective, skeleton: Skeleton) -> Codec {
    of_layout(settings, objective, Layout::plain(skeleton.dim()).unwrap(), Some(skeleton))
}

pub fn of_layout(
    settings: Settings,
    objective: Objective,
    layout: Layout,
    skeleton: Option<Skeleton>,
) -> Codec {
    let params = Params::new(settings).unwrap();
    Codec::new(
        params,
        objective,
        layout,
        skeleton.map(|skeleton| Shared::new(skeleton).unwrap()),
        Tier::select(0).unwrap(),
    )
    .unwrap()
}

/// Settings of rdo at a fixed step, without K-means.
pub fn stepped(step: f32) -> Settings {
    Settings {
        preset: Preset::Rdo,
        rate_control: RateControl::Step,
        step,
        kmeans_k: 0,
        ..Settings::default()
    }
}

/// The skeleton of contiguous rows, and what its fit reports.
pub fn fit(settings: &Settings, layout: &Layout, rows: &[f32], side: Side<'_>) -> (Skeleton, FitReport) {
    let mut fitter = StreamFitter::new(&Params::new(settings.clone()).unwrap(), layout.clone()).unwrap();
    let n = rows.len() / layout.dim();
    let Side { positions, weights, protect } = side;
    with_views(layout, &mut rows.to_vec(), |views| {
        fitter.add(&Rows { n, views, positions, weights, protect }).unwrap();
    });
    fitter.finish().unwrap()
}

/// Which rows of a block are stored raw.
pub fn raw_rows(block: &[u8]) -> Vec<bool> {
    let header: Header = verify(block).unwrap();
    let mut raw = vec![header.flags & FLAG_RAW != 0; header.n_rows as usize];
    let slots = header.slots as usize;
    let start = header.bytes as usize - slots * (header.slot_bytes() + header.raw_row_bytes as usize);
    for slot in block[start..].chunks(header.slot_bytes()).take(header.n_protected as usize) {
        raw[u32::from_le_bytes(slot[..4].try_into().unwrap()) as usize] = true;
    }
    raw
}

/// Calls `with` with views of the contiguous rows `[n, dim]`, one per segment.
pub fn with_views<T>(layout: &Layout, rows: &mut [f32], with: impl FnOnce(&[View<'_>]) -> T) -> T {
    let dim = layout.dim();
    let n = rows.len() / dim;
    if n == 0 {
        return with(&[]);
    }
    let elements = Elements::F32(Cell::from_mut(rows).as_slice_of_cells());
    let mut offset = 0;
    let view = |segment: &kakeyaturbo::Segment| {
        let view = View::new(elements, offset, (n, segment.dim), (dim as isize, 1)).unwrap();
        offset += segment.dim;
        view
    };
    let views: Vec<View<'_>> = layout.segments().iter().map(view).collect();
    with(&views)
}

/// The block of `rows`, encoded with a workspace of its own.
pub fn encode(codec: &Codec, rows: &[f32], side: Side<'_>) -> Result<Vec<u8>> {
    let n = rows.len() / codec.layout().dim();
    let mut workspace = Workspace::new(codec, n)?;
    let mut block = vec![0xA5; codec.encode_bound(n)?];
    let size = with_views(codec.layout(), &mut rows.to_vec(), |views| {
        let Side { positions, weights, protect } = side;
        codec.encode(&mut workspace, &Rows { n, views, positions, weights, protect }, &mut block)
    })?;
    block.truncate(size);
    Ok(block)
}

/// All rows of a block whose header can be trusted.
pub fn decode(codec: &Codec, block: &[u8], positions: Option<&[i32]>) -> Result<Vec<f32>> {
    let header = kakeyaturbo::verify(block)?;
    let n = header.n_rows as usize;
    let mut workspace = Workspace::new(codec, n)?;
    let mut back = vec![f32::NAN; n * codec.layout().dim()];
    let size = with_views(codec.layout(), &mut back, |views| {
        codec.decode(&mut workspace, block, &RowsMut { n, views, positions })
    })?;
    assert_eq!(size as u64, header.bytes);
    Ok(back)
}

/// Rows `first .. first + n` of a block. `workspace` is one of the codec for the rows of the block.
pub fn decode_rows(
    codec: &Codec,
    workspace: &mut Workspace,
    block: &[u8],
    (first, n): (usize, usize),
    positions: Option<&[i32]>,
) -> Result<Vec<f32>> {
    let mut back = vec![f32::NAN; n * codec.layout().dim()];
    with_views(codec.layout(), &mut back, |views| {
        codec.decode_rows(workspace, block, first, &RowsMut { n, views, positions })
    })?;
    Ok(back)
}

/// The bits of values, to compare them exactly: NaN equals itself, and −0 is not 0.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}
