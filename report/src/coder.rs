//! Rows through the library: layouts, fits, blocks. Whole documents become one block each.

use std::cell::Cell;

use anyhow::Result;
use kakeyaturbo::{
    Codec, Objective, Params, Rows, RowsMut, Settings, Shared, Skeleton, StreamFitter, Tier, Workspace,
};
use kakeyaturbo::{Dtype, Elements};
use kakeyaturbo::{Layout, Segment, View};

use crate::set::{Piece, Set};

/// Rows `[positions.len(), dim]` and where they are in their document.
pub struct Block<'a> {
    pub rows: Vec<f32>,
    pub positions: &'a [i32],
}

impl<'a> Block<'a> {
    /// The rows of a document.
    pub fn of(set: &'a Set, document: usize, pieces: &[Piece]) -> Self {
        Self { rows: set.gather(document, pieces), positions: &set.documents[document].positions }
    }
}

/// The layout of rows as the engine has them.
pub fn plain(set: &Set, pieces: &[Piece]) -> Result<Layout> {
    let segment = |piece: &Piece| Segment::new(set.tensors[piece.tensor].head_dim);
    Ok(Layout::new(pieces.iter().map(segment).collect())?)
}

/// The layout of rows to fit to: every tensor gets the gain that brings it to a mean square of 1 on `documents`, and
/// with `turned_back` its rotary embedding is undone.
pub fn normalised(set: &Set, pieces: &[Piece], documents: &[usize], turned_back: bool) -> Result<Layout> {
    let mut segments: Vec<Segment> = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        let tensor = &set.tensors[piece.tensor];
        let gain = match pieces[..i].iter().position(|before| before.tensor == piece.tensor) {
            Some(before) => segments[before].gain,
            None => (1.0 / set.mean_square(piece.tensor, documents).sqrt()) as f32,
        };
        let rope = tensor.rope.clone().filter(|_| turned_back);
        segments.push(Segment { gain, rope, raw_dtype: Dtype::F16, ..Segment::new(tensor.head_dim) });
    }
    Ok(Layout::new(segments)?)
}

/// The skeleton of these blocks.
pub fn fit(settings: Settings, layout: &Layout, blocks: &mut [Block<'_>]) -> Result<Shared<Skeleton>> {
    let mut fitter = StreamFitter::new(&Params::new(settings)?, layout.clone())?;
    for block in blocks {
        let (n, positions) = (block.positions.len(), Some(block.positions));
        let views = views(layout, n, &mut block.rows)?;
        fitter.add(&Rows { n, views: views.as_slice(), positions, weights: None, protect: None })?;
    }
    Ok(Shared::new(fitter.finish()?.0)?)
}

/// A codec for the least squared error.
pub fn codec(settings: Settings, layout: &Layout, skeleton: Option<Shared<Skeleton>>) -> Result<Codec> {
    Ok(Codec::new(Params::new(settings)?, Objective::Mse, layout.clone(), skeleton, Tier::select(0)?)?)
}

/// Encodes and decodes a block; returns its size in bytes and what came back.
pub fn round_trip(codec: &Codec, block: &mut Block<'_>) -> Result<(usize, Vec<f32>)> {
    let (n, positions) = (block.positions.len(), Some(block.positions));
    let mut workspace = Workspace::new(codec, n)?;
    let mut bytes = vec![0; codec.encode_bound(n)?];
    let mut back = vec![0.0; block.rows.len()];
    let from = views(codec.layout(), n, &mut block.rows)?;
    let rows = Rows { n, views: from.as_slice(), positions, weights: None, protect: None };
    let size = codec.encode(&mut workspace, &rows, &mut bytes)?;
    let to = views(codec.layout(), n, &mut back)?;
    codec.decode(&mut workspace, &bytes[..size], &RowsMut { n, views: to.as_slice(), positions })?;
    Ok((size, back))
}

/// Views of contiguous rows, one per segment.
fn views<'a>(layout: &Layout, n: usize, rows: &'a mut [f32]) -> Result<Vec<View<'a>>> {
    let elements = Elements::F32(Cell::from_mut(rows).as_slice_of_cells());
    let mut offset = 0;
    let view = |segment: &Segment| {
        let view = View::new(elements, offset, (n, segment.dim), (layout.dim() as isize, 1));
        offset += segment.dim;
        Ok(view?)
    };
    layout.segments().iter().map(view).collect()
}
