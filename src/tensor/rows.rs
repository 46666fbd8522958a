//! From the engine's tensors to rows as the coders see them, and back; and rows that are stored raw.
//!
//! A row passes here on its way in and out, so what both coders must do alike is done here: conversion,
//! rotary embedding, gains, the check for NaN and infinity, clamping. Rows are read one by one into a buffer;
//! no copy of the tensor is made.

use super::angles::{Angles, PairAngles};
use super::layout::Layout;
use super::view::{View, check_views};
use crate::distortion::RowError;
use crate::error::{Count, Error, Result};
use crate::params::NanPolicy;
use crate::vector::sums::peak;
use crate::vector::tier::on_tier;
use fearless_simd::Simd;

/// The rows of a block to encode.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Number of rows, at least 1.
    pub n: usize,
    /// Where they lie: one view per segment, in the order of the layout.
    pub views: &'a [View<'a>],
    /// Position of each row; needed if a segment has a rotary embedding.
    pub positions: Option<&'a [i32]>,
    /// How much the error of each row counts; `None` = all 1.
    pub weights: Option<&'a [f32]>,
    /// One byte per row: nonzero = store this row raw; `None` = store none raw.
    pub protect: Option<&'a [u8]>,
}

/// Where decoded rows go.
#[derive(Debug, Clone, Copy)]
pub struct RowsMut<'a> {
    /// Number of rows: that of the block, or of the range that is decoded.
    pub n: usize,
    /// Where to write them: one view per segment, [`View::NOWHERE`] for segments that are not wanted.
    pub views: &'a [View<'a>],
    /// Position of each row; needed if a segment has a rotary embedding. They need not be those that the rows
    /// had when they were encoded.
    pub positions: Option<&'a [i32]>,
}

/// How rows are read from their tensors and written back to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowAccess<'a> {
    pub layout: &'a Layout,
    pub nan_policy: NanPolicy,
    pub angles: &'a Angles,
}

impl RowAccess<'_> {
    /// Reads row `i` as the coders see it: rotary embedding undone, times the gains. Returns whether it is to
    /// be coded; if not, it is to be stored raw, because it is protected or not finite.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if the row can be neither coded nor, by the policy, stored raw.
    #[inline(never)]
    pub fn load<S: Simd>(
        &self,
        simd: S,
        rows: &Rows<'_>,
        i: usize,
        row: &mut [f32],
        turn: &mut PairAngles,
    ) -> Result<bool> {
        let peak = on_tier!(simd, {
            self.load_without_checks(simd, rows, i, row, turn);
            peak(row)
        });
        if rows.is_protected(i) {
            return Ok(false);
        }
        // Checked after the gains, which may take a finite value out of range.
        match self.nan_policy {
            _ if peak.is_finite() => Ok(true),
            NanPolicy::Raw => Ok(false),
            NanPolicy::Reject => Err(Error::NotFinite { row: i }),
        }
    }

    /// Reads row `i` as [`RowAccess::load`] does, without the checks: for callers that find out by other
    /// means whether a row is finite.
    #[inline(always)]
    pub fn load_without_checks<S: Simd>(
        &self,
        simd: S,
        rows: &Rows<'_>,
        i: usize,
        row: &mut [f32],
        turn: &mut PairAngles,
    ) {
        if let Some(positions) = rows.positions {
            turn.move_to(self.angles, positions[i]);
        }
        for (index, range, segment) in self.layout.pieces() {
            let part = &mut row[range];
            rows.views[index].read(simd, i, part);
            if rows.positions.is_some() {
                self.angles.undo(index, turn, part);
            }
            if segment.gain != 1.0 {
                part.iter_mut().for_each(|x| *x *= segment.gain);
            }
        }
    }

    /// Writes a decoded row as row `i`: gains undone, rotary embedding applied. `row` is scratch afterwards.
    ///
    /// A decoded row is finite, but a gain below 1 or a turn can take a value near the end of binary32 out of
    /// range, so values are clamped after each. Decoding never writes an infinity for a row that was coded.
    #[inline(always)]
    pub fn store<S: Simd>(
        &self,
        simd: S,
        rows: &RowsMut<'_>,
        i: usize,
        row: &mut [f32],
        turn: &mut PairAngles,
    ) {
        if let Some(positions) = rows.positions {
            turn.move_to(self.angles, positions[i]);
        }
        for (index, range, segment) in self.layout.pieces() {
            let view = &rows.views[index];
            if view.is_nowhere() {
                continue;
            }
            let part = &mut row[range];
            if segment.gain != 1.0 {
                let unit = 1.0 / segment.gain;
                part.iter_mut().for_each(|x| *x = (*x * unit).clamp(f32::MIN, f32::MAX));
            }
            if segment.rope.is_some() {
                self.angles.apply(index, turn, part);
                part.iter_mut().for_each(|x| *x = x.clamp(f32::MIN, f32::MAX));
            }
            view.write(simd, i, part);
        }
    }

    /// As [`RowAccess::store`], in a function of its own.
    #[inline(never)]
    pub fn store_wide<S: Simd>(
        &self,
        simd: S,
        rows: &RowsMut<'_>,
        i: usize,
        row: &mut [f32],
        turn: &mut PairAngles,
    ) {
        on_tier!(simd, self.store(simd, rows, i, row, turn));
    }

    /// Hands row `i` as it lies in its tensors, in the raw types of its segments, to `sink`, and returns what
    /// their rounding costs: relative in units of the rows, absolute in units of the tensors. `row` is
    /// scratch for a row, `bytes` for 64 elements.
    ///
    /// The rotary embedding stays on, so that a row that keeps its position comes back bit by bit. Raw rows
    /// are rare, so this is a function of its own: the hot loops stay small.
    #[inline(never)]
    pub fn read_raw<S: Simd>(
        &self,
        simd: S,
        rows: &Rows<'_>,
        i: usize,
        (row, bytes): (&mut [f32], &mut [u8]),
        mut sink: impl FnMut(&[u8]),
    ) -> RowError {
        let mut error = RowError::default();
        for (index, range, segment) in self.layout.pieces() {
            let part = &mut row[range];
            rows.views[index].read(simd, i, part);
            let gain = f64::from(segment.gain);
            for values in part.chunks(64) {
                let bytes = &mut bytes[..values.len() * segment.raw_dtype.size()];
                segment.raw_dtype.write_le(values, bytes);
                sink(bytes);
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

    /// Writes row `i` from the bytes of a raw row that had position `from`, turned by the difference to the
    /// position that it has now. `row` is scratch. Without a difference the bytes come back as they were.
    #[inline(never)]
    pub fn restore_raw<S: Simd>(
        &self,
        simd: S,
        rows: &RowsMut<'_>,
        i: usize,
        (raw, from): (&[u8], i32),
        row: &mut [f32],
    ) {
        let mut rest = raw;
        for (index, range, segment) in self.layout.pieces() {
            let part = &mut row[range];
            let (bytes, after) = rest.split_at(segment.dim * segment.raw_dtype.size());
            rest = after;
            segment.raw_dtype.read_le(bytes, part);
            let view = &rows.views[index];
            if view.is_nowhere() {
                continue;
            }
            if let (Some(rope), Some(positions)) = (&segment.rope, rows.positions) {
                let shift = i64::from(positions[i]) - i64::from(from);
                if shift != 0 {
                    rope.turn(shift as f64, part);
                }
            }
            view.write(simd, i, part);
        }
    }
}

impl Rows<'_> {
    /// Checks views, counts and weights against the layout.
    ///
    /// # Errors
    /// [`Error::BadShape`], [`Error::BadWeight`], or [`Error::Missing`] if needed positions or data are not
    /// there.
    pub(crate) fn check(&self, layout: &Layout) -> Result<()> {
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
        check_positions(layout, self.positions)?;
        check_weights(self.weights.unwrap_or_default())?;
        check_views(self.views, layout, self.n)?;
        let nowhere = self.views.iter().any(View::is_nowhere);
        if nowhere { Err(Error::Missing { what: "the data of a view" }) } else { Ok(()) }
    }

    /// Weight of row `i`.
    #[inline(always)]
    pub(crate) fn weight(&self, i: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[i])
    }

    /// Position of row `i`, if rows have one.
    #[inline(always)]
    pub(crate) fn position(&self, i: usize) -> Option<i32> {
        self.positions.map(|positions| positions[i])
    }

    /// Whether the caller wants row `i` raw.
    #[inline(always)]
    pub(crate) fn is_protected(&self, i: usize) -> bool {
        self.protect.is_some_and(|protect| protect[i] != 0)
    }
}

impl RowsMut<'_> {
    /// Checks that the views take `n` rows of the layout.
    ///
    /// # Errors
    /// [`Error::BadShape`], or [`Error::Missing`] if needed positions are not there.
    pub(crate) fn check(&self, layout: &Layout, n: usize) -> Result<()> {
        if self.n != n {
            return Err(Error::BadShape { what: "number of rows", got: self.n, expected: Count::Is(n) });
        }
        check_positions(layout, self.positions)?;
        if let Some(got) = self.positions.map(<[i32]>::len).filter(|&len| len != n) {
            return Err(Error::BadShape { what: "number of positions", got, expected: Count::Is(n) });
        }
        check_views(self.views, layout, n)
    }
}

/// Checks that there are positions if a segment needs them; the callers check how many.
///
/// # Errors
/// [`Error::Missing`]
fn check_positions(layout: &Layout, positions: Option<&[i32]>) -> Result<()> {
    if layout.needs_positions() && positions.is_none() {
        return Err(Error::Missing { what: "a list of positions (a segment has RoPE)" });
    }
    Ok(())
}

/// Refuses rows `[_, dim]` if one is not finite: for plain slices, which no [`RowAccess`] has checked.
///
/// # Errors
/// [`Error::NotFinite`] with the index of the first such row.
pub(crate) fn check_finite(rows: &[f32], dim: usize) -> Result<()> {
    match rows.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(Error::NotFinite { row: at / dim }),
        None => Ok(()),
    }
}

/// Refuses a weight that is not finite or below 0. A weight of 0 is legal: that row's error does not count.
///
/// # Errors
/// [`Error::BadWeight`]
pub(crate) fn check_weights(weights: &[f32]) -> Result<()> {
    match weights.iter().position(|&weight| !(weight.is_finite() && weight >= 0.0)) {
        Some(row) => Err(Error::BadWeight { row, got: weights[row] }),
        None => Ok(()),
    }
}
