//! A block to decode: parsed, with every byte checked that can be checked without its codec.
//!
//! Blocks come from disks and networks, so nothing in them is trusted. After [`Block::parse`] every index is
//! in range and every section has its size, and the coders need no checks in their loops. A checksum does not
//! replace these checks: a forged block can have a correct one, and it is optional.

use super::bytes::Fields;
use super::header::{FLAG_OWN_SKELETON, FLAG_POSITIONS, FLAG_RAW, Header, UNUSED_SLOT};
use super::sections::{Sections, index_bits};
use crate::error::{Error, Result};
use crate::vector::pack::unpack;
use half::f16;
use std::cmp::Ordering;
use std::ops::Range;

/// Largest code of a scale. The codes after it are infinity and NaN.
pub(crate) const LARGEST_SCALE: u16 = 0xFEFF;
/// Largest change of a row's step by its weight, in quarter octaves: a factor of 16 either way, and of 256 in
/// weight.
pub(crate) const WIDEST_STEP: u8 = 16;

/// What is stored of a row besides its symbols. All zeros for a row that is stored raw.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowCode {
    /// Code of its scale, at a fixed rate; see [`crate::fixed::scale`].
    pub scale: u16,
    /// Code of how far it goes along its centre; see [`crate::skeleton::Reach`]. 0 without centres.
    pub reach: u8,
    /// Index of its centre.
    pub centre: u8,
}

/// A block whose header, sizes and checksums have been checked.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    src: &'a [u8],
    pub header: Header,
    sections: Sections,
}

impl<'a> Block<'a> {
    /// Parses a block at the start of `src`. Bytes after it are not looked at. Allocates nothing.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::WrongVersion`], or [`Error::Corrupt`] for everything that no encoder
    /// writes.
    pub fn parse(src: &'a [u8]) -> Result<Self> {
        let header = Header::parse(src)?;
        let Some(sections) = Sections::of(&header) else {
            return Err(Error::Corrupt { what: "size", at: 40 });
        };
        header.verify_payload(src)?;
        let block = Self { src, header, sections };
        block.check_slots()?;
        block.check_codes()?;
        Ok(block)
    }

    /// The bytes of a section.
    fn bytes(&self, range: &Range<usize>) -> &'a [u8] {
        &self.src[range.clone()]
    }

    /// Checks every value of which some are illegal: the block's own skeleton, scales, centre indices, steps,
    /// ends of runs. Symbols, gains and reaches may be anything, and raw rows are handed on as they are.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
    fn check_codes(&self) -> Result<()> {
        let (header, sections) = (&self.header, &self.sections);
        let corrupt = |what, section: &Range<usize>| Err(Error::Corrupt { what, at: section.start });
        if header.has(FLAG_OWN_SKELETON) {
            check_skeleton(header.dim as usize, self.own_skeleton(), sections.skeleton.start)?;
        }
        let scales = self.scales();
        if scales.iter().any(|&raw| u16::from_le_bytes(raw) > LARGEST_SCALE) {
            return corrupt("a scale", &sections.scales);
        }
        let centres = usize::from(header.n_centres);
        if !centres.is_power_of_two() {
            // Without centres there are no indices, and if their number is a power of two, all indices are
            // legal.
            let rows = if centres > 0 { header.n_rows as usize } else { 0 };
            if (0..rows).any(|row| usize::from(self.centre(row)) >= centres) {
                return corrupt("a centre index", &sections.indices);
            }
        }
        if self.steps().iter().any(|&step| (step as i8).unsigned_abs() > WIDEST_STEP) {
            return corrupt("the step of a row", &sections.steps);
        }
        // Ends that ascend up to the size of the section make every run a legal slice of it.
        let mut start = 0;
        for &raw in self.bytes(&sections.run_ends).as_chunks::<4>().0 {
            let end = u32::from_le_bytes(raw) as usize;
            if end < start {
                return corrupt("the end of a run", &sections.run_ends);
            }
            start = end;
        }
        if start != sections.runs.len() {
            return corrupt("the end of a run", &sections.run_ends);
        }
        Ok(())
    }

    /// Checks that used slots are in ascending order and name rows of the block, and that unused ones say so.
    /// The order lets [`Block::raw_row`] search, and rules out two slots for one row.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
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
        let slots = self.bytes(&self.sections.slots);
        if self.header.has(FLAG_RAW) {
            // Every row has the slot of its own number.
            let follows = self.header.first_position.wrapping_add(slot as i32);
            return (slot as u32, if listed { Fields(&slots[4 * slot..]).u32() as i32 } else { follows });
        }
        let mut fields = Fields(&slots[slot * self.header.slot_bytes()..]);
        let row = fields.u32();
        (row, if listed { fields.u32() as i32 } else { 0 })
    }

    /// Bytes and position of a row that is stored raw; `None` for a coded row. Most blocks have no raw rows.
    #[inline(always)]
    pub fn raw_row(&self, row: usize) -> Option<(&'a [u8], i32)> {
        if self.header.has(FLAG_RAW) {
            return Some(self.raw_slot(row));
        }
        if self.header.n_protected == 0 {
            return None;
        }
        self.find_slot(row).map(|slot| self.raw_slot(slot))
    }

    /// Bytes and position of the raw row in a slot.
    fn raw_slot(&self, slot: usize) -> (&'a [u8], i32) {
        let len = self.header.raw_row_bytes as usize;
        (&self.bytes(&self.sections.raw)[slot * len..][..len], self.slot(slot).1)
    }

    /// The slot of a row among the used ones, which are in ascending order: a binary search, since an engine
    /// may protect thousands of rows.
    #[inline(never)]
    fn find_slot(&self, row: usize) -> Option<usize> {
        let (mut low, mut high) = (0, self.header.n_protected as usize);
        while low < high {
            let middle = low.midpoint(high);
            match (self.slot(middle).0 as usize).cmp(&row) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The saved parts of the block's own skeleton; empty without one.
    pub fn own_skeleton(&self) -> &'a [u8] {
        self.bytes(&self.sections.skeleton)
    }

    /// Scales of the rows, at a fixed rate.
    pub fn scales(&self) -> &'a [[u8; 2]] {
        self.bytes(&self.sections.scales).as_chunks::<2>().0
    }

    /// The packed symbols of all rows, at a fixed rate; otherwise empty.
    pub fn symbols(&self) -> &'a [u8] {
        self.bytes(&self.sections.symbols)
    }

    /// Levels of the rows, with runs: four bits each, the lower half of a byte first.
    pub fn gains(&self) -> &'a [u8] {
        self.bytes(&self.sections.gains)
    }

    /// Shifts of the rows' steps, with runs; empty unless weights moved any.
    pub fn steps(&self) -> &'a [u8] {
        self.bytes(&self.sections.steps)
    }

    /// The bytes of a run.
    ///
    /// # Panics
    /// If there is no such run.
    pub fn run(&self, run: usize) -> &'a [u8] {
        let ends = self.bytes(&self.sections.run_ends);
        let end = |run: usize| Fields(&ends[4 * run..]).u32() as usize;
        let start = if run == 0 { 0 } else { end(run - 1) };
        &self.bytes(&self.sections.runs)[start..end(run)]
    }

    /// What is stored of a row besides its symbols and its scale, which is left at 0.
    #[inline(always)]
    pub fn row_code(&self, row: usize) -> RowCode {
        let mut code = RowCode::default();
        if self.header.n_centres > 0 {
            code.reach = self.bytes(&self.sections.reaches)[row];
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
            unpack(self.bytes(&self.sections.indices), width, row * usize::from(width), &mut index);
        }
        index[0]
    }
}

/// Checks that all values of the parts of a skeleton of `dim` coordinates are finite, and that its reach is
/// not negative. `at` is the offset of the parts, for the error.
///
/// # Errors
/// [`Error::Corrupt`]
pub(crate) fn check_skeleton(dim: usize, parts: &[u8], at: usize) -> Result<()> {
    let (floats, halves) = parts.split_at(4 + 4 * dim);
    let floats = floats.as_chunks::<4>().0;
    let halves = halves.as_chunks::<2>().0.iter().map(|&raw| u16::from_le_bytes(raw) & 0x7FFF);
    // A maximum vectorises; a search that ends early does not. Magnitudes of halves are ordered as integers.
    let highest = halves.fold(0, u16::max);
    let finite =
        floats.iter().all(|&raw| f32::from_le_bytes(raw).is_finite()) && f16::from_bits(highest).is_finite();
    if finite && f32::from_le_bytes(floats[0]) >= 0.0 {
        return Ok(());
    }
    Err(Error::Corrupt { what: "a value of the skeleton", at })
}
