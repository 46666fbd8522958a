//! Rows whose segments lie in tensors of any type, order and stride.

use half::{bf16, f16};
use kakeyaturbo::{Codec, RowsMut, Workspace, verify};
use kakeyaturbo::{Dtype, Elements};
use kakeyaturbo::{Segment, View};
use std::cell::Cell;

/// A segment and the tensor that it lies in.
#[derive(Debug, Clone)]
pub struct Placed {
    pub segment: Segment,
    pub dtype: Dtype,
    /// Columns before rows.
    pub transposed: bool,
    /// Rows from the last to the first.
    pub backward: bool,
    /// Elements between neighbours.
    pub gap: usize,
}

/// The memory of a tensor.
#[derive(Debug, Clone)]
pub enum Memory {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Memory {
    pub fn new(dtype: Dtype, values: &[f32]) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(values.to_vec()),
            Dtype::F16 => Self::F16(values.iter().map(|&x| f16::from_f32(x)).collect()),
            Dtype::Bf16 => Self::Bf16(values.iter().map(|&x| bf16::from_f32(x)).collect()),
        }
    }

    pub fn elements(&mut self) -> Elements<'_> {
        match self {
            Self::F32(values) => Elements::F32(Cell::from_mut(&mut values[..]).as_slice_of_cells()),
            Self::F16(values) => Elements::F16(Cell::from_mut(&mut values[..]).as_slice_of_cells()),
            Self::Bf16(values) => Elements::Bf16(Cell::from_mut(&mut values[..]).as_slice_of_cells()),
        }
    }

    /// The values as they lie in memory, widened.
    pub fn values(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::F16(values) => values.iter().map(|x| x.to_f32()).collect(),
            Self::Bf16(values) => values.iter().map(|x| x.to_f32()).collect(),
        }
    }
}

impl Placed {
    /// Base and strides of `n` rows, and how many elements they span.
    pub fn place(&self, n: usize) -> (usize, (isize, isize), usize) {
        let step = 1 + self.gap;
        let (row, col) = if self.transposed { (step, step * n) } else { (step * self.segment.dim, step) };
        let len = (n - 1) * row + (self.segment.dim - 1) * col + 1;
        if self.backward {
            ((n - 1) * row, (-(row as isize), col as isize), len)
        } else {
            (0, (row as isize, col as isize), len)
        }
    }

    pub fn view<'a>(&self, memory: &'a mut Memory, n: usize) -> View<'a> {
        let (base, strides, _) = self.place(n);
        View::new(memory.elements(), base, (n, self.segment.dim), strides).unwrap()
    }
}

/// Decodes `count` rows from `first` on into fresh tensors; returns the values of each, in logical order.
pub fn decode_layout(
    codec: &Codec,
    segments: &[Placed],
    block: &[u8],
    (first, count): (usize, usize),
    positions: &[i32],
) -> Vec<Vec<f32>> {
    let fresh = |placed: &Placed| Memory::new(placed.dtype, &vec![f32::NAN; placed.place(count).2]);
    let mut memories: Vec<Memory> = segments.iter().map(fresh).collect();
    let n = verify(block).unwrap().n_rows as usize;
    {
        let views: Vec<View<'_>> =
            segments.iter().zip(&mut memories).map(|(placed, memory)| placed.view(memory, count)).collect();
        let rows = RowsMut { n: count, views: &views[..], positions: Some(&positions[first..first + count]) };
        codec.decode_rows(&mut Workspace::new(codec, n).unwrap(), block, first, &rows).unwrap();
    }
    let logical = |(placed, memory): (&Placed, &Memory)| {
        let (base, (row, col), len) = placed.place(count);
        let values = memory.values();
        let at = |r: usize, c: usize| base.checked_add_signed(r as isize * row + c as isize * col).unwrap();
        let written: Vec<usize> =
            (0..count).flat_map(|r| (0..placed.segment.dim).map(move |c| at(r, c))).collect();
        for i in (0..len).filter(|i| placed.gap > 0 && i % (placed.gap + 1) != 0) {
            assert!(values[i].is_nan(), "an element between those of the view was written");
        }
        written.into_iter().map(|i| values[i]).collect()
    };
    segments.iter().zip(&memories).map(logical).collect()
}
