//! Reading a run: asymmetric numeral systems in their range variant (Duda 2013), eight states interleaved.
//!
//! Eight `u32` states, then a stream of `u16` words, all little-endian. In a state the symbols of a table own
//! `f` of each 4096 numbers, from slot `c` on; decoding one takes `log₂(4096/f)` bits off the state, which
//! draws a word when it runs short. An encoder does the reverse, from the last symbol to the first, so the
//! states must end as it began.

use super::rate::{RateBin, Rates};

/// States that share a stream; component `j` of a row has state `j mod 8`.
const LANES: usize = 8;
/// States are at least this between symbols; the encoder began with it.
const LOWEST: u32 = 1 << 16;
/// Zeros after which an escape ends.
const MOST_ZEROS: u32 = 24;

/// A run that is being read.
pub(super) struct CodeReader<'a> {
    states: [u32; LANES],
    words: &'a [u8],
}

impl<'a> CodeReader<'a> {
    /// `None` if the bytes are no run.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (states, words) = bytes.split_at_checked(4 * LANES)?;
        let state = |lane: usize| {
            let bytes = &states[4 * lane..4 * lane + 4];
            bytes.iter().rev().fold(0, |state, &byte| (state << 8) | u32::from(byte))
        };
        let states: [u32; LANES] = std::array::from_fn(state);
        let legal = words.len().is_multiple_of(2) && states.iter().all(|&state| state >= LOWEST);
        legal.then_some(Self { states, words })
    }

    /// The value of component `j`; `None` at the end of the words.
    pub fn value(&mut self, j: usize, rates: &Rates, quantiser: usize, bin: RateBin) -> Option<i32> {
        let (mut high, start, frequency) = rates.symbol(quantiser, bin, self.states[j % LANES] % 4096);
        self.advance(j, start, frequency)?;
        if high.abs() == rates.escape(quantiser, bin) {
            let mut zeros = 0;
            while zeros < MOST_ZEROS && self.bits(j, 1)? == 0 {
                zeros += 1;
            }
            high += high.signum() * ((1 << zeros) + self.bits(j, zeros)? as i32 - 1);
        }
        if bin.low_bits == 0 {
            return Some(high);
        }
        let low = self.bits(j, bin.low_bits)? as i32;
        Some(high.wrapping_shl(bin.low_bits).wrapping_add(low - (1 << (bin.low_bits - 1))))
    }

    /// Whether all was read, and the states are those that the encoder began with.
    pub fn ended(&self) -> bool {
        self.words.is_empty() && self.states == [LOWEST; LANES]
    }

    /// Equally likely bits: above 12, the upper ones first.
    fn bits(&mut self, j: usize, count: u32) -> Option<u32> {
        if count > 12 {
            return Some((self.bits(j, count - 12)? << 12) | self.bits(j, 12)?);
        }
        let frequency = 1 << (12 - count);
        let value = self.states[j % LANES] % 4096 / frequency;
        self.advance(j, value * frequency, frequency)?;
        Some(value)
    }

    /// Takes a symbol off the state: `x = f·⌊x/4096⌋ + x mod 4096 − c`.
    fn advance(&mut self, j: usize, start: u32, frequency: u32) -> Option<()> {
        let state = &mut self.states[j % LANES];
        *state = frequency * (*state / 4096) + *state % 4096 - start;
        if *state < LOWEST {
            let (word, rest) = self.words.split_at_checked(2)?;
            *state = (*state << 16) | u32::from(u16::from_le_bytes([word[0], word[1]]));
            self.words = rest;
        }
        Some(())
    }
}
