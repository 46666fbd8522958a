//! The shape of the trained tables: what the trainer writes and the rate model reads.

/// Number of tables: a quarter octave apart, which costs well below 1 % over a table for each deviation.
pub const BINS: usize = 26;
/// Largest magnitude with a symbol in any table: about four deviations in the last one. In each table the
/// largest magnitude stands for itself and for all larger ones; an escape tells them apart.
pub const WIDEST: i32 = 20;
/// Magnitudes with an offset of their own; larger ones share the last.
pub const OFFSET_SIZES: usize = 4;

/// All trained tables.
pub(crate) struct Family {
    /// The plain quantiser, then the two quantisers of a trellis.
    pub sets: [Tables; 3],
    /// How far the reconstruction point of the plain quantiser lies beyond the value, in 1/64 steps, for
    /// magnitudes 1, 2, 3, and 4 and up. A trellis has none: its points are where the search measures.
    pub offsets: [[u8; OFFSET_SIZES]; BINS],
}

/// The tables for one quantiser.
pub(crate) struct Tables {
    /// Smallest magnitude of the values that share a symbol and are told apart by an escape.
    pub escapes: [i32; BINS],
    /// Frequency, of 4096, of the values of magnitude 0, 1, … 20 in each bin. A magnitude other than 0 stands
    /// for two values, so those count twice in the sum. A frequency of 0 means that there is no symbol.
    pub frequencies: [[u16; WIDEST as usize + 1]; BINS],
}
