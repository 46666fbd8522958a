//! Which of a model's tensors make up the rows of a stream, and in which order.
//!
//! A key is a product of sets, not a list of tensors: some layers times some heads times keys or values or
//! both. That is what engines have, it is small, and the order of the segments follows from it.

use crate::error::{Count, Error, Result, try_reserve};
use crate::tensor::layout::MAX_DIM;

/// Largest number of a layer or of a kv-head. Far above any model; `Tensor::order` needs it to be below
/// 2^31.
pub const MAX_NUMBER: u32 = 65_535;

/// Keys, values or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Keys.
    K,
    /// Values.
    V,
    /// Keys and values.
    Kv,
}

impl Part {
    /// The number that stands for it in the C API and in the saved form. 0 is none, so that zeroed memory is
    /// noticed.
    pub fn code(self) -> u8 {
        match self {
            Self::K => 1,
            Self::V => 2,
            Self::Kv => 3,
        }
    }

    /// The part that a code stands for.
    ///
    /// # Errors
    /// [`Error::BadParam`] for a code that no part has.
    pub fn from_code(code: u32) -> Result<Self> {
        match code {
            1 => Ok(Self::K),
            2 => Ok(Self::V),
            3 => Ok(Self::Kv),
            got => Err(Error::BadParam {
                what: "part",
                got: f64::from(got),
                expected: "1 (K), 2 (V) or 3 (both)",
            }),
        }
    }

    /// The parts that have tensors of their own: K before V.
    fn tensors(self) -> &'static [Part] {
        match self {
            Self::K => &[Self::K],
            Self::V => &[Self::V],
            Self::Kv => &[Self::K, Self::V],
        }
    }
}

/// One head of one tensor: what a segment of a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor {
    /// Layer, from 0.
    pub layer: u32,
    /// [`Part::K`] or [`Part::V`].
    pub part: Part,
    /// kv-head, from 0.
    pub head: u32,
}

impl Tensor {
    /// A number that tells tensors apart and puts them in the order of segments: layer, then K before V, then
    /// head. Heads take the lower 32 bits, the part takes one, and layers those above.
    pub(crate) fn order(self) -> u64 {
        u64::from(self.layer) << 33 | u64::from(self.part == Part::V) << 32 | u64::from(self.head)
    }

    /// The layer in an [`Tensor::order`].
    pub(crate) fn layer_of_order(order: u64) -> u64 {
        order >> 33
    }
}

/// The tensors of a stream: some layers, some kv-heads, keys or values or both.
///
/// Segments lie in this order: layers ascending; within a layer K of all heads, ascending, then V of all
/// heads.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamKey {
    layers: Vec<u32>,
    heads: Vec<u32>,
    part: Part,
}

impl StreamKey {
    /// Checks that both sets are strictly ascending, not empty, have numbers up to [`MAX_NUMBER`], and make
    /// up at most [`MAX_DIM`] segments: a segment has at least one coordinate, and a row no more than that.
    ///
    /// # Errors
    /// [`Error::BadParam`], [`Error::BadShape`], [`Error::OutOfMemory`]
    pub fn new(layers: &[u32], heads: &[u32], part: Part) -> Result<Self> {
        let layers = ascending_numbers(layers, "layers of a stream")?;
        let heads = ascending_numbers(heads, "heads of a stream")?;
        for (what, len) in [("number of layers", layers.len()), ("number of heads", heads.len())] {
            if len == 0 || len > MAX_DIM {
                return Err(Error::BadShape { what, got: len, expected: Count::UpTo(MAX_DIM) });
            }
        }
        let key = Self { layers, heads, part };
        if key.n_segments() > MAX_DIM {
            let what = "number of segments of a stream";
            return Err(Error::BadShape { what, got: key.n_segments(), expected: Count::AtMost(MAX_DIM) });
        }
        Ok(key)
    }

    /// A copy. Not `Clone`, which aborts if memory is short.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Self::new(&self.layers, &self.heads, self.part)
    }

    /// Layers, ascending.
    pub fn layers(&self) -> &[u32] {
        &self.layers
    }

    /// kv-heads, ascending.
    pub fn heads(&self) -> &[u32] {
        &self.heads
    }

    /// Keys, values or both.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Number of segments of a row.
    pub fn n_segments(&self) -> usize {
        self.layers.len() * self.heads.len() * self.part.tensors().len()
    }

    /// The tensors of the segments, in their order.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor> {
        self.layers.iter().flat_map(move |&layer| {
            self.part
                .tensors()
                .iter()
                .flat_map(move |&part| self.heads.iter().map(move |&head| Tensor { layer, part, head }))
        })
    }

    /// The segment that holds a tensor; `None` if the stream does not have it. The inverse of
    /// [`StreamKey::tensors`].
    pub fn segment_of(&self, tensor: Tensor) -> Option<usize> {
        let layer = self.layers.binary_search(&tensor.layer).ok()?;
        let part = self.part.tensors().iter().position(|&part| part == tensor.part)?;
        let head = self.heads.binary_search(&tensor.head).ok()?;
        Some((layer * self.part.tensors().len() + part) * self.heads.len() + head)
    }
}

/// A copy of a set of numbers, which must be strictly ascending and up to [`MAX_NUMBER`]. The order makes
/// equal sets have equal bytes, and lets them be searched.
///
/// # Errors
/// [`Error::BadParam`], [`Error::OutOfMemory`]
pub(crate) fn ascending_numbers(numbers: &[u32], what: &'static str) -> Result<Vec<u32>> {
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(Error::BadParam {
            what,
            got: f64::from(pair[1]),
            expected: "strictly ascending numbers",
        });
    }
    if let Some(&got) = numbers.last().filter(|&&number| number > MAX_NUMBER) {
        return Err(Error::BadParam { what, got: f64::from(got), expected: "numbers up to 65535" });
    }
    let mut copy = try_reserve(numbers.len(), "the profile")?;
    copy.extend_from_slice(numbers);
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_layer_by_layer_k_before_v_head_by_head() {
        let key = StreamKey::new(&[2, 7], &[0, 3], Part::Kv).unwrap();
        let order: Vec<_> = key.tensors().map(|tensor| (tensor.layer, tensor.part, tensor.head)).collect();
        let expected = [
            (2, Part::K, 0),
            (2, Part::K, 3),
            (2, Part::V, 0),
            (2, Part::V, 3),
            (7, Part::K, 0),
            (7, Part::K, 3),
            (7, Part::V, 0),
            (7, Part::V, 3),
        ];
        assert_eq!(order, expected);
        assert_eq!(key.n_segments(), 8);
        for (index, tensor) in key.tensors().enumerate() {
            assert_eq!(key.segment_of(tensor), Some(index));
        }
        assert!(key.tensors().zip(key.tensors().skip(1)).all(|(a, b)| a.order() < b.order()));
        let values = StreamKey::new(&[2], &[1], Part::V).unwrap();
        assert_eq!(values.segment_of(Tensor { layer: 2, part: Part::V, head: 1 }), Some(0));
        for (layer, part, head) in [(2, Part::K, 1), (3, Part::V, 1), (2, Part::V, 0)] {
            assert_eq!(values.segment_of(Tensor { layer, part, head }), None);
        }
    }

    #[test]
    fn sets_are_ascending_and_bounded() {
        let key = |layers: &[u32], heads: &[u32]| StreamKey::new(layers, heads, Part::Kv);
        let many: Vec<u32> = (0..2049).collect();
        assert!(key(&many[..2048], &[0]).is_ok());
        assert!(key(&many, &[0]).is_err(), "4098 segments");
        assert!(key(&[], &[0]).is_err());
        assert!(key(&[0], &[]).is_err());
        assert!(key(&[1, 1], &[0]).is_err());
        assert!(key(&[0], &[2, 1]).is_err());
        assert!(key(&[65_535], &[65_535]).is_ok());
        assert!(key(&[65_536], &[0]).is_err());
    }

    #[test]
    fn codes_name_parts() {
        for part in [Part::K, Part::V, Part::Kv] {
            assert_eq!(Part::from_code(u32::from(part.code())).unwrap(), part);
        }
        assert!(Part::from_code(0).is_err());
        assert!(Part::from_code(4).is_err());
    }
}
