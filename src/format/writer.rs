//! A block under construction, of any kind: coded at a fixed rate, in runs, or stored raw.
//!
//! Sections are filled side by side, row by row; each has its own checksum, and [`BlockWriter::finish`]
//! combines them in the order in which they lie. The destination is written and never read, so it may be
//! write-combined memory.
//!
//! Rows are appended in their order, each with one call per section that it has. The writer does not check
//! that: a call too few leaves zeros, a call too many panics when the section is full.

use super::block::RowCode;
use super::bytes::Section;
use super::header::{FLAG_CHECKSUM, FLAG_POSITIONS, FLAG_RUNS, FLAG_WEIGHTS, Header};
use super::sections::{Sections, index_bits};
use crate::distortion::{Objective, Tally};
use crate::vector::pack::BitPacker;
use crc32fast::Hasher;
use std::ops::Range;

/// Writes a block section by section.
#[derive(Debug)]
pub(crate) struct BlockWriter<'a> {
    header: Header,
    head: &'a mut [u8],
    /// The parts of the block's own skeleton.
    pub skeleton: Section<'a>,
    scales: Section<'a>,
    gains: Section<'a>,
    steps: Section<'a>,
    reaches: Section<'a>,
    indices: Section<'a>,
    /// Packed symbols, at a fixed rate.
    pub symbols: Section<'a>,
    run_ends: Section<'a>,
    /// The runs, with all the room after them, because their length is not known beforehand.
    runs: Section<'a>,
    slots: Section<'a>,
    /// Rows that are stored raw.
    pub raw: Section<'a>,
    packed_gains: BitPacker,
    packed_indices: BitPacker,
    /// Bits of a centre index.
    index_bits: u8,
    /// Bytes of the runs so far.
    run_bytes: u32,
    /// Rows with a slot so far.
    n_raw: u32,
}

impl<'a> BlockWriter<'a> {
    /// Begins a block with this header at the start of `dst`. With runs, the block may grow to the end of
    /// `dst`. `None` if `dst` is too short, with runs: even for the sections whose size does not depend on
    /// the rows.
    pub fn new(mut header: Header, dst: &'a mut [u8]) -> Option<Self> {
        if header.has(FLAG_RUNS) {
            // Sections before the runs lie where they do whatever the size, so the largest one serves for
            // now.
            header.bytes = dst.len() as u64;
        }
        let sections = Sections::of(&header)?;
        let (head, mut payload) = dst.get_mut(..header.bytes as usize)?.split_at_mut(header.header_bytes());
        let checksum = header.has(FLAG_CHECKSUM);
        let mut split = |range: Range<usize>| Section::split(&mut payload, range.len(), checksum);
        Some(Self {
            skeleton: split(sections.skeleton),
            scales: split(sections.scales),
            gains: split(sections.gains),
            steps: split(sections.steps),
            reaches: split(sections.reaches),
            indices: split(sections.indices),
            symbols: split(sections.symbols),
            run_ends: split(sections.run_ends),
            runs: split(sections.runs),
            slots: split(sections.slots),
            raw: split(sections.raw),
            packed_gains: BitPacker::default(),
            packed_indices: BitPacker::default(),
            index_bits: index_bits(usize::from(header.n_centres)),
            run_bytes: 0,
            n_raw: 0,
            header,
            head,
        })
    }

    /// Appends the scales of one or more rows.
    #[inline(always)]
    pub fn put_scales(&mut self, scales: &[[u8; 2]]) {
        self.scales.put_bytes(scales.as_flattened());
    }

    /// Appends reach and centre of a row, if the skeleton has centres.
    #[inline(always)]
    pub fn put_centre(&mut self, code: RowCode) {
        if self.header.n_centres == 0 {
            return;
        }
        self.reaches.put_bytes(&[code.reach]);
        if self.index_bits > 0 {
            let mut byte = [0];
            let len = self.packed_indices.push(&[code.centre], self.index_bits, &mut byte);
            self.indices.put_bytes(&byte[..len]);
        }
    }

    /// Appends the level of a row, and the shift of its step if weights moved any.
    #[inline(always)]
    pub fn put_rate(&mut self, level: u8, shift: i8) {
        let mut byte = [0];
        let len = self.packed_gains.push(&[level], 4, &mut byte);
        self.gains.put_bytes(&byte[..len]);
        if self.header.has(FLAG_WEIGHTS) {
            self.steps.put_bytes(&shift.to_le_bytes());
        }
    }

    /// Appends a run: the number of components coded in it, and the output of the range coder. `None`, with
    /// nothing done, if there is no room for it.
    pub fn put_run(&mut self, live: u16, coded: &[u8]) -> Option<()> {
        let len = coded.len().checked_add(2).filter(|&len| len <= self.runs.room())?;
        self.run_bytes = self.run_bytes.checked_add(u32::try_from(len).ok()?)?;
        self.runs.put_bytes(&live.to_le_bytes());
        self.runs.put_bytes(coded);
        self.run_ends.put_bytes(&self.run_bytes.to_le_bytes());
        Some(())
    }

    /// Ends the runs and reserves `n_raw` raw rows after them. `None` if they do not fit. With runs this
    /// fixes the size of the block.
    pub fn end_runs(&mut self, n_raw: usize) -> Option<()> {
        self.header.slots = u32::try_from(n_raw).ok()?;
        let slots = n_raw.checked_mul(self.header.slot_bytes())?;
        let raw = n_raw.checked_mul(self.header.raw_row_bytes as usize)?;
        let before = self.header.bytes as usize - self.runs.room();
        [self.slots, self.raw] = self.runs.split_after([slots, raw])?;
        self.header.bytes = (before + slots + raw) as u64;
        Some(())
    }

    /// Rows with a slot so far.
    pub fn n_raw(&self) -> usize {
        self.n_raw as usize
    }

    /// Appends the slot of a raw row. Rows have to come in ascending order: readers search for them.
    pub fn put_slot(&mut self, row: u32, position: Option<i32>) {
        self.n_raw += 1;
        self.slots.put_bytes(&row.to_le_bytes());
        if self.header.has(FLAG_POSITIONS) {
            self.slots.put_bytes(&position.unwrap_or(0).to_le_bytes());
        }
    }

    /// Appends the positions of the rows of a raw block, if it lists them.
    pub fn put_positions(&mut self, positions: &[i32]) {
        if self.header.has(FLAG_POSITIONS) {
            positions.iter().for_each(|position| self.slots.put_bytes(&position.to_le_bytes()));
        }
    }

    /// Fills up what was reserved and not used, writes the header and returns the size of the block. The
    /// header is last because it has the checksum of the payload and the measured error.
    pub fn finish(mut self, tally: &Tally, objective: Objective) -> usize {
        if let Some(byte) = self.packed_gains.finish() {
            self.gains.put_bytes(&[byte]);
        }
        if let Some(byte) = self.packed_indices.finish() {
            self.indices.put_bytes(&[byte]);
        }
        let mut checksum = Hasher::new();
        // Checksums are combined in the order of the bytes. All ones in a slot mean that it is not used.
        let first = [self.skeleton, self.scales, self.gains, self.steps, self.reaches, self.indices];
        for section in first.into_iter().chain([self.symbols, self.run_ends, self.runs]) {
            section.finish(0, &mut checksum);
        }
        self.slots.finish(0xFF, &mut checksum);
        self.raw.finish(0, &mut checksum);
        self.header.payload_crc = checksum.finalize();
        self.header.n_protected = self.n_raw;
        self.header.certified_error = tally.certificate(objective);
        self.header.write(self.head);
        self.header.bytes as usize
    }
}
