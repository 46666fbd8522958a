//! Reads fields from bytes of any length: bytes that are missing are an error that says where.
//!
//! Profiles are read with it. Counts are compared with the bytes that are left before memory is reserved, so
//! a forged count of four billion cannot make a small file ask for gigabytes.

use crate::error::{Error, Result, try_reserve};

/// Takes fields off the front of a section of a larger buffer.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    /// Offset of the next field from the start of the whole, for errors.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which lie at offset `at` of the whole.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { left: bytes, at }
    }

    /// Offset of the next field.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// An error at the next field.
    ///
    /// # Errors
    /// Always: [`Error::Corrupt`].
    pub fn corrupt<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::Corrupt { what, at: self.at })
    }

    /// The result of a check. A value that it refuses makes the bytes corrupt: nobody passed a parameter, so
    /// an error about parameters would mislead. Short memory stays what it is.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::OutOfMemory`]
    pub fn checked<T>(&self, result: Result<T>, what: &'static str) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error @ Error::OutOfMemory { .. }) => Err(error),
            Err(_) => self.corrupt(what),
        }
    }

    /// The next `len` bytes. This and the readers of single fields below fail in one way.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there are fewer.
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
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut field = [0; N];
        field.copy_from_slice(self.bytes(N)?);
        Ok(field)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take_array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take_array()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take_array()?))
    }

    /// A u64 that counts bytes or rows.
    ///
    /// # Errors
    /// [`Error::Corrupt`], also if it does not fit in a `usize`, as on a machine of 32 bits.
    pub fn size(&mut self) -> Result<usize> {
        let Ok(value) = usize::try_from(self.u64()?) else {
            return Err(Error::Corrupt { what: "a size", at: self.at });
        };
        Ok(value)
    }

    pub fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_le_bytes(self.take_array()?))
    }

    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.take_array()?))
    }

    /// A count of elements that take at least `smallest` bytes each. It is checked against the bytes that are
    /// left, so memory reserved for it is in proportion to the input.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
    pub fn count(&mut self, smallest: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        if count > self.left.len() / smallest { self.corrupt("a count") } else { Ok(count) }
    }

    /// Reads a count as [`Reader::count`] does, and reserves an empty vector for that many elements.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::OutOfMemory`]
    pub fn room<T>(&mut self, smallest: usize) -> Result<(usize, Vec<T>)> {
        let count = self.count(smallest)?;
        Ok((count, try_reserve(count, "the profile")?))
    }

    /// The next `count` u32 values.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::OutOfMemory`]
    pub fn numbers(&mut self, count: usize) -> Result<Vec<u32>> {
        let bytes = self.bytes(count.saturating_mul(4))?;
        let mut numbers = try_reserve(count, "the profile")?;
        numbers.extend(bytes.as_chunks::<4>().0.iter().map(|&raw| u32::from_le_bytes(raw)));
        Ok(numbers)
    }

    /// Checks that nothing is left: bytes without a meaning would make two files of one content.
    ///
    /// # Errors
    /// [`Error::Corrupt`]
    pub fn end(&self) -> Result<()> {
        if self.left.is_empty() { Ok(()) } else { self.corrupt("unexpected bytes at the end of a section") }
    }
}
