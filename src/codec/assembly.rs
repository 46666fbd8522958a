//! From the engine's tensors to rows as the kernel sees them, and to rows stored raw.

use super::Rows;
use super::angles::{Angles, Turn};
use super::row::{RowError, check_weights, peak};
use crate::error::{Count, Error, Result};
use crate::format::bytes::Section;
use crate::layout::{Layout, View, check_views};
use crate::params::NanPolicy;
use fearless_simd::Simd;

/// How rows are assembled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assembly<'a> {
    pub layout: &'a Layout,
    pub nan_policy: NanPolicy,
    pub angles: &'a Angles,
}

impl Assembly<'_> {
    /// Appends row `i` as it is in its tensors, in the raw types of its segments, and returns what their
    /// rounding costs. `row` and `bytes` are scratch.
    pub fn put_raw<S: Simd>(
        &self,
        simd: S,
        rows: &Rows<'_>,
        i: usize,
        row: &mut [f32],
        bytes: &mut [u8],
        raw: &mut Section<'_>,
    ) -> RowError {
        let mut error = RowError::default();
        for (index, (offset, segment)) in self.layout.offsets().enumerate() {
            let part = &mut row[offset..offset + segment.dim];
            rows.views[index].read(simd, i, part);
            let gain = f64::from(segment.gain);
            for values in part.chunks(64) {
                let bytes = &mut bytes[..values.len() * segment.raw_dtype.size()];
                segment.raw_dtype.write_le(values, bytes);
                raw.put(bytes);
                let mut back = [0.0; 64];
                segment.raw_dtype.read_le(bytes, &mut back[..values.len()]);
                for (&x, back) in values.iter().zip(back) {
                    let off = f64::from(x) - f64::from(back);
                    error.energy += (gain * f64::from(x)).powi(2);
                    error.squared += (gain * off).powi(2);
                    error.absolute = error.absolute.max(off.abs());
                }
            }
        }
        error
    }

    /// Reads row `i` as the kernel sees it: rotary embedding undone, times the gains. Returns whether it is to be coded, not
    /// stored raw; a row that cannot be coded is an error.
    #[inline(always)]
    pub fn load<S: Simd>(
        &self,
        simd: S,
        rows: &Rows<'_>,
        i: usize,
        row: &mut [f32],
        turn: &mut Turn,
    ) -> Result<bool> {
        self.fill(simd, rows, i, row, turn);
        match self.nan_policy {
            _ if rows.is_protected(i) => Ok(false),
            _ if peak(row).is_finite() => Ok(true),
            NanPolicy::Raw => Ok(false),
            NanPolicy::Reject => Err(Error::NotFinite { row: i }),
        }
    }

    /// As [`Assembly::load`], whatever the values are.
    #[inline(always)]
    pub fn fill<S: Simd>(&self, simd: S, rows: &Rows<'_>, i: usize, row: &mut [f32], turn: &mut Turn) {
        if let Some(positions) = rows.positions {
            turn.to(self.angles, positions[i]);
        }
        for (index, (offset, segment)) in self.layout.offsets().enumerate() {
            let part = &mut row[offset..offset + segment.dim];
            rows.views[index].read(simd, i, part);
            if rows.positions.is_some() {
                self.angles.undo(index, turn, part);
            }
            if segment.gain != 1.0 {
                part.iter_mut().for_each(|x| *x *= segment.gain);
            }
        }
    }
}

impl Rows<'_> {
    /// Checks views, counts and weights against the layout.
    pub(super) fn check(&self, layout: &Layout) -> Result<()> {
        let lengths = [
            ("number of positions", self.positions.map(<[i32]>::len)),
            ("number of weights", self.weights.map(<[f32]>::len)),
            ("number of protect flags", self.protect.map(<[u8]>::len)),
        ];
        for (what, len) in lengths {
            if let Some(got) = len.filter(|&len| len != self.n) {
                return Err(Error::BadShape { what, got, expected: Count::Is(self.n) });
            }
        }
        if layout.needs_positions() && self.positions.is_none() {
            return Err(Error::NullPointer { what: "positions, which a segment with RoPE needs," });
        }
        check_weights(self.weights.unwrap_or_default())?;
        check_views(self.views, layout, self.n)?;
        let nowhere = self.views.iter().any(View::is_nowhere);
        if nowhere { Err(Error::NullPointer { what: "data of a view" }) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn weight(&self, i: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[i])
    }

    /// Whether the caller wants row `i` raw.
    #[inline(always)]
    pub(super) fn is_protected(&self, i: usize) -> bool {
        self.protect.is_some_and(|protect| protect[i] != 0)
    }
}
