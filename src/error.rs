//! The one error type. Every variant carries the numbers that explain it, and is made without allocating,
//! because an error may be that memory is short.

use thiserror::Error as ThisError;

/// What went wrong, with the numbers behind it.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A pointer of the C API is NULL.
    #[error("{what} is NULL")]
    NullPointer {
        /// The argument or field.
        what: &'static str,
    },
    /// Something that the call cannot do without was left out.
    #[error("{what} is missing")]
    Missing {
        /// The argument or field.
        what: &'static str,
    },
    /// A parameter is outside its range.
    #[error("{what} is {}, expected {expected}", Shortest(*got))]
    BadParam {
        /// The parameter.
        what: &'static str,
        /// Its value.
        got: f64,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// A count or a dimension does not fit.
    #[error("{what} is {got}, expected {expected}")]
    BadShape {
        /// The count or dimension.
        what: &'static str,
        /// Its value.
        got: usize,
        /// What it may be.
        expected: Count,
    },
    /// A workspace was made for a codec that needs less.
    #[error("the workspace was made for another codec and has no room for {what}")]
    OtherWorkspace {
        /// What it has too little room for.
        what: &'static str,
    },
    /// A view reaches outside the memory it was given, or a size does not fit in `usize`.
    #[error("{what} does not fit in the address space or in its buffer")]
    OutOfRange {
        /// The size or view.
        what: &'static str,
    },
    /// An element type code is unknown.
    #[error("{what}: {got} is not an element type")]
    BadDtype {
        /// The field.
        what: &'static str,
        /// Its value.
        got: u32,
    },
    /// A buffer is not aligned to the size of its elements.
    #[error("{what} is not aligned to its element size of {size} bytes")]
    Misaligned {
        /// The buffer.
        what: &'static str,
        /// The element size in bytes.
        size: usize,
    },
    /// Two buffers of one call overlap.
    #[error("{what} overlap")]
    Overlap {
        /// The two buffers.
        what: &'static str,
    },
    /// A well-formed request that this version does not offer.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// The request.
        what: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// A row contains NaN or infinity.
    #[error("row {row} is not finite")]
    NotFinite {
        /// Index of the row in the block.
        row: usize,
    },
    /// A weight is NaN, infinite or negative.
    #[error("weight {row} is {got}, expected a finite value not below 0")]
    BadWeight {
        /// Index of the row.
        row: usize,
        /// The weight.
        got: f32,
    },
    /// More rows are to be stored raw than the codec reserves space for.
    #[error("row {row} has to be stored raw, and all {slots} slots (max_protected) are taken")]
    NoRawSlot {
        /// Index of the first row that found no slot.
        row: usize,
        /// `max_protected` of the codec.
        slots: usize,
    },
    /// The bytes contradict themselves.
    #[error("corrupt: {what} at byte {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Offset from the start of the block or skeleton.
        at: usize,
    },
    /// The bytes end too early.
    #[error("truncated: {need} bytes needed, {got} present")]
    Truncated {
        /// Bytes that the header announces, or the size of the header.
        need: usize,
        /// Bytes present.
        got: usize,
    },
    /// The block was written by another codec.
    #[error("the block was written by another codec: its {what} is {got:#x}, this codec's is {want:#x}")]
    WrongCodec {
        /// The field.
        what: &'static str,
        /// The block's.
        got: u64,
        /// The codec's.
        want: u64,
    },
    /// The bytes carry another format version.
    #[error("format version {got}, this library reads version {want}")]
    WrongVersion {
        /// Version of the bytes.
        got: u32,
        /// Version of this library.
        want: u32,
    },
    /// The requested error bound cannot be met.
    #[error("row {row} has a maximum error of {}, the bound is {}", Shortest(*got), Shortest(*bound))]
    BoundNotMet {
        /// Index of the first row that misses the bound.
        row: usize,
        /// Its maximum absolute error.
        got: f64,
        /// The bound.
        bound: f64,
    },
    /// The requested error bound cannot be met by storing a row raw either.
    #[error(
        "row {row} is off by {} when stored raw, in its raw_dtype; the bound is {}",
        Shortest(*got),
        Shortest(*bound)
    )]
    RawNotExact {
        /// Index of the row.
        row: usize,
        /// Its maximum absolute error.
        got: f64,
        /// The bound.
        bound: f64,
    },
    /// No step brings a block below the requested size.
    #[error("the block does not fit in {max_bytes} bytes (max_bytes) at any step")]
    MaxBytesNotMet {
        /// The size.
        max_bytes: usize,
    },
    /// The destination is too small.
    #[error("the destination has {got} bytes, and up to {need} may be written")]
    DstTooSmall {
        /// Bytes needed.
        need: usize,
        /// Bytes present.
        got: usize,
    },
    /// Memory could not be reserved.
    #[error("{bytes} bytes could not be reserved for {what}")]
    OutOfMemory {
        /// What the memory is for.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// The eigenvalue iteration did not converge.
    #[error("eigenvectors of a {dim} x {dim} matrix did not converge")]
    NotConverged {
        /// Size of the matrix.
        dim: usize,
    },
    /// The object was in use when a panic was caught.
    #[error("{what} was in use when a defect was caught; it can only be freed")]
    Poisoned {
        /// The object.
        what: &'static str,
    },
    /// The object is in use by another call.
    #[error("{what} is in use by another call")]
    Busy {
        /// The object.
        what: &'static str,
    },
    /// The runner of a batch left an item out.
    #[error("the runner did not run this item")]
    NotRun,
    /// A profile has no such quality or tensor.
    #[error("the profile has no such {what}")]
    NotInProfile {
        /// What the caller looked for.
        what: &'static str,
    },
    /// A caught panic.
    #[error("a defect inside the library was caught: {0}")]
    Panic(PanicText),
}

/// What a count may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// This many.
    Is(usize),
    /// From 1 to this many.
    UpTo(usize),
    /// At most this many.
    AtMost(usize),
    /// At least this many.
    AtLeast(usize),
    /// Less than this.
    Below(usize),
    /// A multiple of this.
    MultipleOf(usize),
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Is(n) => write!(f, "{n}"),
            Self::UpTo(n) => write!(f, "1 to {n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
            Self::AtLeast(n) => write!(f, "at least {n}"),
            Self::Below(n) => write!(f, "less than {n}"),
            Self::MultipleOf(n) => write!(f, "a multiple of {n}"),
        }
    }
}

/// A number as the caller wrote it: those that came as binary32 print as binary32.
struct Shortest(f64);

impl std::fmt::Display for Shortest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let single = self.0 as f32;
        match (f64::from(single) == self.0, self.0 == self.0.trunc() && self.0.abs() < 1e9) {
            (_, true) => write!(f, "{}", self.0),
            (true, _) => write!(f, "{single:?}"),
            _ => write!(f, "{:?}", self.0),
        }
    }
}

/// The first bytes of a panic message, kept without allocating.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PanicText {
    bytes: [u8; 96],
    len: usize,
}

impl PanicText {
    /// Keeps what fits of `text`, cut at a character.
    pub fn new(text: &str) -> Self {
        let mut len = text.len().min(96);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; 96];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { bytes, len }
    }
}

impl std::fmt::Display for PanicText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("unreadable message"))
    }
}

/// Result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A vector of `len` copies of `value`.
///
/// # Errors
/// [`Error::OutOfMemory`], where `vec!` would abort the process: an engine must survive that a cache does not
/// fit.
pub(crate) fn try_vec<T: Clone>(len: usize, value: T, what: &'static str) -> Result<Vec<T>> {
    let mut vec = try_reserve(len, what)?;
    vec.resize(len, value);
    Ok(vec)
}

/// An empty vector with room for `len` elements.
///
/// # Errors
/// [`Error::OutOfMemory`]
pub(crate) fn try_reserve<T>(len: usize, what: &'static str) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len)
        .map_err(|_| Error::OutOfMemory { what, bytes: len.saturating_mul(size_of::<T>()) })?;
    Ok(vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_does_not_exist_is_an_error() {
        let refused = |len| try_vec(len, 0_u64, "it").unwrap_err();
        assert_eq!(refused(1 << 60), Error::OutOfMemory { what: "it", bytes: 1 << 63 });
        assert_eq!(refused(usize::MAX), Error::OutOfMemory { what: "it", bytes: usize::MAX });
        assert_eq!(try_vec(3, 7_u64, "it").unwrap(), [7; 3]);
    }

    #[test]
    fn messages_say_what_was_expected() {
        let shape = |expected| Error::BadShape { what: "it", got: 9, expected }.to_string();
        assert_eq!(shape(Count::Is(8)), "it is 9, expected 8");
        assert_eq!(shape(Count::UpTo(8)), "it is 9, expected 1 to 8");
        assert_eq!(shape(Count::AtMost(8)), "it is 9, expected at most 8");
        assert_eq!(shape(Count::AtLeast(10)), "it is 9, expected at least 10");
        assert_eq!(shape(Count::Below(9)), "it is 9, expected less than 9");
        assert_eq!(shape(Count::MultipleOf(8)), "it is 9, expected a multiple of 8");
        let number = |got| Error::BadParam { what: "it", got, expected: "more" }.to_string();
        for (got, text) in
            [(f64::from(0.1_f32), "0.1"), (0.1, "0.1"), (1e-40, "1e-40"), (8.0, "8"), (f64::NAN, "NaN")]
        {
            assert_eq!(number(got), format!("it is {text}, expected more"));
        }
    }

    #[test]
    fn panic_texts_are_cut_at_a_character() {
        assert_eq!(PanicText::new("short").to_string(), "short");
        let long = "é".repeat(60);
        assert_eq!(PanicText::new(&format!("x{long}")).to_string(), format!("x{}", "é".repeat(47)));
    }
}
