//! The range coder: asymmetric numeral systems in their range variant (rANS), interleaved, with static
//! tables.
//!
//! Eight states share one stream of 16-bit words; the caller says which of them takes a symbol. A state lies
//! in `[2^16, 2^32)` between symbols. To encode a symbol of frequency `f` (of 4096) that starts at `c`, the
//! state `x` becomes `⌊x/f⌋·4096 + c + x mod f`, after its low 16 bits went to the stream if it would
//! otherwise leave its range; decoding does the reverse. The encoder runs from the last symbol to the first
//! and writes from the back. Initial states are 2^16, which the decoder must find at the end. (Duda 2013.)
//!
//! A run is `u32[8]` states, then `u16` words, all little-endian.
//!
//! Each state depends on the one before it through a multiplication, which takes longer than everything else
//! about a symbol. With eight states eight such chains run side by side; the price is 32 bytes per run. A
//! range of 16 bits for the words means that a symbol moves at most one word, so there is no loop to predict.

use crate::error::{Error, Result};

/// Frequencies of a table add up to `1 << FREQ_BITS`. With 12 bits the table from slots to symbols takes 4
/// KiB per bin, and the rarest symbol costs 12 bits; rarer values share an escape.
pub const FREQ_BITS: u32 = 12;
/// States that share a stream: as many as an AVX2 register has 32-bit lanes.
pub const LANES: usize = 8;
/// Bytes of the states at the start of a run.
pub const STATE_BYTES: usize = 4 * LANES;

/// Lowest value of a state between symbols. It is also where the encoder starts, so a decoder that does not
/// end here knows that the run is damaged.
const LOWEST: u32 = 1 << 16;

/// A symbol's share of the range: `start .. start + freq` of 4096; `freq` is not 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// First slot.
    pub start: u16,
    /// Number of slots.
    pub freq: u16,
}

impl Share {
    /// The share of `value` among the values of `bits` equally likely bits; `bits` is at most [`FREQ_BITS`].
    #[inline(always)]
    pub fn of_bits(value: u32, bits: u32) -> Self {
        let freq = 1 << (FREQ_BITS - bits);
        Self { start: value as u16 * freq, freq }
    }
}

/// A share with the numbers that let the encoder multiply instead of divide. Tables have one per symbol,
/// because a division takes longer than the rest of encoding a symbol.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prepared {
    /// `⌈2^63/freq⌉`: with a state, which is below 2^32, the quotient is exact. 0 for a share that cannot be
    /// encoded.
    inverse: u64,
    /// Largest state that can take the symbol without giving up a word first.
    highest: u32,
    /// `4096 − freq`.
    rest: u16,
    start: u16,
}

impl Prepared {
    /// Prepares a share; one of frequency 0 cannot be encoded.
    pub fn new(share: Share) -> Self {
        let Share { start, freq } = share;
        if freq == 0 {
            return Self::default();
        }
        Self {
            inverse: (1_u64 << 63).div_ceil(u64::from(freq)),
            highest: ((u64::from(freq) << (32 - FREQ_BITS)) - 1) as u32,
            rest: (1 << FREQ_BITS) - freq,
            start,
        }
    }

    /// Whether the share can be encoded.
    #[inline(always)]
    pub fn is_some(&self) -> bool {
        self.inverse != 0
    }

    /// `⌊state/freq⌋·4096 + start + state mod freq`, as `state + ⌊state/freq⌋·(4096 − freq) + start`. The sum
    /// stays below 2^32 if the state is at most `highest`.
    #[inline(always)]
    fn enter(&self, state: u32) -> u32 {
        let quotient = ((u128::from(state) * 2 * u128::from(self.inverse)) >> 64) as u32;
        state.wrapping_add(quotient.wrapping_mul(u32::from(self.rest))).wrapping_add(u32::from(self.start))
    }
}

/// Encodes a run from its last symbol to its first, into a buffer filled from the back.
#[derive(Debug)]
pub struct Encoder<'a> {
    buffer: &'a mut [u8],
    at: usize,
    states: [u32; LANES],
}

impl<'a> Encoder<'a> {
    /// An encoder into `buffer`. A symbol takes at most two bytes, the states take [`STATE_BYTES`].
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let at = buffer.len();
        Self { buffer, at, states: [LOWEST; LANES] }
    }

    /// Bytes that symbols may still take. Room for the states is set aside.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.at.saturating_sub(STATE_BYTES)
    }

    /// Encodes a symbol that will be decoded before the one encoded last.
    ///
    /// # Panics
    /// If the buffer has no room for a word: callers look at [`Encoder::room`] first.
    #[inline(always)]
    pub fn put_symbol(&mut self, lane: usize, share: Share) {
        let state = &mut self.states[lane];
        let freq = u32::from(share.freq);
        if u64::from(*state) >= u64::from(freq) << (32 - FREQ_BITS) {
            self.at -= 2;
            self.buffer[self.at..self.at + 2].copy_from_slice(&(*state as u16).to_le_bytes());
            *state >>= 16;
        }
        *state = ((*state / freq) << FREQ_BITS) + u32::from(share.start) + *state % freq;
    }

    /// Does what [`Encoder::put_symbol`] does, with the same result, for a prepared share.
    ///
    /// # Panics
    /// If the buffer has no room for a word.
    #[inline(always)]
    pub fn put_prepared(&mut self, lane: usize, prepared: Prepared) {
        let state = &mut self.states[lane];
        if *state > prepared.highest {
            self.at -= 2;
            self.buffer[self.at..self.at + 2].copy_from_slice(&(*state as u16).to_le_bytes());
            *state >>= 16;
        }
        *state = prepared.enter(*state);
    }

    /// Encodes a symbol on each lane, the last lane first, as [`Encoder::put_prepared`] does; `None` if there
    /// is no room for a word from each, and then nothing is done.
    #[inline(always)]
    pub fn put_lanes(&mut self, prepared: &[Prepared; LANES]) -> Option<()> {
        self.room().checked_sub(2 * LANES)?;
        let start = self.at - 2 * LANES;
        let words = self.buffer[start..self.at].as_chunks_mut::<2>().0.first_chunk_mut::<LANES>()?;
        let mut left = LANES;
        for (state, prepared) in self.states.iter_mut().zip(prepared).rev() {
            // Whether a word goes out is unpredictable, so it is always written, and kept only if it counts.
            words[(left - 1) % LANES] = (*state as u16).to_le_bytes();
            let full = *state > prepared.highest;
            left -= usize::from(full);
            *state = prepared.enter(if full { *state >> 16 } else { *state });
        }
        self.at -= 2 * (LANES - left);
        Some(())
    }

    /// Writes the states and returns the run.
    ///
    /// # Panics
    /// If the buffer is shorter than [`STATE_BYTES`].
    pub fn finish(self) -> &'a [u8] {
        let start = self.at - STATE_BYTES;
        let out = &mut self.buffer[start..];
        for (bytes, state) in out.as_chunks_mut::<4>().0.iter_mut().zip(self.states) {
            *bytes = state.to_le_bytes();
        }
        out
    }
}

/// Decodes a run from its first symbol on.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    words: &'a [[u8; 2]],
    states: [u32; LANES],
}

impl<'a> Decoder<'a> {
    /// A decoder for the bytes of a run.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is no room for the states, if the words have an odd number of bytes, or if
    /// a state is below its range, from which decoding would read words without end.
    pub fn new(run: &'a [u8]) -> Result<Self> {
        let corrupt = Error::Corrupt { what: "a run of symbols", at: 0 };
        let (states, words) = run.split_first_chunk::<STATE_BYTES>().ok_or(corrupt.clone())?;
        let (words, []) = words.as_chunks::<2>() else { return Err(corrupt) };
        let (bytes, _) = states.as_chunks::<4>();
        let states = std::array::from_fn(|lane| u32::from_le_bytes(bytes[lane]));
        if states.iter().any(|&state| state < LOWEST) {
            return Err(corrupt);
        }
        Ok(Self { words, states })
    }

    /// The slot of a lane's next symbol, `0 .. 4096`.
    #[inline(always)]
    pub fn slot(&self, lane: usize) -> usize {
        (self.states[lane] & ((1 << FREQ_BITS) - 1)) as usize
    }

    /// Removes the symbol whose share holds the slot. Past the end of the stream zeros are read: that keeps
    /// the hot path free of errors, and [`Decoder::finish`] finds the damage if the run is read to its end.
    #[inline(always)]
    pub fn advance(&mut self, lane: usize, share: Share) {
        let slot = self.slot(lane) as u32;
        let state = &mut self.states[lane];
        let mut next = u32::from(share.freq) * (*state >> FREQ_BITS) + slot - u32::from(share.start);
        if next < LOWEST {
            let word = match self.words.split_first() {
                Some((word, rest)) => {
                    self.words = rest;
                    u16::from_le_bytes(*word)
                }
                None => 0,
            };
            next = (next << 16) | u32::from(word);
        }
        *state = next;
    }

    /// Removes a symbol from each lane in turn, as [`Decoder::advance`] does, for up to `count` rounds.
    /// `share` finds the symbol by round, lane and slot; with a number other than 0 it says that it cannot.
    /// Returns the number of complete rounds before that happened, or before fewer than a word per lane were
    /// left. The round that was not complete is undone, so the caller can go on symbol by symbol.
    #[inline(always)]
    pub fn advance_lanes(
        &mut self,
        count: usize,
        mut share: impl FnMut(usize, usize, usize) -> (Share, u16),
    ) -> usize {
        let (mut states, mut words) = (self.states, self.words);
        for round in 0..count {
            let before = states;
            let window = words.first_chunk::<LANES>();
            let (mut used, mut unknown) = (0, u16::from(window.is_none()));
            let window = window.unwrap_or(&[[0; 2]; LANES]);
            for (lane, state) in states.iter_mut().enumerate() {
                let slot = *state & ((1 << FREQ_BITS) - 1);
                let (share, stop) = share(round, lane, slot as usize);
                unknown |= stop;
                let next = u32::from(share.freq) * (*state >> FREQ_BITS) + slot - u32::from(share.start);
                // Whether a word is needed is unpredictable: it is always read, and masked away if not.
                let word = u32::from(u16::from_le_bytes(window[used % LANES]));
                let short = u32::from(next < LOWEST);
                *state = (next << (16 * short)) | (word & short.wrapping_neg());
                used += short as usize;
            }
            if unknown != 0 {
                (self.states, self.words) = (before, words);
                return round;
            }
            words = &words[used..];
        }
        (self.states, self.words) = (states, words);
        count
    }

    /// The next `bits` equally likely bits.
    #[inline(always)]
    pub fn bits(&mut self, lane: usize, bits: u32) -> u32 {
        let value = self.slot(lane) as u32 >> (FREQ_BITS - bits);
        self.advance(lane, Share::of_bits(value, bits));
        value
    }

    /// Checks that the stream was used up and that the states are those that the encoder began with.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
    pub fn finish(self) -> Result<()> {
        if self.words.is_empty() && self.states == [LOWEST; LANES] {
            return Ok(());
        }
        Err(Error::Corrupt { what: "the end of a run of symbols", at: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frequencies 4000, 90, 5, 1 of four symbols.
    const SHARES: [Share; 4] = [
        Share { start: 0, freq: 4000 },
        Share { start: 4000, freq: 90 },
        Share { start: 4090, freq: 5 },
        Share { start: 4095, freq: 1 },
    ];

    fn symbols(count: usize) -> Vec<usize> {
        (0..count).map(|i| [0, 0, 0, 0, 1, 0, 0, 2, 0, 3][(i * i + i / 7) % 10]).collect()
    }

    fn encode(symbols: &[usize]) -> Vec<u8> {
        let mut buffer = vec![0; STATE_BYTES + 2 * symbols.len()];
        let mut encoder = Encoder::new(&mut buffer);
        symbols
            .iter()
            .enumerate()
            .rev()
            .for_each(|(i, &symbol)| encoder.put_symbol(i % LANES, SHARES[symbol]));
        encoder.finish().to_vec()
    }

    fn decode(run: &[u8], count: usize) -> Result<Vec<usize>> {
        let mut decoder = Decoder::new(run)?;
        let mut next = |i: usize| {
            let slot = decoder.slot(i % LANES);
            let symbol = SHARES.iter().rposition(|share| usize::from(share.start) <= slot).unwrap();
            decoder.advance(i % LANES, SHARES[symbol]);
            symbol
        };
        let symbols = (0..count).map(&mut next).collect();
        decoder.finish().map(|()| symbols)
    }

    #[test]
    fn symbols_come_back_at_the_ideal_length() {
        for count in (0..30).chain([1000, 50_000]) {
            let symbols = symbols(count);
            let run = encode(&symbols);
            assert_eq!(decode(&run, count).unwrap(), symbols);
            let ideal: f64 = symbols.iter().map(|&s| 12.0 - f64::from(SHARES[s].freq).log2()).sum();
            // The states hold between 16 and 32 bits each at the end.
            let bits = 8.0 * (run.len() - STATE_BYTES) as f64;
            assert!(bits <= 1.002 * ideal, "{count} symbols: {bits} bits, ideal {ideal}");
            assert!(bits + 16.0 * LANES as f64 + 1e-9 >= 0.998 * ideal);
        }
    }

    /// The quotient by multiplication is that by division, for every frequency and states at the edges.
    #[test]
    fn prepared_symbols_are_encoded_alike() {
        for freq in 1..=4096_u16 {
            let share = Share { start: 4096 - freq, freq };
            let highest = (u64::from(freq) << 20) as u32;
            for state in [LOWEST, LOWEST + 1, highest.wrapping_sub(1).max(LOWEST), highest / 2 + 77, u32::MAX]
            {
                let state = state.max(LOWEST);
                let encode = |prepared: bool| {
                    let mut buffer = [0; STATE_BYTES + 2];
                    let mut encoder = Encoder { states: [state; LANES], ..Encoder::new(&mut buffer) };
                    if prepared {
                        encoder.put_prepared(0, Prepared::new(share))
                    } else {
                        encoder.put_symbol(0, share)
                    }
                    encoder.finish().to_vec()
                };
                assert_eq!(encode(true), encode(false), "{freq}, {state}");
            }
        }
    }

    #[test]
    fn bits_come_back() {
        let values: Vec<(u32, u32)> = (0..100).map(|i| ((i * 37) % (1 << (i % 13)), i % 13)).collect();
        let mut buffer = [0; 400];
        let mut encoder = Encoder::new(&mut buffer);
        values.iter().rev().for_each(|&(value, bits)| encoder.put_symbol(3, Share::of_bits(value, bits)));
        assert_eq!(
            encoder.room(),
            400 - STATE_BYTES - values.iter().map(|v| v.1 as usize).sum::<usize>() / 16 * 2
        );
        let mut decoder = Decoder::new(encoder.finish()).unwrap();
        for (value, bits) in values {
            assert_eq!(decoder.bits(3, bits), value);
        }
        decoder.finish().unwrap();
    }

    #[test]
    fn damaged_runs_are_found() {
        let run = encode(&symbols(500));
        for len in 0..run.len() {
            assert!(decode(&run[..len], 500).is_err(), "{len} bytes");
        }
        assert!(decode(&run, 499).is_err());
        assert!(decode(&[0; 40], 10).is_err());
    }
}
