//! Where the sections of a block lie: their sizes follow from the header.
//!
//! What is alike lies together, in arrays instead of records. Rows can then be decoded from any one on at a
//! fixed rate, and each section is written from front to back.
//!
//! ```text
//! header          92 bytes own skeleton    if flagged: reach f32, mean f32[dim], basis f16[rank, dim],
//! centres f16[n_centres, rank] scales          u16[n_rows]                       fixed rate only gains
//! 4 bits each                       runs only steps           i8[n_rows]                        runs, if
//! flagged: how the weight changed the row's step reaches         u8[n_rows]                        only with
//! centres centre indices  ⌈log₂ n_centres⌉ bits each        only with two or more centres symbols
//! the components' bits, row by row  fixed rate only run ends        u32[⌈n_rows / rows_per_run⌉]      runs
//! only: where each run ends, from the first one's start runs            what the other sections leave
//! runs only slots           u32 row index (+ i32 position if flagged), ascending; unused ones are all ones
//! raw rows        slots × raw_row_bytes
//! ```
//!
//! A block that would come out larger than its rows stored raw is stored raw: a header of 64 bytes, the
//! positions of the rows unless they follow each other, then the rows.

use super::header::{FLAG_OWN_SKELETON, FLAG_POSITIONS, FLAG_RAW, FLAG_RUNS, FLAG_WEIGHTS, Header};
use crate::vector::pack::bytes_for;
use std::ops::Range;

/// Byte ranges of the sections of a block. Those that a block does not have are empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sections {
    pub skeleton: Range<usize>,
    pub scales: Range<usize>,
    pub gains: Range<usize>,
    pub steps: Range<usize>,
    pub reaches: Range<usize>,
    pub indices: Range<usize>,
    pub symbols: Range<usize>,
    pub run_ends: Range<usize>,
    pub runs: Range<usize>,
    pub slots: Range<usize>,
    pub raw: Range<usize>,
}

impl Sections {
    /// The sections that the counts in a header imply; `None` if a size overflows, or if those before the
    /// runs leave no room. The counts may be forged: every product and sum is checked.
    pub fn of(header: &Header) -> Option<Self> {
        let (n, rank, k) = (header.n_rows as usize, usize::from(header.rank), usize::from(header.n_centres));
        let (raw, runs) = (header.has(FLAG_RAW), header.has(FLAG_RUNS));
        let slots = if raw { n } else { header.slots as usize };
        let own =
            if header.has(FLAG_OWN_SKELETON) { own_skeleton_bytes(header.dim as usize, rank, k) } else { 0 };
        let only = |on: bool, len: usize| if on { len } else { 0 };
        let fixed = !raw && !runs;
        let mut at = header.header_bytes();
        let mut next = |len: usize| {
            let start = at;
            at = at.checked_add(len)?;
            Some(start..at)
        };
        let skeleton = next(own)?;
        let scales = next(only(fixed, n.checked_mul(2)?))?;
        let gains = next(only(runs, n.div_ceil(2)))?;
        let steps = next(only(header.has(FLAG_WEIGHTS), n))?;
        let reaches = next(only(k > 0, n))?;
        let indices = next(bytes_for(n, index_bits(k.max(1)))?)?;
        let row_bits = usize::from(header.row_bits) + rank * usize::from(header.bits);
        let symbols = next(only(fixed, n.checked_mul(row_bits)?.div_ceil(8)))?;
        let n_runs = if runs { n.div_ceil(usize::from(header.rows_per_run)) } else { 0 };
        let run_ends = next(n_runs.checked_mul(4)?)?;
        let slot_bytes = if raw {
            only(header.has(FLAG_POSITIONS), n * 4)
        } else {
            slots.checked_mul(header.slot_bytes())?
        };
        let raw_bytes = slots.checked_mul(header.raw_row_bytes as usize)?;
        // The size of the runs is not stored: they fill what the other sections leave of the block.
        let others = run_ends.end.checked_add(slot_bytes)?.checked_add(raw_bytes)?;
        let left = usize::try_from(header.bytes).ok().and_then(|bytes| bytes.checked_sub(others));
        let run_bytes = if runs { left? } else { 0 };
        Some(Self {
            skeleton,
            scales,
            gains,
            steps,
            reaches,
            indices,
            symbols,
            run_ends,
            runs: next(run_bytes)?,
            slots: next(slot_bytes)?,
            raw: next(raw_bytes)?,
        })
    }
}

/// Bytes of a skeleton inside a block. With the largest counts they fit in 64 bits, and in 32 bits as well.
pub(crate) fn own_skeleton_bytes(dim: usize, rank: usize, n_centres: usize) -> usize {
    4 + 4 * dim + 2 * rank * dim + 2 * n_centres * rank
}

/// Bits of a centre index; 0 for one centre, which needs no index, and for none.
pub(crate) fn index_bits(n_centres: usize) -> u8 {
    n_centres.next_power_of_two().trailing_zeros() as u8
}
