//! A skeleton as bytes: inside a block, and on its own as a file.
//!
//! ```text
//! magic "KKYS", version u16, flags u16, dim u32, rank u32, n_centres u32, CRC-32 of all that follows it
//! and of the fields before it u32                                                        24 bytes
//! variances f32[rank]
//! reach f32, mean f32[dim], basis f16[rank, dim], centres f16[n_centres, rank]           as inside a block
//! ```
//!
//! A block needs no variances, since its bits do not depend on them, and no header, since its own has the
//! counts. The hash of the saved form is the identity of a skeleton. Saving is therefore exact: equal
//! skeletons give equal bytes, and a loaded skeleton saves to the bytes it was loaded from.

use super::Skeleton;
use crate::error::{Error, Result, try_vec};
use crate::format::FORMAT_VERSION;
use crate::format::block::check_skeleton;
use crate::format::bytes::Fields;
use crate::format::sections::own_skeleton_bytes;
use crate::params::MAX_CENTRES;
use crate::tensor::halves::widen;
use crate::tensor::layout::MAX_DIM;
use crate::vector::tier::{best, dispatch};
use half::f16;

const MAGIC: [u8; 4] = *b"KKYS";
const HEADER_BYTES: usize = 24;
/// Offset of the checksum. It covers the fields before it too, because a changed count would move everything.
const CRC_AT: usize = 20;
/// The transform follows a query metric: it is the inverse of the basis, not its transpose.
const FLAG_METRIC: u16 = 1;

impl Skeleton {
    /// Bytes that [`Skeleton::save`] writes.
    pub fn saved_bytes(&self) -> usize {
        HEADER_BYTES + 4 * self.rank() + own_skeleton_bytes(self.dim(), self.rank(), self.n_centres())
    }

    /// Writes the skeleton to the start of `dst` and returns its size. Only the transform of a metric is left
    /// out: it is computed again when loading.
    ///
    /// # Errors
    /// [`Error::DstTooSmall`]
    pub fn save(&self, dst: &mut [u8]) -> Result<usize> {
        let need = self.saved_bytes();
        let got = dst.len();
        let dst = dst.get_mut(..need).ok_or(Error::DstTooSmall { need, got })?;
        let (header, body) = dst.split_at_mut(HEADER_BYTES);
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            body[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        self.variances().iter().for_each(|x| put(&x.to_le_bytes()));
        self.write_parts(&mut put);
        header[..4].copy_from_slice(&MAGIC);
        header[4..6].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let flags = if self.has_metric() { FLAG_METRIC } else { 0 };
        header[6..8].copy_from_slice(&flags.to_le_bytes());
        for (field, value) in header[8..CRC_AT].as_chunks_mut::<4>().0.iter_mut().zip([
            self.dim(),
            self.rank(),
            self.n_centres(),
        ]) {
            *field = (value as u32).to_le_bytes();
        }
        let crc = checksum(header, body);
        header[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        Ok(need)
    }

    /// Reads what [`Skeleton::save`] wrote; anything else is an error. `src` may come from anywhere: memory
    /// is only reserved for counts that its length agrees with, and every value is checked.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Truncated`], [`Error::WrongVersion`], [`Error::OutOfMemory`]
    pub fn load(src: &[u8]) -> Result<Self> {
        let magic = src.len().min(4);
        if src[..magic] != MAGIC[..magic] {
            return Err(Error::Corrupt { what: "magic of a skeleton", at: 0 });
        }
        let truncated = |need| Error::Truncated { need, got: src.len() };
        let header = src.get(..HEADER_BYTES).ok_or(truncated(HEADER_BYTES))?;
        let mut fields = Fields(&header[4..]);
        let version = fields.u16();
        if version != FORMAT_VERSION {
            return Err(Error::WrongVersion { got: u32::from(version), want: u32::from(FORMAT_VERSION) });
        }
        let flags = fields.u16();
        let (dim, rank, k) = (fields.u32() as usize, fields.u32() as usize, fields.u32() as usize);
        let legal =
            (1..=MAX_DIM).contains(&dim) && rank <= dim && k <= MAX_CENTRES as usize && (k == 0 || rank > 0);
        let metric = flags & FLAG_METRIC != 0;
        if flags & !FLAG_METRIC != 0 || !legal || (metric && rank != dim) {
            return Err(Error::Corrupt { what: "shape of the skeleton", at: 6 });
        }
        let need = HEADER_BYTES + 4 * rank + own_skeleton_bytes(dim, rank, k);
        if src.len() != need {
            let extra = Error::Corrupt { what: "bytes after the skeleton", at: need };
            return Err(if src.len() < need { truncated(need) } else { extra });
        }
        let body = &src[HEADER_BYTES..];
        if checksum(header, body) != fields.u32() {
            return Err(Error::Corrupt { what: "skeleton checksum", at: CRC_AT });
        }
        let mut skeleton = Self::with_room(dim, rank, k)?;
        let (variances, parts) = body.split_at(4 * rank);
        check_skeleton(dim, parts, HEADER_BYTES + 4 * rank)?;
        skeleton.read_parts(dim, rank, k, parts);
        skeleton.id = Some(*blake3::hash(src).as_bytes());
        skeleton.variances.extend(variances.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)));
        if skeleton.variances.iter().any(|x| !(x.is_finite() && *x >= 0.0)) {
            return Err(Error::Corrupt { what: "a variance", at: HEADER_BYTES });
        }
        if metric && !skeleton.invert_basis()? {
            return Err(Error::Corrupt { what: "a basis without an inverse", at: HEADER_BYTES });
        }
        Ok(skeleton)
    }

    /// BLAKE3 of the saved form. It is known if the skeleton was fitted to a stream or loaded; otherwise this
    /// saves the skeleton to compute it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub fn id(&self) -> Result<[u8; 32]> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let mut bytes = try_vec(self.saved_bytes(), 0, "the saved skeleton")?;
        self.save(&mut bytes)?;
        Ok(*blake3::hash(&bytes).as_bytes())
    }

    /// Computes the id of a finished skeleton, so that not every codec made from it has to.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub(crate) fn seal(mut self) -> Result<Self> {
        self.id = Some(self.id()?);
        Ok(self)
    }

    /// Hands the parts that coding needs to `put`, in pieces of at most 64 values: no buffer has to be
    /// allocated, and calls are few enough.
    pub(crate) fn write_parts(&self, mut put: impl FnMut(&[u8])) {
        put(&self.reach.peak.to_le_bytes());
        for values in self.mean().chunks(64) {
            let mut bytes = [0; 256];
            for (out, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                *out = value.to_le_bytes();
            }
            put(&bytes[..4 * values.len()]);
        }
        for values in self.basis().chunks(64).chain(self.centres().chunks(64)) {
            let mut bytes = [0; 128];
            for (out, &value) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                *out = f16::from_f32(value).to_le_bytes();
            }
            put(&bytes[..2 * values.len()]);
        }
    }

    /// Becomes the skeleton whose parts are `bytes`, which have been checked. Allocates nothing if there is
    /// room.
    ///
    /// # Panics
    /// If `bytes` is shorter than the counts imply.
    pub(crate) fn read_parts(&mut self, dim: usize, rank: usize, k: usize, bytes: &[u8]) {
        self.reshape(dim, rank);
        let mut fields = Fields(bytes);
        self.reach.peak = f32::from_le_bytes(fields.take_array());
        let mean = fields.bytes(4 * dim).as_chunks::<4>().0;
        self.set_mean(mean.iter().map(|&raw| f32::from_le_bytes(raw)));
        let (basis, centres) = (fields.bytes(2 * rank * dim), fields.bytes(2 * k * rank));
        dispatch!(best(), simd => for (bytes, to) in [(basis, &mut self.basis), (centres, &mut self.centres)] {
            for bytes in bytes.as_chunks::<2>().0.chunks(16) {
                let mut halves = [0; 16];
                halves.iter_mut().zip(bytes).for_each(|(half, &raw)| *half = u16::from_le_bytes(raw));
                to.extend_from_slice(&widen(simd, &halves)[..bytes.len()]);
            }
        });
    }
}

/// CRC-32 of everything but the checksum itself.
fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..CRC_AT]);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::fit_block;
    use crate::params::{Params, Settings};

    fn skeleton() -> Skeleton {
        let rows: Vec<f32> = (0..40 * 6).map(|i| ((i * i) % 23) as f32 - 11.0 + (i % 6) as f32).collect();
        let params = Params::new(Settings { kmeans_k: 0, ..Settings::default() }).unwrap();
        fit_block(&rows, &[1.0; 40], 6, &params).unwrap().0.seal().unwrap()
    }

    fn saved(skeleton: &Skeleton) -> Vec<u8> {
        let mut bytes = vec![0; skeleton.saved_bytes()];
        assert_eq!(skeleton.save(&mut bytes).unwrap(), bytes.len());
        bytes
    }

    /// The bytes with a change and a checksum that fits it.
    fn forged(change: impl Fn(&mut [u8])) -> Result<Skeleton> {
        let mut bytes = saved(&skeleton());
        change(&mut bytes);
        let crc = checksum(&bytes[..HEADER_BYTES], &bytes[HEADER_BYTES..]);
        bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        Skeleton::load(&bytes)
    }

    #[test]
    fn skeletons_come_back() {
        let skeleton = skeleton();
        let loaded = Skeleton::load(&saved(&skeleton)).unwrap();
        assert_eq!(loaded, skeleton);
        assert_eq!(saved(&loaded), saved(&skeleton));
        assert_eq!(loaded.id(), skeleton.id());
        assert_eq!(skeleton.id().unwrap(), *blake3::hash(&saved(&skeleton)).as_bytes());
        let need = skeleton.saved_bytes();
        assert_eq!(skeleton.save(&mut [0; 9]).unwrap_err(), Error::DstTooSmall { need, got: 9 });
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found() {
        let bytes = saved(&skeleton());
        for len in 0..bytes.len() {
            assert!(matches!(Skeleton::load(&bytes[..len]), Err(Error::Truncated { .. })), "{len} bytes");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Skeleton::load(&flipped).is_err(), "bit {bit}");
        }
        let longer = [bytes, vec![0]].concat();
        assert!(matches!(Skeleton::load(&longer), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn forged_values_are_found() {
        let rank = skeleton().rank();
        let parts = HEADER_BYTES + 4 * rank;
        let put = |at: usize, value: f32| {
            move |bytes: &mut [u8]| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes())
        };
        assert!(forged(|_| {}).is_ok());
        assert!(forged(|bytes| bytes[6] = 2).is_err(), "flags");
        assert!(forged(|bytes| bytes[8..12].fill(0xFF)).is_err(), "dim");
        assert!(forged(put(HEADER_BYTES, -1.0)).is_err(), "variance");
        assert!(forged(put(parts, f32::NAN)).is_err(), "reach");
        assert!(forged(put(parts + 4, f32::INFINITY)).is_err(), "mean");
        let basis = parts + 4 + 4 * 6;
        assert!(forged(|bytes| bytes[basis..basis + 2].copy_from_slice(&[0, 0x7C])).is_err(), "basis");
    }
}
