//! Reading fields from bytes whose length was checked, and writing sections with their checksum.

use crc32fast::Hasher;

/// Takes fields off the front of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` bytes.
    ///
    /// # Panics
    /// Past the end: lengths are checked before fields are taken.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("the length was checked");
        self.0 = rest;
        *field
    }

    /// The next `len` bytes; panics as [`Fields::take`].
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (field, rest) = self.0.split_at(len);
        self.0 = rest;
        field
    }

    pub fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub fn f32(&mut self) -> f32 {
        f32::from_le_bytes(self.take())
    }
}

/// One section of a block under construction. The destination is written once, in order, and never read: it
/// may be write-combined memory.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    dst: &'a mut [u8],
    at: usize,
    checksum: Option<Hasher>,
}

impl<'a> Section<'a> {
    /// Splits a section of `len` bytes off the front of `rest`, which is long enough; `checksum`: whether its
    /// checksum is wanted.
    pub fn split(rest: &mut &'a mut [u8], len: usize, checksum: bool) -> Self {
        let (dst, after) = std::mem::take(rest).split_at_mut(len);
        *rest = after;
        Self { dst, at: 0, checksum: checksum.then(Hasher::new) }
    }

    /// Appends bytes.
    #[inline(always)]
    pub fn put(&mut self, bytes: &[u8]) {
        self.dst[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    /// Bytes that are left.
    pub fn room(&self) -> usize {
        self.dst.len() - self.at
    }

    /// Bytes that were written.
    pub fn written(&self) -> usize {
        self.at
    }

    /// Ends the section where it is and adds its checksum to that of the sections before it.
    pub fn end(self, before: &mut Hasher) {
        if let Some(checksum) = &self.checksum {
            before.combine(checksum);
        }
    }

    /// Fills the section up with `value` and adds its checksum to that of the sections before it.
    pub fn finish(mut self, value: u8, before: &mut Hasher) {
        let filler = [value; 256];
        while self.at < self.dst.len() {
            let len = filler.len().min(self.dst.len() - self.at);
            self.put(&filler[..len]);
        }
        self.end(before);
    }
}
