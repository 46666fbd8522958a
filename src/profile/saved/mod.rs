//! A profile as bytes: header, sections in a fixed order, checksum.
//!
//! ```text
//! magic "KKYP", version u16, reserved u16, size of the whole u64                          16 bytes
//! sections "MODL" "FREQ" "SKEL" "STRM" "QUAL" "PLCY": tag, size of its contents u64, contents
//! CRC-32 of all before it u32
//! ```
//!
//! Order and contents of the sections leave no choice, so equal profiles give equal bytes, and the hash of
//! the bytes is a fingerprint of the contents.

mod read;
mod write;

use crate::error::{Error, Result};
use crate::format::FORMAT_VERSION;
use crate::format::reader::Reader;
use crate::profile::{Contents, Profile};

const MAGIC: [u8; 4] = *b"KKYP";
const HEADER_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// Tags of the sections, in their order.
const TAGS: [[u8; 4]; 6] = [*b"MODL", *b"FREQ", *b"SKEL", *b"STRM", *b"QUAL", *b"PLCY"];
/// Bytes of tag and size.
const SECTION_BYTES: usize = 12;
/// The index that stands for no table or no skeleton.
const NONE: u32 = u32::MAX;

impl Profile {
    /// Bytes that [`Profile::save`] writes.
    pub fn saved_bytes(&self) -> usize {
        self.contents.saved_bytes()
    }

    /// Writes the profile to the start of `dst` and returns its size.
    ///
    /// # Errors
    /// [`Error::DstTooSmall`], [`Error::OutOfMemory`]
    pub fn save(&self, dst: &mut [u8]) -> Result<usize> {
        let (need, got) = (self.saved_bytes(), dst.len());
        let dst = dst.get_mut(..need).ok_or(Error::DstTooSmall { need, got })?;
        let mut at = 0;
        self.contents.write(|bytes| {
            dst[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        })?;
        Ok(need)
    }

    /// Reads what [`Profile::save`] wrote; anything else is an error. `src` may come from anywhere: memory is
    /// in proportion to its length.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Truncated`], [`Error::WrongVersion`], [`Error::OutOfMemory`]
    pub fn load(src: &[u8]) -> Result<Self> {
        let magic = src.len().min(4);
        if src[..magic] != MAGIC[..magic] {
            return Err(Error::Corrupt { what: "magic of a profile", at: 0 });
        }
        let truncated = |need| Error::Truncated { need, got: src.len() };
        const SMALLEST: usize = HEADER_BYTES + CRC_BYTES;
        if src.len() < SMALLEST {
            return Err(truncated(SMALLEST));
        }
        let mut header = Reader::new(&src[4..HEADER_BYTES], 4);
        let version = u16::from_le_bytes(header.take_array()?);
        if version != FORMAT_VERSION {
            return Err(Error::WrongVersion { got: u32::from(version), want: u32::from(FORMAT_VERSION) });
        }
        if header.take_array()? != [0; 2] {
            return header.corrupt("reserved bytes");
        }
        let size = header.size()?;
        if src.len() < size {
            return Err(truncated(size));
        }
        if src.len() > size {
            return Err(Error::Corrupt { what: "bytes after the profile", at: size });
        }
        // Before anything else is read: most damage is found here, and reported as such.
        let (checked, crc) = src.split_at(size - CRC_BYTES);
        if crc32fast::hash(checked).to_le_bytes() != *crc {
            return Err(Error::Corrupt { what: "profile checksum", at: size - CRC_BYTES });
        }
        let contents = Contents::read(&mut Reader::new(&checked[HEADER_BYTES..], HEADER_BYTES))?;
        Ok(Self { contents, fingerprint: *blake3::hash(src).as_bytes() })
    }
}
