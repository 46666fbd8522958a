//! Symbols of 1 to 8 bits as a stream of bits, least significant bit first.
//!
//! Symbol `i` of a stream of width `b` is bits `i·b .. (i+1)·b`, bit `j` of the stream being bit `j mod 8` of
//! byte `j / 8`. Rows follow each other without padding; only the end of the stream is filled up to a byte.
//!
//! A row of a multiple of eight symbols that starts at a byte also ends at one. Nearly all rows are like
//! that, so they have paths that pack eight symbols at once; the others go bit by bit. Both write the same
//! stream.

/// Packs rows of symbols one after the other, keeping the bits of an unfinished byte between them.
#[derive(Debug, Default)]
pub struct BitPacker {
    /// The bits of the unfinished byte, and of the symbol that is being added.
    pending: u64,
    /// How many bits are pending: below 8 between two symbols.
    filled: u32,
}

impl BitPacker {
    /// Appends `symbols` of `width` bits, 1 to 8, and writes the bytes that are complete to the start of
    /// `out`; returns how many. Symbols have no bits above `width`: they would spill into their neighbours.
    ///
    /// # Panics
    /// If `out` has fewer than `bytes_for(symbols.len(), width)` bytes.
    #[inline(always)]
    pub fn push(&mut self, symbols: &[u8], width: u8, out: &mut [u8]) -> usize {
        if self.filled == 0 && symbols.len().is_multiple_of(8) {
            // The width is a constant in each arm, so that shifts are too and loops are unrolled.
            match width {
                1 => pack_eights::<1>(symbols, out),
                2 => pack_eights::<2>(symbols, out),
                3 => pack_eights::<3>(symbols, out),
                4 => pack_pairs(symbols, out),
                5 => pack_eights::<5>(symbols, out),
                6 => pack_eights::<6>(symbols, out),
                7 => pack_eights::<7>(symbols, out),
                _ => out[..symbols.len()].copy_from_slice(symbols),
            }
            return symbols.len() / 8 * usize::from(width);
        }
        let mut written = 0;
        for &symbol in symbols {
            self.pending |= u64::from(symbol) << self.filled;
            self.filled += u32::from(width);
            if self.filled >= 8 {
                out[written] = self.pending as u8;
                written += 1;
                self.pending >>= 8;
                self.filled -= 8;
            }
        }
        written
    }

    /// The last, unfinished byte, if there is one.
    pub fn finish(self) -> Option<u8> {
        (self.filled > 0).then_some(self.pending as u8)
    }
}

/// Bytes that hold `count` symbols of `width` bits, the last one filled up; `None` if the number of bits
/// overflows, which a forged header can ask for.
pub fn bytes_for(count: usize, width: u8) -> Option<usize> {
    count.checked_mul(usize::from(width)).map(|bits| bits.div_ceil(8))
}

/// Fills `symbols` with symbols of `width` bits, 1 to 8, from bit `start` of a stream on. A row is found by
/// arithmetic alone, so any row of a block can be read without those before it.
///
/// # Panics
/// If the stream ends before the last symbol. Blocks are checked for their size before they are read.
#[inline(always)]
pub fn unpack(stream: &[u8], width: u8, start: usize, symbols: &mut [u8]) {
    if start.is_multiple_of(8) && symbols.len().is_multiple_of(8) {
        let bytes = &stream[start / 8..];
        match width {
            1 => unpack_eights::<1>(bytes, symbols),
            2 => unpack_eights::<2>(bytes, symbols),
            3 => unpack_eights::<3>(bytes, symbols),
            4 => unpack_eights::<4>(bytes, symbols),
            5 => unpack_eights::<5>(bytes, symbols),
            6 => unpack_eights::<6>(bytes, symbols),
            7 => unpack_eights::<7>(bytes, symbols),
            _ => symbols.copy_from_slice(&bytes[..symbols.len()]),
        }
        return;
    }
    // A symbol of up to 8 bits reaches into two bytes at most.
    let mask = (1_u16 << width) - 1;
    for (i, symbol) in symbols.iter_mut().enumerate() {
        let bit = start + i * usize::from(width);
        let low = u16::from(stream[bit / 8]);
        // The next byte is read only if the symbol reaches into it: there is none behind the last symbol.
        let high = if bit % 8 + usize::from(width) > 8 { u16::from(stream[bit / 8 + 1]) } else { 0 };
        *symbol = (((low | (high << 8)) >> (bit % 8)) & mask) as u8;
    }
}

/// Packs symbols by eights: eight symbols of `WIDTH` bits are exactly `WIDTH` bytes, and fit in one word.
#[inline(always)]
fn pack_eights<const WIDTH: usize>(symbols: &[u8], out: &mut [u8]) {
    let (eights, _) = symbols.as_chunks::<8>();
    let (groups, _) = out.as_chunks_mut::<WIDTH>();
    for (eight, group) in eights.iter().zip(groups) {
        let mut word = 0_u64;
        for (i, &symbol) in eight.iter().enumerate() {
            word |= u64::from(symbol) << (i * WIDTH);
        }
        group.copy_from_slice(&word.to_le_bytes()[..WIDTH]);
    }
}

/// Writes what `pack_eights::<4>` writes. Four bits are the default width, and one shift and one disjunction
/// per pair of symbols vectorise where a word of eight does not.
#[inline(always)]
fn pack_pairs(symbols: &[u8], out: &mut [u8]) {
    for (pair, byte) in symbols.as_chunks::<2>().0.iter().zip(out) {
        let pair = u16::from_le_bytes(*pair);
        *byte = (pair | (pair >> 4)) as u8;
    }
}

/// The inverse of [`pack_eights`].
#[inline(always)]
fn unpack_eights<const WIDTH: usize>(bytes: &[u8], symbols: &mut [u8]) {
    let (eights, _) = symbols.as_chunks_mut::<8>();
    let (groups, _) = bytes.as_chunks::<WIDTH>();
    // Once, so that the loop has no check, and so that a short stream is not taken for a shorter row.
    assert!(groups.len() >= eights.len(), "the stream ends before the last symbol");
    for (eight, group) in eights.iter_mut().zip(groups) {
        let mut word = [0; 8];
        word[..WIDTH].copy_from_slice(group);
        let word = u64::from_le_bytes(word);
        for (i, symbol) in eight.iter_mut().enumerate() {
            *symbol = (word >> (i * WIDTH)) as u8 & ((1_u16 << WIDTH) - 1) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_come_back() {
        for width in 1..=8_u8 {
            for len in (0..=20).chain([31, 32, 33, 64, 100]) {
                let rows: Vec<Vec<u8>> = (0..5)
                    .map(|r| (0..len).map(|i| ((i * 7 + r * 13) % (1 << width)) as u8).collect())
                    .collect();
                let mut packer = BitPacker::default();
                let mut stream = Vec::new();
                let mut buffer = [0; 128];
                for row in &rows {
                    let written = packer.push(row, width, &mut buffer);
                    stream.extend_from_slice(&buffer[..written]);
                }
                stream.extend(packer.finish());
                assert_eq!(Some(stream.len()), bytes_for(5 * len, width));
                for (r, row) in rows.iter().enumerate() {
                    let mut back = vec![0; len];
                    unpack(&stream, width, r * len * usize::from(width), &mut back);
                    assert_eq!(&back, row, "width {width}, length {len}, row {r}");
                }
            }
        }
    }

    #[test]
    fn bits_lie_where_the_format_says() {
        let mut out = [0; 4];
        let mut packer = BitPacker::default();
        assert_eq!(packer.push(&[0b101, 0b011, 0b110], 3, &mut out), 1);
        assert_eq!((out[0], packer.finish()), (0b10_011_101, Some(0b1)));
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        assert_eq!(bytes_for(usize::MAX, 2), None);
        assert_eq!(bytes_for(3, 3), Some(2));
    }
}
