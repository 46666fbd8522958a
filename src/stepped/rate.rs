//! The rate model: how likely a quantised coefficient is, computed from integers alone.
//!
//! A coefficient with deviation `σ`, in a row with gain `g`, quantised with step `Δ`, is coded with the table
//! of the bin nearest to `log₂(σ·g/Δ)`, in quarter octaves. The logarithms are integers in eighths of an
//! octave, found without a transcendental function, and only added; so encoder and decoder agree on every
//! machine.
//!
//! Tables reach from `2^−4` to `2^2.25`. A coefficient with a larger deviation is coded as `v = h·2^s + low`,
//! with the table of the bin `s` octaves below for `h` and `s` equally likely bits for `low`. Beyond four
//! steps of deviation the density is so flat within `2^s` steps that this costs next to nothing.
//!
//! The tables are fixed instead of adapted to a block, because blocks are short: statistics of their own
//! would cost more than they save, and rows could not be decoded without all rows before them.

use super::family::Tables;
pub use super::family::{BINS, OFFSET_SIZES, WIDEST};
use super::rans::{Decoder, Encoder, FREQ_BITS, LANES, Prepared, Share};
use super::tables::FAMILY;
use crate::error::{Result, try_reserve, try_vec};

/// Bin of the first table, in quarter octaves of `σ/Δ`. Below it practically every value is 0.
pub const FIRST_BIN: i32 = -16;
/// Bins after this one borrow a table from whole octaves below.
const LAST_BIN: i32 = FIRST_BIN + BINS as i32 - 1;
/// Symbols of a table, including impossible ones: `−WIDEST ..= WIDEST`.
pub const SYMBOLS: usize = 2 * WIDEST as usize + 1;
/// Largest magnitude that can be coded. A binary32 has no more digits than this, so a finer step is futile.
pub const LARGEST: i32 = 1 << LARGEST_BITS;
/// Low bits that are split off at most, and bits that an escape adds at most.
const LARGEST_BITS: u32 = 24;
/// Reconstruction points per step. Points are integers, so decoders sum them exactly and in any order.
pub const POINTS: i32 = 64;
/// Offset of bins with low bits. There the density hardly changes within a step, so the best point is the
/// middle of the interval, which the dead zone shifts by an eighth of a step.
const WIDE_OFFSET: u8 = 8;

/// `8·log₂ x`, rounded, of a positive normal number. It compares the mantissa with constants instead of
/// calling a logarithm, whose last digit differs between mathematical libraries.
pub fn log2_eighths(x: f32) -> i32 {
    /// `2^((2i + 1)/16)`: where one eighth ends and the next one begins.
    const BETWEEN: [f32; 8] = [
        1.044_273_8,
        1.138_789,
        1.241_857_8,
        1.354_255_5,
        1.476_826_1,
        1.610_490_3,
        1.756_252_2,
        1.915_206_6,
    ];
    let bits = x.to_bits();
    let mantissa = f32::from_bits((bits & 0x007F_FFFF) | 0x3F80_0000);
    let exponent = (bits >> 23) as i32 - 127;
    8 * exponent + BETWEEN.iter().filter(|&&bound| mantissa >= bound).count() as i32
}

/// A table to code with, and how many low bits are split off before the symbol is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// Index of the table.
    pub table: usize,
    /// Number of low bits, which are coded as they are; at most 24.
    pub shift: u32,
}

impl Bin {
    /// The bin of `8·log₂(σ·g/Δ)` in 16 bits: the table, plus 256 for each low bit. Rows keep bins in this
    /// form, since a group of lanes then needs one comparison to see that no lane has low bits.
    #[inline(always)]
    pub fn code(eighths: i32) -> u16 {
        let bin = ((eighths + 1) >> 1).clamp(FIRST_BIN, LAST_BIN + 4 * LARGEST_BITS as i32);
        let octaves = (bin - LAST_BIN + 3).max(0) >> 2;
        (bin - 4 * octaves - FIRST_BIN + 256 * octaves) as u16
    }

    /// The bin that [`Bin::code`] describes.
    #[inline(always)]
    pub fn from_code(code: u16) -> Self {
        Self { table: usize::from(code & 0xFF), shift: u32::from(code >> 8) }
    }

    /// The bin of `8·log₂(σ·g/Δ)`.
    #[inline(always)]
    pub fn of(eighths: i32) -> Self {
        Self::from_code(Self::code(eighths))
    }
}

/// The tables of one quantiser, laid out for coding. The numbers of tables and of symbols per table are
/// filled up to powers of two, so that a masked index needs no check. About 210 KiB, shared by the threads of
/// a codec.
#[derive(Debug, Clone)]
struct Set {
    /// Symbol of each slot, `[TABLES, 4096]`.
    slots: Vec<u8>,
    /// `[TABLES, PER_TABLE]`.
    symbols: Vec<Symbol>,
    /// The same for the encoder.
    prepared: Vec<Prepared>,
    /// Like `prepared`, but empty for symbols that an escape follows: one test shows that a value takes more.
    plain: Vec<Prepared>,
    /// Bits of each magnitude, without those of an escape. Only the encoder's decisions use it.
    bits: [[f32; WIDEST as usize + 1]; BINS],
    escapes: &'static [i32; BINS],
}

const TABLES: usize = BINS.next_power_of_two();
const PER_TABLE: usize = SYMBOLS.next_power_of_two();
const SLOTS_MASK: usize = (TABLES << FREQ_BITS) - 1;
const SYMBOLS_MASK: usize = TABLES * PER_TABLE - 1;

/// A symbol as it is decoded, in 8 bytes: one load finds everything.
#[derive(Debug, Clone, Copy, Default)]
struct Symbol {
    share: Share,
    /// Reconstruction point, in 1/64 steps.
    point: i16,
    /// 1 if an escape follows, else 0; a number, so that lanes can be combined without branches.
    escape: u16,
}

/// All tables that a codec needs, laid out for coding: one set for the values of the plain quantiser, or one
/// for each of the quantisers of a trellis.
#[derive(Debug, Clone)]
pub struct Model {
    sets: Vec<Set>,
    offsets: &'static [[u8; OFFSET_SIZES]; BINS],
}

impl Set {
    /// Lays out tables. `point` turns a bin and a value into a reconstruction point.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    fn new(tables: &'static Tables, point: impl Fn(Bin, i32) -> i32) -> Result<Self> {
        const WHAT: &str = "the tables";
        let mut slots = try_vec(TABLES << FREQ_BITS, 0, WHAT)?;
        let mut symbols = try_vec(TABLES * PER_TABLE, Symbol::default(), WHAT)?;
        let mut prepared = try_vec(TABLES * PER_TABLE, Prepared::default(), WHAT)?;
        let mut plain = try_vec(TABLES * PER_TABLE, Prepared::default(), WHAT)?;
        let mut bits = [[0.0; WIDEST as usize + 1]; BINS];
        for table in 0..BINS {
            let mut start = 0;
            for symbol in 0..SYMBOLS {
                let value = symbol as i32 - WIDEST;
                let size = value.unsigned_abs() as usize;
                let freq = tables.frequencies[table][size];
                let share = Share { start, freq };
                let escape = u16::from(value.abs() == tables.escapes[table]);
                let point = point(Bin { table, shift: 0 }, value) as i16;
                symbols[table * PER_TABLE + symbol] = Symbol { share, point, escape };
                prepared[table * PER_TABLE + symbol] = Prepared::new(share);
                if escape == 0 {
                    plain[table * PER_TABLE + symbol] = Prepared::new(share);
                }
                bits[table][size] = FREQ_BITS as f32 - f32::from(freq.max(1)).log2();
                let at = (table << FREQ_BITS) + usize::from(start);
                slots[at..at + usize::from(freq)].fill(symbol as u8);
                start += freq;
            }
            debug_assert_eq!(start, 1 << FREQ_BITS);
        }
        Ok(Self { slots, symbols, prepared, plain, bits, escapes: &tables.escapes })
    }

    /// Index of the symbol for the high part of a value; large values share one per sign.
    #[inline(always)]
    fn symbol_of(&self, table: usize, high: i32) -> usize {
        let escape = self.escapes[table];
        table * PER_TABLE + (high.clamp(-escape, escape) + WIDEST) as usize
    }
}

impl Model {
    /// Lays out the committed tables: those of the plain quantiser, or those of a trellis.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]
    pub fn new(trellis: bool) -> Result<Self> {
        let family = &FAMILY;
        let offsets = &family.offsets;
        let mut sets = try_reserve(2, "the tables")?;
        if trellis {
            for (set, tables) in family.sets[1..].iter().enumerate() {
                sets.push(Set::new(tables, |_, value| trellis_point(set, value))?);
            }
        } else {
            sets.push(Set::new(&family.sets[0], |bin, value| plain_point(offsets, bin, value))?);
        }
        Ok(Self { sets, offsets })
    }

    /// Reconstruction point of a value of the plain quantiser, in 1/64 steps.
    #[inline(always)]
    pub fn point(&self, bin: Bin, value: i32) -> i32 {
        plain_point(self.offsets, bin, value)
    }

    /// Decodes groups of values, one of each lane, whose bins have these codes, to their reconstruction
    /// points. Returns how many groups were decoded before one with an escape or with low bits, or before the
    /// end of the stream came near. Only for the plain quantiser.
    #[inline(always)]
    pub fn take_lanes(
        &self,
        decoder: &mut Decoder<'_>,
        codes: &[[u16; LANES]],
        points: &mut [[i32; LANES]],
    ) -> usize {
        let set = &self.sets[0];
        let (Some(slots), Some(symbols)) = (
            set.slots.first_chunk::<{ TABLES << FREQ_BITS }>(),
            set.symbols.first_chunk::<{ TABLES * PER_TABLE }>(),
        ) else {
            return 0;
        };
        let count = codes.len().min(points.len());
        decoder.advance_lanes(count, |round, lane, slot| {
            let code = codes[round][lane];
            let table = usize::from(code);
            let symbol = usize::from(slots[((table << FREQ_BITS) | slot) & SLOTS_MASK]);
            let symbol = symbols[(table * PER_TABLE + symbol) & SYMBOLS_MASK];
            points[round][lane] = i32::from(symbol.point);
            (symbol.share, symbol.escape | (code >> 8))
        })
    }

    /// Encodes a value on each lane, whose bins have these codes, the last lane first. Returns false, with
    /// nothing done, if any of them needs an escape or has low bits, or if there is no room.
    #[inline(always)]
    pub fn put_lanes(&self, encoder: &mut Encoder<'_>, codes: &[u16; LANES], values: &[i32; LANES]) -> bool {
        let Some(plain) = self.sets[0].plain.first_chunk::<{ TABLES * PER_TABLE }>() else { return false };
        if codes.iter().fold(0, |all, code| all | code) > 0xFF {
            return false;
        }
        let prepared = std::array::from_fn(|lane| plain[symbol_index(codes[lane], values[lane])]);
        prepared.iter().all(Prepared::is_some) && encoder.put_lanes(&prepared).is_some()
    }

    /// Reconstruction points of values of the plain quantiser, whose bins have these codes, in 1/64 steps.
    #[inline(always)]
    pub fn points(&self, codes: &[u16], values: &[i32], points: &mut [i32]) {
        let Some(symbols) = self.sets[0].symbols.first_chunk::<{ TABLES * PER_TABLE }>() else { return };
        for ((point, &value), &code) in points.iter_mut().zip(values).zip(codes) {
            *point = if code <= 0xFF && value.unsigned_abs() < WIDEST as u32 {
                i32::from(symbols[symbol_index(code, value)].point)
            } else {
                plain_point(self.offsets, Bin::from_code(code), value)
            };
        }
    }

    /// Encodes `value`, of magnitude [`LARGEST`] at most, to be decoded before the value encoded last. `set`
    /// is the quantiser of a trellis, 0 without one. Parts go in from the last one to the first: low bits,
    /// escape, symbol.
    #[inline(always)]
    pub fn put_value(&self, encoder: &mut Encoder<'_>, lane: usize, set: usize, bin: Bin, value: i32) {
        let set = &self.sets[set];
        let (high, low) = split(value, bin.shift);
        put_bits(encoder, lane, low, bin.shift);
        let escape = set.escapes[bin.table];
        if high.abs() >= escape {
            // Exponential Golomb: a zero for each bit after the leading one, that one, those bits.
            let beyond = (high.abs() - escape + 1) as u32;
            let rest = beyond.ilog2();
            put_bits(encoder, lane, beyond & ((1 << rest) - 1), rest);
            put_bits(encoder, lane, 1, 1);
            (0..rest).for_each(|_| put_bits(encoder, lane, 0, 1));
        }
        encoder.put_prepared(lane, set.prepared[set.symbol_of(bin.table, high)]);
    }

    /// Decodes the next value of a lane. A damaged stream may give any value, but without low bits none
    /// larger than four times [`LARGEST`], because the length of an escape is limited.
    #[inline(always)]
    pub fn take_value(&self, decoder: &mut Decoder<'_>, lane: usize, set: usize, bin: Bin) -> i32 {
        let set = &self.sets[set];
        let symbol = usize::from(set.slots[(bin.table << FREQ_BITS) + decoder.slot(lane)]);
        decoder.advance(lane, set.symbols[bin.table * PER_TABLE + symbol].share);
        let mut high = symbol as i32 - WIDEST;
        if high.abs() == set.escapes[bin.table] {
            let mut rest = 0;
            while rest < LARGEST_BITS && decoder.bits(lane, 1) == 0 {
                rest += 1;
            }
            let beyond = (1 << rest) + take_bits(decoder, lane, rest) as i32;
            high += high.signum() * (beyond - 1);
        }
        let low = take_bits(decoder, lane, bin.shift);
        join(high, low, bin.shift)
    }

    /// Bits that [`Model::put_value`] spends on a value of this magnitude; if low bits are split off, the
    /// average over its signs. The trellis asks for it four times per coefficient.
    #[inline(always)]
    pub fn bits(&self, set: usize, bin: Bin, size: i32) -> f32 {
        let set = &self.sets[set];
        let half = if bin.shift == 0 { 0 } else { 1 << (bin.shift - 1) };
        let high = (size + half) >> bin.shift;
        let escape = set.escapes[bin.table];
        let bits = set.bits[bin.table][high.min(escape) as usize] + bin.shift as f32;
        if high < escape { bits } else { bits + (2 * (high - escape + 1).ilog2() + 1) as f32 }
    }

    /// Bits that [`Model::put_value`] spends on `value`, up to the rounding of the range coder.
    pub fn cost(&self, set: usize, bin: Bin, value: i32) -> f32 {
        self.bits(set, Bin { shift: 0, ..bin }, split(value, bin.shift).0.abs()) + bin.shift as f32
    }
}

/// Index of the symbol of a value, or of one of the largest values if it is beyond them. The code is that of
/// a bin without low bits.
#[inline(always)]
fn symbol_index(code: u16, value: i32) -> usize {
    (usize::from(code) * PER_TABLE + (value.clamp(-WIDEST, WIDEST) + WIDEST) as usize) & SYMBOLS_MASK
}

/// `64·(value + offset)`, with the offset away from zero. Wraps for values that only damage can give.
#[inline(always)]
fn plain_point(offsets: &[[u8; OFFSET_SIZES]; BINS], bin: Bin, value: i32) -> i32 {
    let size = (value.unsigned_abs() as usize).min(OFFSET_SIZES);
    if size == 0 {
        return 0;
    }
    let offset = if bin.shift > 0 { WIDE_OFFSET } else { offsets[bin.table][size - 1] };
    value.wrapping_mul(POINTS).wrapping_add(i32::from(offset) * value.signum())
}

/// `64·(value − ½·sign)` in the second quantiser of a trellis, `64·value` in the first.
#[inline(always)]
pub fn trellis_point(set: usize, value: i32) -> i32 {
    value.wrapping_mul(POINTS).wrapping_sub(value.signum() * set as i32 * (POINTS / 2))
}

/// Bits that a value of deviation `sigma`, quantised with `step`, takes on average: the entropy of its table.
/// Escapes are not counted; they are rare.
pub fn expected_bits(sigma: f32, step: f32) -> f64 {
    let bin = Bin::of(log2_eighths(sigma) - log2_eighths(step));
    let share = |freq: u16| f64::from(freq) / f64::from(1 << FREQ_BITS);
    let bits = |freq: u16| if freq > 0 { -share(freq) * share(freq).log2() } else { 0.0 };
    let [zero, others @ ..] = &FAMILY.sets[0].frequencies[bin.table];
    bits(*zero) + 2.0 * others.iter().map(|&freq| bits(freq)).sum::<f64>() + f64::from(bin.shift)
}

/// Splits `value = high·2^shift + low − 2^shift/2`, with `0 ≤ low < 2^shift`. `high` is the nearest multiple,
/// not the one below, so positive and negative values stay equally likely, as the tables have it.
#[inline(always)]
fn split(value: i32, shift: u32) -> (i32, u32) {
    if shift == 0 {
        return (value, 0);
    }
    let moved = value + (1 << (shift - 1));
    (moved >> shift, (moved & ((1 << shift) - 1)) as u32)
}

/// The inverse of [`split`]. Values that only a damaged stream can give wrap.
#[inline(always)]
fn join(high: i32, low: u32, shift: u32) -> i32 {
    if shift == 0 {
        return high;
    }
    high.wrapping_shl(shift).wrapping_add(low as i32).wrapping_sub(1 << (shift - 1))
}

/// Encodes equally likely bits, which may be more than one symbol holds.
#[inline(always)]
fn put_bits(encoder: &mut Encoder<'_>, lane: usize, value: u32, bits: u32) {
    if bits > FREQ_BITS {
        put_bits_once(encoder, lane, value & ((1 << FREQ_BITS) - 1), FREQ_BITS);
        put_bits_once(encoder, lane, value >> FREQ_BITS, bits - FREQ_BITS);
    } else if bits > 0 {
        put_bits_once(encoder, lane, value, bits);
    }
}

/// Encodes at most [`FREQ_BITS`] equally likely bits.
#[inline(always)]
fn put_bits_once(encoder: &mut Encoder<'_>, lane: usize, value: u32, bits: u32) {
    encoder.put_symbol(lane, Share::of_bits(value, bits));
}

/// Decodes what [`put_bits`] encoded.
#[inline(always)]
fn take_bits(decoder: &mut Decoder<'_>, lane: usize, bits: u32) -> u32 {
    if bits > FREQ_BITS {
        // The encoder put the low part first, so the high part comes out first.
        let high = decoder.bits(lane, bits - FREQ_BITS);
        return (high << FREQ_BITS) | decoder.bits(lane, FREQ_BITS);
    }
    if bits > 0 { decoder.bits(lane, bits) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_rounded_to_eighths() {
        for i in 0..20_000 {
            let x = 1e-20_f32 * (1.0 + i as f32 * 0.0047).powi(5);
            let exact = 8.0 * f64::from(x).log2();
            assert!((f64::from(log2_eighths(x)) - exact).abs() <= 0.5 + 1e-5, "{x}");
        }
        assert_eq!([0.5, 1.0, 2.0, 1.044, 1.045].map(log2_eighths), [-8, 0, 8, 0, 1]);
    }

    #[test]
    fn tables_are_distributions() {
        for Tables { escapes, frequencies } in &FAMILY.sets {
            for (bin, row) in frequencies.iter().enumerate() {
                let sum: u32 = row.iter().map(|&freq| u32::from(freq)).sum();
                assert_eq!(2 * sum - u32::from(row[0]), 1 << FREQ_BITS, "table {bin}");
                let (coded, impossible) = row.split_at(escapes[bin] as usize + 1);
                assert!(coded.iter().all(|&freq| freq > 0), "table {bin}");
                assert!(impossible.iter().all(|&freq| freq == 0), "table {bin}");
            }
        }
    }

    #[test]
    fn bins_follow_the_logarithm() {
        assert_eq!(Bin::of(-1000), Bin { table: 0, shift: 0 });
        assert_eq!(Bin::of(0), Bin { table: 16, shift: 0 });
        assert_eq!(Bin::of(1), Bin { table: 17, shift: 0 });
        assert_eq!(Bin::of(18), Bin { table: 25, shift: 0 });
        assert_eq!(Bin::of(20), Bin { table: 22, shift: 1 });
        assert_eq!(Bin::of(26), Bin { table: 25, shift: 1 });
        assert_eq!(Bin::of(28), Bin { table: 22, shift: 2 });
        assert_eq!(Bin::of(2000), Bin { table: 25, shift: 24 });
    }

    /// A step that is tiny next to the deviation asks for more low bits than a value has.
    #[test]
    fn values_far_below_their_deviation_come_back() {
        let model = Model::new(false).unwrap();
        let values = [0, 1, -1, 100, LARGEST, -LARGEST];
        for bin in [Bin::of(180), Bin::of(208), Bin::of(500), Bin::of(2000)] {
            let mut buffer = [0; 200];
            let mut encoder = Encoder::new(&mut buffer);
            values.iter().rev().for_each(|&value| model.put_value(&mut encoder, 0, 0, bin, value));
            let mut decoder = Decoder::new(encoder.finish()).unwrap();
            assert_eq!(values.map(|_| model.take_value(&mut decoder, 0, 0, bin)), values, "{bin:?}");
            decoder.finish().unwrap();
        }
    }

    /// An escape with more zeros than any value has is what a forged stream may contain.
    #[test]
    fn an_escape_without_end_is_read_without_a_panic() {
        let model = Model::new(false).unwrap();
        for (table, escape) in FAMILY.sets[0].escapes.into_iter().enumerate() {
            let bin = Bin { table, shift: 0 };
            for sign in [-1, 1] {
                let mut buffer = [0; 200];
                let mut encoder = Encoder::new(&mut buffer);
                (0..80).for_each(|_| encoder.put_symbol(0, Share::of_bits(0, 1)));
                encoder.put_symbol(
                    0,
                    model.sets[0].symbols[model.sets[0].symbol_of(table, sign * escape)].share,
                );
                let mut decoder = Decoder::new(encoder.finish()).unwrap();
                let value = model.take_value(&mut decoder, 0, 0, bin);
                assert!(value.signum() == sign && value.abs() <= 4 * LARGEST, "{value}");
            }
        }
    }

    #[test]
    fn values_of_any_size_come_back_at_their_cost() {
        let model = Model::new(false).unwrap();
        let values: Vec<i32> = (0..60)
            .flat_map(|i| {
                let size = if i < 45 { i } else { 1 << (i - 36) };
                [size, -size]
            })
            .chain([LARGEST, -LARGEST])
            .collect();
        for eighths in (-40..200).step_by(3) {
            let bin = Bin::of(eighths);
            let mut buffer = vec![0; 16 * values.len()];
            let mut encoder = Encoder::new(&mut buffer);
            for (i, &value) in values.iter().enumerate().rev() {
                model.put_value(&mut encoder, i % 8, 0, bin, value);
            }
            let run = encoder.finish();
            let cost: f32 = values.iter().map(|&value| model.cost(0, bin, value)).sum();
            let bits = 8.0 * (run.len() - 32) as f32;
            assert!((bits - cost).abs() <= 0.01 * cost + 128.0, "bin {bin:?}: {bits} bits, cost {cost}");
            let mut decoder = Decoder::new(run).unwrap();
            for (i, &value) in values.iter().enumerate() {
                assert_eq!(model.take_value(&mut decoder, i % 8, 0, bin), value);
            }
            decoder.finish().unwrap();
        }
    }
}
