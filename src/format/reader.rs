//! Reading fields from bytes of any length: what is not there is an error, and says where.

use crate::error::{Error, Result, try_reserve};

/// Takes fields off the front of a section of a larger buffer.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    /// Offset of the next field in the whole.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which lie at offset `at` of the whole.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { left: bytes, at }
    }

    /// Offset of the next field.
    pub fn at(&self) -> usize {
        self.at
    }

    /// `what` is wrong here.
    pub fn corrupt<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::Corrupt { what, at: self.at })
    }

    /// The result of a check; a value that it refuses makes the bytes corrupt.
    pub fn checked<T>(&self, result: Result<T>, what: &'static str) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error @ Error::OutOfMemory { .. }) => Err(error),
            Err(_) => self.corrupt(what),
        }
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.left.split_at_checked(len) {
            Some((field, left)) => {
                self.left = left;
                self.at += len;
                Ok(field)
            }
            None => self.corrupt("a section that ends too early"),
        }
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut field = [0; N];
        field.copy_from_slice(self.bytes(N)?);
        Ok(field)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// A u64 that counts bytes or rows.
    pub fn size(&mut self) -> Result<usize> {
        let Ok(value) = usize::try_from(self.u64()?) else {
            return Err(Error::Corrupt { what: "a size", at: self.at });
        };
        Ok(value)
    }

    pub fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_le_bytes(self.take()?))
    }

    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// A count of elements that take `smallest` bytes or more each, so that it is in proportion to the input.
    pub fn count(&mut self, smallest: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        if count > self.left.len() / smallest { self.corrupt("a count") } else { Ok(count) }
    }

    /// An empty vector with room for as many elements as [`Reader::count`] reads, and their number.
    pub fn room<T>(&mut self, smallest: usize) -> Result<(usize, Vec<T>)> {
        let count = self.count(smallest)?;
        Ok((count, try_reserve(count, "the profile")?))
    }

    /// `count` u32 values.
    pub fn numbers(&mut self, count: usize) -> Result<Vec<u32>> {
        let bytes = self.bytes(count.saturating_mul(4))?;
        let mut numbers = try_reserve(count, "the profile")?;
        numbers.extend(bytes.as_chunks::<4>().0.iter().map(|&raw| u32::from_le_bytes(raw)));
        Ok(numbers)
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<()> {
        if self.left.is_empty() { Ok(()) } else { self.corrupt("bytes that belong to nothing") }
    }
}
