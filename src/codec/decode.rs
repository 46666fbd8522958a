//! The rows of a block, back into engine tensors.

use super::angles::Turn;
use super::row::{Kernel, RowCode, Scratch};
use super::run_reader::RunReader;
use super::transform::{PANEL, Panel, Passage};
use super::{Codec, RowsMut, Workspace};
use crate::error::{Count, Error, Result};
use crate::format::artifact::check_parts;
use crate::format::block::{
    FLAG_OWN_SKELETON, FLAG_POSITIONS, FLAG_RAW, FLAG_RUNS, FLAG_WEIGHTS, HEADER_BYTES, Header, Sections,
    UNUSED_SLOT,
};
use crate::format::bytes::Fields;
use crate::layout::check_views;
use crate::pack::unpack;
use crate::params::RateControl;
use crate::scale;
use crate::simd::dispatch;
use crate::skeleton::index_bits;
use crate::stepped::WIDEST_STEP;
use fearless_simd::Simd;
use std::ops::Range;

/// Checks a block as far as that goes without its codec: header, sizes, checksums, and every value that is not
/// free to be anything. Bytes after the block are left alone.
pub fn verify(src: &[u8]) -> Result<Header> {
    Block::parse(src).map(|block| block.header)
}

impl Codec {
    /// Checks a block as [`verify`] does, and that it was written by this codec or an equal one.
    pub fn verify(&self, src: &[u8]) -> Result<Header> {
        let block = Block::parse(src)?;
        block.check_codec(self)?;
        Ok(block.header)
    }

    /// Decodes all rows of a block. What `rows` points to is undefined after an error.
    pub fn decode(&self, workspace: &mut Workspace, src: &[u8], rows: &RowsMut<'_>) -> Result<()> {
        let block = Block::parse(src)?;
        let n = block.header.n_rows as usize;
        self.decode_block(workspace, &block, 0..n, rows)
    }

    /// Decodes rows `first .. first + rows.n` of a block. The whole block is checked, only those rows are
    /// decoded.
    pub fn decode_rows(
        &self,
        workspace: &mut Workspace,
        src: &[u8],
        first: usize,
        rows: &RowsMut<'_>,
    ) -> Result<()> {
        let block = Block::parse(src)?;
        let n = block.header.n_rows as usize;
        let end = first.checked_add(rows.n).filter(|&end| end <= n);
        let end = end.ok_or(Error::BadShape {
            what: "end of the row range",
            got: first.saturating_add(rows.n),
            expected: Count::AtMost(n),
        })?;
        self.decode_block(workspace, &block, first..end, rows)
    }

    fn decode_block(
        &self,
        workspace: &mut Workspace,
        block: &Block<'_>,
        range: Range<usize>,
        rows: &RowsMut<'_>,
    ) -> Result<()> {
        let header = &block.header;
        block.check_codec(self)?;
        if rows.n != range.len() {
            return Err(Error::BadShape {
                what: "number of rows",
                got: rows.n,
                expected: Count::Is(range.len()),
            });
        }
        match rows.positions {
            None if self.layout.needs_positions() => {
                return Err(Error::NullPointer { what: "positions, which a segment with RoPE needs," });
            }
            Some(positions) if positions.len() != rows.n => {
                return Err(Error::BadShape {
                    what: "number of positions",
                    got: positions.len(),
                    expected: Count::Is(rows.n),
                });
            }
            _ => {}
        }
        check_views(rows.views, &self.layout, rows.n)?;
        let shape = (usize::from(header.rank), usize::from(header.n_centres));
        workspace.check(self, rows.n, shape)?;
        let Workspace { row, scratch, own, runs, turn, .. } = workspace;
        turn.reset();
        let kernel = match (self.skeleton.as_deref(), own) {
            (Some(skeleton), _) => self.shared_kernel(skeleton),
            (None, own) => {
                let own = own.as_mut().expect("the workspace was checked");
                let bytes = &block.src[block.sections.skeleton.clone()];
                own.skeleton.read_parts(self.layout.dim(), shape.0, shape.1, bytes);
                own.rotation.redraw(shape.0, self.params.settings().seed);
                let kernel = self.shared_kernel(&own.skeleton);
                Kernel { rotation: &own.rotation, ..kernel }
            }
        };
        let pass = Pass { codec: self, kernel, block, rows, first: range.start };
        let row = &mut row[..self.layout.dim()];
        match (&self.stepped, runs) {
            _ if header.has(FLAG_RAW) => {
                dispatch!(self.tier.level(), simd => pass.restore(simd, row));
                Ok(())
            }
            (Some((stepper, transform)), Some(room)) => {
                let passage = Passage { transform, kernel, quantizer: stepper.at(header.step) };
                dispatch!(self.tier.level(), simd => pass.run_stepped(simd, &passage, row, (&mut room.panel, turn)))
            }
            _ => {
                dispatch!(self.tier.level(), simd => pass.run(simd, row, scratch, turn));
                Ok(())
            }
        }
    }
}

/// A block whose header, sizes and checksums have been checked.
struct Block<'a> {
    src: &'a [u8],
    header: Header,
    sections: Sections,
}

impl<'a> Block<'a> {
    fn parse(src: &'a [u8]) -> Result<Self> {
        let header = Header::parse(src)?;
        let sections = Sections::of(&header).expect("the header was checked");
        header.verify_payload(src)?;
        let block = Self { src, header, sections };
        block.check_slots()?;
        block.check_codes()?;
        Ok(block)
    }

    /// Every value that is not free to be anything: of the block's own skeleton, scales, centre indices.
    fn check_codes(&self) -> Result<()> {
        let (header, sections) = (&self.header, &self.sections);
        let at = |range: &Range<usize>| range.start;
        if header.has(FLAG_OWN_SKELETON) {
            let bytes = &self.src[sections.skeleton.clone()];
            check_parts(header.dim as usize, bytes, at(&sections.skeleton))?;
        }
        let scales = self.src[sections.scales.clone()].as_chunks::<2>().0;
        if scales.iter().any(|&raw| u16::from_le_bytes(raw) > scale::MAX_CODE) {
            return Err(Error::Corrupt { what: "a scale", at: at(&sections.scales) });
        }
        let centres = usize::from(header.n_centres);
        if !centres.is_power_of_two() {
            // Without centres there are no indices, and with a power of two of them all are legal.
            let rows = if centres > 0 { header.n_rows as usize } else { 0 };
            if (0..rows).any(|row| usize::from(self.centre(row)) >= centres) {
                return Err(Error::Corrupt { what: "a centre index", at: at(&sections.indices) });
            }
        }
        let steps = &self.src[sections.steps.clone()];
        if steps.iter().any(|&step| (step as i8).unsigned_abs() > WIDEST_STEP) {
            return Err(Error::Corrupt { what: "the step of a row", at: at(&sections.steps) });
        }
        let ends = self.src[sections.run_ends.clone()].as_chunks::<4>().0;
        let mut start = 0;
        for end in ends.iter().map(|&raw| u32::from_le_bytes(raw) as usize) {
            if end < start {
                return Err(Error::Corrupt { what: "the end of a run", at: at(&sections.run_ends) });
            }
            start = end;
        }
        if start != sections.runs.len() {
            return Err(Error::Corrupt { what: "the end of a run", at: at(&sections.run_ends) });
        }
        Ok(())
    }

    /// Used slots are in ascending order and name rows of the block; unused ones say so.
    fn check_slots(&self) -> Result<()> {
        let used = self.header.n_protected as usize;
        let mut next = 0;
        for slot in 0..self.header.slots as usize {
            let (row, _) = self.slot(slot);
            let legal =
                if slot < used { (next..self.header.n_rows).contains(&row) } else { row == UNUSED_SLOT };
            if !legal {
                return Err(Error::Corrupt { what: "slot of a raw row", at: self.sections.slots.start });
            }
            next = row.wrapping_add(1);
        }
        Ok(())
    }

    /// Row and position of a slot.
    fn slot(&self, slot: usize) -> (u32, i32) {
        let listed = self.header.has(FLAG_POSITIONS);
        if self.header.has(FLAG_RAW) {
            // Every row has the slot of its own number.
            let follows = self.header.first_position.wrapping_add(slot as i32);
            let position = || Fields(&self.src[self.sections.slots.clone()][slot * 4..]).u32() as i32;
            return (slot as u32, if listed { position() } else { follows });
        }
        let len = self.header.slot_bytes();
        let mut fields = Fields(&self.src[self.sections.slots.clone()][slot * len..]);
        let row = fields.u32();
        (row, if listed { fields.u32() as i32 } else { 0 })
    }

    /// The slot of a row, if it is stored raw.
    #[inline(always)]
    fn find_slot(&self, row: usize) -> Option<usize> {
        if self.header.n_protected > 0 { self.search_slot(row) } else { None }
    }

    fn search_slot(&self, row: usize) -> Option<usize> {
        let (mut low, mut high) = (0, self.header.n_protected as usize);
        while low < high {
            let middle = low.midpoint(high);
            match (self.slot(middle).0 as usize).cmp(&row) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Whether this codec wrote the block.
    fn check_codec(&self, codec: &Codec) -> Result<()> {
        let header = &self.header;
        if header.fingerprint != codec.fingerprint {
            let start = |id: &[u8; 32]| u64::from_be_bytes(id[..8].try_into().expect("8 of 32 bytes"));
            let (got, want) = (start(&header.fingerprint), start(&codec.fingerprint));
            return Err(Error::WrongCodec { what: "fingerprint", got, want });
        }
        // The fingerprint decides all but a few fields: where one differs nevertheless, the header was forged.
        let n = header.n_rows as usize;
        let shape = (usize::from(header.rank), usize::from(header.n_centres));
        let (rank, centres) = codec.largest_skeleton(n);
        let mut ours = codec.header(n, shape.0, shape.1)?;
        let fits = match (header.has(FLAG_RAW), header.has(FLAG_OWN_SKELETON)) {
            (true, _) => codec.stepped.is_some(),
            (false, true) => shape.0 <= rank && shape.1 <= centres,
            (false, false) => shape == (rank, centres),
        };
        if header.has(FLAG_RAW) {
            ours = ours.to_raw(None);
            (ours.first_position, ours.bytes) = (header.first_position, header.bytes);
            ours.flags |= if codec.layout.needs_positions() { header.flags & FLAG_POSITIONS } else { 0 };
        } else if header.has(FLAG_RUNS) {
            (ours.slots, ours.bytes) = (header.slots, header.bytes);
            if codec.params.settings().rate_control == RateControl::MaxBytes {
                // The encoder found it.
                ours.step = header.step;
            }
            ours.flags |= header.flags & FLAG_WEIGHTS;
        }
        ours.n_protected = header.n_protected;
        ours.payload_crc = header.payload_crc;
        ours.certified_error = header.certified_error;
        // Compared as bytes, in which a NaN equals itself.
        let mut bytes = [[0; HEADER_BYTES]; 2];
        let lengths = [ours.write(&mut bytes[0]), header.write(&mut bytes[1])];
        if fits && lengths[0] == lengths[1] && bytes[0] == bytes[1] {
            return Ok(());
        }
        Err(Error::Corrupt { what: "a header that its codec would not write", at: 0 })
    }

    /// Scale of a row.
    #[inline(always)]
    fn scale(&self, row: usize) -> u16 {
        Fields(&self.src[self.sections.scales.clone()][2 * row..]).u16()
    }

    /// Reach and centre of a row; its scale is left at 0.
    #[inline(always)]
    fn row_code(&self, row: usize) -> RowCode {
        let mut code = RowCode::default();
        if self.header.n_centres > 0 {
            code.reach = self.src[self.sections.reaches.clone()][row];
            code.centre = self.centre(row);
        }
        code
    }

    /// Index of a row's centre.
    #[inline(always)]
    fn centre(&self, row: usize) -> u8 {
        let width = index_bits(usize::from(self.header.n_centres));
        let mut index = [0];
        if width > 0 {
            unpack(&self.src[self.sections.indices.clone()], width, row * usize::from(width), &mut index);
        }
        index[0]
    }
}

/// One pass over a range of rows.
struct Pass<'a> {
    codec: &'a Codec,
    kernel: Kernel<'a>,
    block: &'a Block<'a>,
    rows: &'a RowsMut<'a>,
    /// Row of the block that becomes row 0 of `rows`.
    first: usize,
}

impl Pass<'_> {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, row: &mut [f32], scratch: &mut Scratch, turn: &mut Turn) {
        let block = self.block;
        let rank = self.kernel.skeleton.rank();
        let stream = &block.src[block.sections.symbols.clone()];
        for i in 0..self.rows.n {
            let at = self.first + i;
            if let Some(slot) = block.find_slot(at) {
                self.restore_raw(simd, i, slot, row);
                continue;
            }
            let code = RowCode { scale: block.scale(at), ..block.row_code(at) };
            if !self.kernel.decode_packed(simd, (code, stream, at), &mut scratch.q, row) {
                let symbols = &mut scratch.symbols[..rank];
                self.kernel.grid.unpack(stream, at, symbols);
                self.kernel.decode(simd, (code, symbols), [&mut scratch.q, &mut scratch.back], row);
            }
            self.store(simd, i, row, turn);
        }
    }

    #[inline(always)]
    fn run_stepped<S: Simd>(
        &self,
        simd: S,
        passage: &Passage<'_>,
        row: &mut [f32],
        (panel, turn): (&mut Panel, &mut Turn),
    ) -> Result<()> {
        let block = self.block;
        let rank = self.kernel.skeleton.rank();
        let mut reader = RunReader::new(passage.quantizer, &block.header, &block.sections, block.src);
        for first in (0..self.rows.n).step_by(PANEL) {
            let count = PANEL.min(self.rows.n - first);
            let mut coded = [false; PANEL];
            passage.begin(panel);
            for (r, coded) in coded[..count].iter_mut().enumerate() {
                let at = self.first + first + r;
                if let Some(slot) = block.find_slot(at) {
                    self.restore_raw(simd, first + r, slot, row);
                    continue;
                }
                *coded = true;
                let live = reader.points(at, &mut panel.points[..rank], &mut panel.bins[..rank])?;
                passage.put(panel, r, reader.step(at), block.row_code(at), live);
            }
            passage.synthesise(simd, panel, &coded[..count]);
            for r in (0..count).filter(|&r| coded[r]) {
                self.store(simd, first + r, passage.decoded(panel, r), turn);
            }
        }
        Ok(())
    }

    /// Restores rows of a block that is raw as a whole.
    fn restore<S: Simd>(&self, simd: S, row: &mut [f32]) {
        (0..self.rows.n).for_each(|i| self.restore_raw(simd, i, self.first + i, row));
    }

    /// Writes a decoded row: gains undone, rotary embedding applied.
    #[inline(always)]
    fn store<S: Simd>(&self, simd: S, i: usize, row: &mut [f32], turn: &mut Turn) {
        if let Some(positions) = self.rows.positions {
            turn.to(&self.codec.angles, positions[i]);
        }
        for (index, (offset, segment)) in self.codec.layout.offsets().enumerate() {
            let view = &self.rows.views[index];
            if view.is_nowhere() {
                continue;
            }
            let part = &mut row[offset..offset + segment.dim];
            if segment.gain != 1.0 {
                let unit = self.codec.units[offset];
                part.iter_mut().for_each(|x| *x = (*x * unit).clamp(f32::MIN, f32::MAX));
            }
            if segment.rope.is_some() {
                self.codec.angles.apply(index, turn, part);
                part.iter_mut().for_each(|x| *x = x.clamp(f32::MIN, f32::MAX));
            }
            view.write(simd, i, part);
        }
    }

    /// Writes a row that was stored raw, turned from its position to the one that is asked for.
    fn restore_raw<S: Simd>(&self, simd: S, i: usize, slot: usize, row: &mut [f32]) {
        let len = self.block.header.raw_row_bytes as usize;
        let mut raw = Fields(&self.block.src[self.block.sections.raw.clone()][slot * len..][..len]);
        let (_, from) = self.block.slot(slot);
        for (index, (offset, segment)) in self.codec.layout.offsets().enumerate() {
            let part = &mut row[offset..offset + segment.dim];
            segment.raw_dtype.read_le(raw.bytes(segment.dim * segment.raw_dtype.size()), part);
            let view = &self.rows.views[index];
            if view.is_nowhere() {
                continue;
            }
            if let (Some(rope), Some(positions)) = (&segment.rope, self.rows.positions) {
                let shift = i64::from(positions[i]) - i64::from(from);
                if shift != 0 {
                    rope.turn(shift as f64, part);
                }
            }
            view.write(simd, i, part);
        }
    }
}
