//! What a block holds, read by docs/FORMAT.md: blocks without a skeleton of their own and without raw rows.

use kakeyaturbo::reference::{Centre, Code, PlainStepped, SteppedCode};
use kakeyaturbo::{Header, Skeleton, verify};

const HEADER_BYTES: usize = 92;
const RUNS: u8 = 8;
const ROW_STEPS: u8 = 16;

/// Takes the next bytes of a block.
struct Sections<'b>(&'b [u8]);

impl<'b> Sections<'b> {
    fn next(&mut self, bytes: usize) -> &'b [u8] {
        let (section, rest) = self.0.split_at(bytes);
        self.0 = rest;
        section
    }
}

/// `width` bits from bit `at` on, least significant first.
fn bits(stream: &[u8], at: usize, width: usize) -> usize {
    (0..width).map(|i| usize::from((stream[(at + i) / 8] >> ((at + i) % 8)) & 1) << i).sum()
}

/// Header and sections of a block.
pub struct Block<'b> {
    pub header: Header,
    skeleton: &'b Skeleton,
    scales: &'b [u8],
    gains: &'b [u8],
    steps: &'b [u8],
    reaches: &'b [u8],
    indices: &'b [u8],
    symbols: &'b [u8],
    ends: Vec<usize>,
    runs: &'b [u8],
}

impl<'b> Block<'b> {
    pub fn new(block: &'b [u8], skeleton: &'b Skeleton) -> Self {
        let header = verify(block).unwrap();
        assert!(header.n_protected == 0 && header.flags & 32 == 0, "no row is raw");
        let (n, k) = (header.n_rows as usize, usize::from(header.n_centres));
        let runs = header.flags & RUNS != 0;
        let only = |on: bool, bytes: usize| if on { bytes } else { 0 };
        let mut sections = Sections(&block[HEADER_BYTES..]);
        let scales = sections.next(only(!runs, 2 * n));
        let gains = sections.next(only(runs, n.div_ceil(2)));
        let steps = sections.next(only(header.flags & ROW_STEPS != 0, n));
        let reaches = sections.next(only(k > 0, n));
        let indices = sections.next((n * index_bits(k)).div_ceil(8));
        let row_bits = usize::from(header.row_bits) + usize::from(header.bits) * usize::from(header.rank);
        let symbols = sections.next(only(!runs, (n * row_bits).div_ceil(8)));
        let count = if runs { n.div_ceil(usize::from(header.rows_per_run)) } else { 0 };
        let ends = sections.next(4 * count).as_chunks::<4>().0.iter();
        let ends = ends.map(|&raw| u32::from_le_bytes(raw) as usize).collect();
        Self { header, skeleton, scales, gains, steps, reaches, indices, symbols, ends, runs: sections.0 }
    }

    fn centre(&self, i: usize) -> Centre {
        let width = index_bits(usize::from(self.header.n_centres));
        let reach = *self.reaches.get(i)?;
        let t = f64::from(self.skeleton.reach().decode(reach));
        Some((bits(self.indices, i * width, width), t))
    }

    /// The rows of a block at a fixed rate, with components of these widths.
    pub fn codes(&self, widths: &[u8]) -> Vec<Code> {
        let row_bits: usize = widths.iter().map(|&width| usize::from(width)).sum();
        let code = |i: usize| {
            let raw = [self.scales[2 * i], self.scales[2 * i + 1]];
            let scale = f64::from(f32::from_bits(u32::from(u16::from_le_bytes(raw)) << 15));
            let mut at = i * row_bits;
            let symbol = |&width: &u8| {
                at += usize::from(width);
                bits(self.symbols, at - usize::from(width), usize::from(width)) as u8
            };
            Code { scale, centre: self.centre(i), symbols: widths.iter().map(symbol).collect() }
        };
        (0..self.header.n_rows as usize).map(code).collect()
    }

    /// The runs of a block at a step: the size of each in bytes, and its rows.
    pub fn runs(&self, stepped: &PlainStepped<'_>) -> Vec<(usize, Vec<SteppedCode>)> {
        let (n, per_run) = (self.header.n_rows as usize, usize::from(self.header.rows_per_run));
        let row = |i: usize| SteppedCode {
            gain: bits(self.gains, 4 * i, 4) as i32 - 8,
            step: self.steps.get(i).map_or(0, |&step| i32::from(step as i8)),
            centre: self.centre(i),
            values: Vec::new(),
        };
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let read = |(run, (start, &end)): (usize, (usize, &usize))| {
            let mut rows: Vec<SteppedCode> = (run * per_run..n.min((run + 1) * per_run)).map(row).collect();
            stepped.read_run(&self.runs[start..end], &mut rows).expect("a run");
            (end - start, rows)
        };
        starts.zip(&self.ends).enumerate().map(read).collect()
    }
}

fn index_bits(centres: usize) -> usize {
    centres.max(1).next_power_of_two().ilog2() as usize
}
