//! Reads fields from bytes whose length was checked, and writes sections with their checksum.
//!
//! For input of unknown length there is [`super::reader`], which returns an error where this panics.

use crc32fast::Hasher;

/// Takes fields off the front of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` bytes.
    ///
    /// # Panics
    /// Past the end: lengths are checked before fields are taken.
    pub fn take_array<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("the length was checked");
        self.0 = rest;
        *field
    }

    /// The next `len` bytes.
    ///
    /// # Panics
    /// Past the end, as [`Fields::take_array`] does.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (field, rest) = self.0.split_at(len);
        self.0 = rest;
        field
    }

    pub fn u8(&mut self) -> u8 {
        self.take_array::<1>()[0]
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take_array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take_array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take_array())
    }

    pub fn f32(&mut self) -> f32 {
        f32::from_le_bytes(self.take_array())
    }
}

/// One section of a block under construction. The destination is written once, in order, and never read: it
/// may be write-combined memory, which is very slow to read.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    dst: &'a mut [u8],
    /// Bytes written so far.
    at: usize,
    /// Of what was written so far, since the destination is not read again to compute it.
    checksum: Option<Hasher>,
}

impl<'a> Section<'a> {
    /// Splits a section of `len` bytes off the front of `rest`. `checksum` says whether one is wanted.
    ///
    /// # Panics
    /// If `rest` is shorter than that.
    pub fn split(rest: &mut &'a mut [u8], len: usize, checksum: bool) -> Self {
        let (dst, after) = std::mem::take(rest).split_at_mut(len);
        *rest = after;
        Self { dst, at: 0, checksum: checksum.then(Hasher::new) }
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// If they do not fit. Sizes follow from the header, so only a defect can make this happen.
    #[inline(always)]
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.dst[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    /// Bytes that can still be appended.
    pub fn room(&self) -> usize {
        self.dst.len() - self.at
    }

    /// Ends the section after what was written, and returns the bytes that follow as `N` sections of the
    /// given lengths. `None`, with nothing changed, if there is not enough room for them. Runs need this:
    /// what comes after them has a place only when their size is known.
    pub fn split_after<const N: usize>(&mut self, lens: [usize; N]) -> Option<[Self; N]> {
        let all = lens.iter().try_fold(0_usize, |sum, &len| sum.checked_add(len))?;
        if self.room() < all {
            return None;
        }
        let (written, mut rest) = std::mem::take(&mut self.dst).split_at_mut(self.at);
        self.dst = written;
        let checksum = self.checksum.is_some();
        Some(lens.map(|len| Self::split(&mut rest, len, checksum)))
    }

    /// Fills the section up with `value` and combines its checksum with that of the sections before it.
    /// Combining takes time that depends on the logarithm of the length, so sections can be filled in any
    /// order.
    pub fn finish(mut self, value: u8, before: &mut Hasher) {
        let filler = [value; 256];
        while self.at < self.dst.len() {
            let len = filler.len().min(self.dst.len() - self.at);
            self.put_bytes(&filler[..len]);
        }
        if let Some(checksum) = &self.checksum {
            before.combine(checksum);
        }
    }
}
