//! The rate model: how likely a quantised coefficient is.
//!
//! A component of deviation `σ`, in a row with gain `g`, quantised with the step `δ` of the row, is coded
//! with a table that was trained on coefficients with such a ratio `σ·g/δ`: there is one every quarter of an
//! octave from 2^−4 to 2^2.25. The ratio is computed from integers, so encoder and decoder agree on every
//! machine.

/// Quantiser (0 plain, 1 and 2 those of the trellis), table, bin, escape, four offsets, 21 frequencies.
const TABLES: &str = include_str!("../../docs/rate-tables.tsv");

/// Tables of a quantiser.
const BINS: usize = 26;
/// Quarter octaves of `σ·g/δ` of the first and the last table.
const FIRST: i32 = -16;
const LAST: i32 = 9;
/// Most low bits that are split off.
const MOST_LOW_BITS: i32 = 24;
/// How far, in 64ths of a step, a point lies beyond its value if low bits are split off: an eighth, which is
/// the dead zone's shift of the middle of an interval. The density hardly changes within it.
const WIDE_OFFSET: f64 = 8.0;

/// All tables.
#[derive(Debug, Clone)]
pub(super) struct Rates(Vec<Table>);

#[derive(Debug, Clone)]
struct Table {
    /// Magnitude that stands for itself and all beyond, which are told apart by an escape.
    escape: i32,
    /// How far points lie beyond values of magnitude 1, 2, 3, and 4 and more, in 64ths of a step. They are
    /// away from zero: the dead zone moves the intervals of values outward by an eighth of a step.
    offsets: [f64; 4],
    /// Slots, of 4096, of each of the two values of magnitude 0, 1, … 20.
    frequencies: Vec<u32>,
}

/// Which table a component of a row is coded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateBin {
    /// Index of the table.
    pub table: usize,
    /// Low bits `h` of a value that are coded as they are, equally likely. A component with a larger
    /// deviation than the tables have borrows one from `h` octaves below.
    pub low_bits: u32,
}

impl RateBin {
    /// The bin of a component with deviation `sigma` in a block with this step, in a row whose gain and step
    /// are `gain` and `step` quarter octaves above those of the block.
    pub fn new(sigma: f32, block_step: f32, gain: i32, step: i32) -> Self {
        let eighths = eighths(sigma) - eighths(block_step) + 2 * gain - 2 * step;
        let quarters = (eighths + 1).div_euclid(2).clamp(FIRST, LAST + 4 * MOST_LOW_BITS);
        let octaves = ((quarters - LAST + 3).div_euclid(4)).max(0);
        Self { table: (quarters - 4 * octaves - FIRST) as usize, low_bits: octaves as u32 }
    }
}

/// `8·log₂ x`, rounded. (The kernel compares bits to find it, so that no machine's logarithm has a say.) A
/// deviation of 0 has the exponent of the smallest binary32.
fn eighths(x: f32) -> i32 {
    if x > 0.0 { (8.0 * f64::from(x).log2()).round() as i32 } else { 8 * -127 }
}

impl Rates {
    /// The published tables.
    pub fn new() -> Self {
        let table = |line: &str| {
            let fields: Vec<i32> =
                line.split('\t').map(|field| field.parse().expect("a table of integers")).collect();
            Table {
                escape: fields[3],
                offsets: std::array::from_fn(|i| f64::from(fields[4 + i])),
                frequencies: fields[8..].iter().map(|&frequency| frequency as u32).collect(),
            }
        };
        Self(TABLES.lines().skip(1).map(table).collect())
    }

    /// Ideal length in bits of a value: `−log₂` of its probability. `quantiser` is 0 for the plain one, 1 and
    /// 2 for those of the trellis.
    pub fn bits(&self, quantiser: usize, bin: RateBin, value: i32) -> f64 {
        let table = self.table(quantiser, bin);
        let size = split(value, bin.low_bits).0.abs();
        let of_symbol = 12.0 - f64::from(table.frequencies[size.min(table.escape) as usize]).log2();
        // What an escape adds, an Exp-Golomb code: `n` zeros, a one, `n` bits.
        let beyond = size - table.escape + 1;
        let of_escape = if beyond > 0 { 2 * beyond.ilog2() + 1 } else { 0 };
        of_symbol + f64::from(of_escape) + f64::from(bin.low_bits)
    }

    /// What a value of the plain quantiser stands for, in steps.
    pub fn point(&self, bin: RateBin, value: i32) -> f64 {
        if value == 0 {
            return 0.0;
        }
        let own = self.table(0, bin).offsets[value.unsigned_abs().min(4) as usize - 1];
        let offset = if bin.low_bits > 0 { WIDE_OFFSET } else { own };
        f64::from(value) + f64::from(value.signum()) * offset / 64.0
    }

    /// The symbol that has a slot: its value, first slot and number of slots. Symbols `−escape ..= escape`
    /// lie in ascending order.
    pub fn symbol(&self, quantiser: usize, bin: RateBin, slot: u32) -> (i32, u32, u32) {
        let table = self.table(quantiser, bin);
        let (mut symbol, mut start) = (-table.escape, 0);
        loop {
            let frequency = table.frequencies[symbol.unsigned_abs() as usize];
            if slot < start + frequency {
                return (symbol, start, frequency);
            }
            (symbol, start) = (symbol + 1, start + frequency);
        }
    }

    /// Magnitude of the symbols that an escape follows.
    pub fn escape(&self, quantiser: usize, bin: RateBin) -> i32 {
        self.table(quantiser, bin).escape
    }

    fn table(&self, quantiser: usize, bin: RateBin) -> &Table {
        &self.0[quantiser * BINS + bin.table]
    }
}

/// `value = high·2^h + low − 2^(h−1)` with `0 ≤ low < 2^h`: `high` is the value in units of `2^h`, rounded.
fn split(value: i32, low_bits: u32) -> (i32, i32) {
    if low_bits == 0 {
        return (value, 0);
    }
    let (unit, moved) = (1 << low_bits, value + (1 << (low_bits - 1)));
    (moved.div_euclid(unit), moved.rem_euclid(unit))
}
