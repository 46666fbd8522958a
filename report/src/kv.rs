//! The suite `kv`: keys and values that an engine computed.
//!
//! A model `NAME` is a pair of files, `NAME-train.safetensors` and `NAME-test.safetensors`, with tensors
//! `layers.N.k` and `layers.N.v` in f16, `[tokens, heads, head_dim]` or `[tokens, head_dim]`, K after its
//! rotary embedding, and `positions` in i32. A document begins where positions do not follow one by one. Each
//! test document is judged with skeletons fitted on the training documents, and, for comparisons, each training
//! document with skeletons fitted on all others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use half::f16;
use kakeyaturbo::{Pairing, Rope};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::set::{Document, Set, Split, Tensor};

/// The rotary embedding of a model's keys. For a model that is not known here it is read from `NAME.json`,
/// such as `{"pairing": "neox", "base": 1e4, "bases": {"5": 1e6}}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotary {
    pairing: Pairs,
    /// Inverse frequencies are `base^(−2i/head_dim)`.
    base: f64,
    /// Bases of layers that have another one.
    #[serde(default)]
    bases: BTreeMap<u32, f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pairs {
    Neox,
    Interleaved,
}

impl Rotary {
    fn known(name: &str) -> Option<Self> {
        let (pairing, base, bases) = match name {
            "smollm2-135m" => (Pairs::Interleaved, 1e5, &[][..]),
            // Every sixth layer is global.
            "gemma3-270m" => (Pairs::Neox, 1e4, &[(5, 1e6), (11, 1e6), (17, 1e6)][..]),
            _ => return None,
        };
        Some(Self { pairing, base, bases: bases.iter().copied().collect() })
    }

    fn rope(&self, layer: u32, head_dim: usize) -> Rope {
        let base = *self.bases.get(&layer).unwrap_or(&self.base);
        let pairing = match self.pairing {
            Pairs::Neox => Pairing::Neox,
            Pairs::Interleaved => Pairing::Interleaved,
        };
        let frequency = |i: usize| base.powf(-2.0 * i as f64 / head_dim as f64) as f32;
        Rope { pairing, inv_freq: (0..head_dim / 2).map(frequency).collect() }
    }
}

/// The models of some folders, by name; of two with one name the first counts.
///
/// # Errors
/// When a folder or file cannot be read, or is not as described above.
pub fn sets(folders: &[impl AsRef<Path>]) -> Result<Vec<Set>> {
    let mut sets: BTreeMap<String, Set> = BTreeMap::new();
    for folder in folders.iter().map(AsRef::as_ref) {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix("-train.safetensors"));
            if let Some(name) = name.filter(|&name| !sets.contains_key(name)) {
                sets.insert(name.to_owned(), model(folder, name).with_context(|| name.to_owned())?);
            }
        }
    }
    if sets.is_empty() {
        bail!("no NAME-train.safetensors in the folders");
    }
    Ok(sets.into_values().collect())
}

fn model(folder: &Path, name: &str) -> Result<Set> {
    let read = |suffix: &str| {
        let path = folder.join(format!("{name}{suffix}"));
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let rotary = match Rotary::known(name) {
        Some(rotary) => rotary,
        None => serde_json::from_slice(&read(".json")?).context("the rotary embedding of a new model")?,
    };
    let (train, test) = (read("-train.safetensors")?, read("-test.safetensors")?);
    let (tensors, mut documents) = documents(&SafeTensors::deserialize(&train)?, &rotary)?;
    let fitted: Vec<usize> = (0..documents.len()).collect();
    documents.extend(self::documents(&SafeTensors::deserialize(&test)?, &rotary)?.1);
    let split = |judge| Split {
        fit: if fitted.contains(&judge) {
            (0..documents.len()).filter(|&d| d != judge).collect()
        } else {
            fitted.clone()
        },
        judge,
        curves: !fitted.contains(&judge),
    };
    let splits = (0..documents.len()).map(split).collect();
    Ok(Set { suite: "kv", name: name.to_owned(), tensors, documents, splits, joins: true })
}

/// The tensors of a file, by layer, K before V, and its documents.
fn documents(file: &SafeTensors<'_>, rotary: &Rotary) -> Result<(Vec<Tensor>, Vec<Document>)> {
    let positions = file.tensor("positions").context("positions")?;
    let positions: Vec<i32> =
        positions.data().as_chunks::<4>().0.iter().map(|&raw| i32::from_le_bytes(raw)).collect();
    let layer = |name: &String| name.strip_prefix("layers.")?.strip_suffix(".k")?.parse().ok();
    let mut layers: Vec<u32> = file.names().into_iter().filter_map(|name| layer(&name.to_string())).collect();
    layers.sort_unstable();

    let (mut tensors, mut values) = (Vec::new(), Vec::new());
    for layer in layers {
        for kv in ["k", "v"] {
            let name = format!("layers.{layer}.{kv}");
            let view = file.tensor(&name).with_context(|| name.clone())?;
            let (tokens, heads, head_dim) = match *view.shape() {
                [tokens, heads, head_dim] => (tokens, heads, head_dim),
                [tokens, head_dim] => (tokens, 1, head_dim),
                _ => bail!("{name} has the shape {:?}", view.shape()),
            };
            if view.dtype() != Dtype::F16 || tokens != positions.len() {
                bail!("{name} is not f16, or not of {} tokens", positions.len());
            }
            let half = |&raw: &[u8; 2]| f16::from_le_bytes(raw).to_f32();
            values.push(view.data().as_chunks::<2>().0.iter().map(half).collect::<Vec<f32>>());
            let rope = (kv == "k").then(|| rotary.rope(layer, head_dim));
            tensors.push(Tensor { layer, heads, head_dim, rope });
        }
    }

    let mut documents: Vec<Document> = Vec::new();
    let mut start = 0;
    for positions in positions.chunk_by(|a, b| *b == a + 1) {
        let end = start + positions.len();
        let part = |(tensor, values): (&Tensor, &Vec<f32>)| {
            let width = tensor.heads * tensor.head_dim;
            values[start * width..end * width].to_vec()
        };
        let tensors = tensors.iter().zip(&values).map(part).collect();
        documents.push(Document { positions: positions.to_vec(), tensors });
        start = end;
    }
    Ok((tensors, documents))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixture_is_five_documents() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
        let sets = sets(&[data]).unwrap();
        assert_eq!(sets.len(), 1);
        let set = &sets[0];
        assert_eq!((set.name.as_str(), set.tensors.len(), set.documents.len()), ("smollm2-135m", 12, 5));
        for document in &set.documents {
            assert_eq!(document.positions, (512..1024).collect::<Vec<i32>>());
            assert!(document.tensors.iter().all(|values| values.len() == 512 * 3 * 64));
        }
        let keys: Vec<(u32, bool)> = set.tensors.iter().map(|t| (t.layer, t.rope.is_some())).collect();
        assert_eq!(keys[..3], [(0, true), (0, false), (1, true)]);
        let splits: Vec<_> = set.splits.iter().map(|s| (s.judge, s.fit.as_slice(), s.curves)).collect();
        assert_eq!(splits[1], (1, &[0, 2, 3, 4][..], false));
        assert_eq!(splits[4], (4, &[0, 1, 2, 3][..], true));
    }

    #[test]
    fn a_new_model_describes_its_rotary_embedding() {
        let json = r#"{"pairing": "neox", "base": 1e4, "bases": {"5": 1e6, "11": 1e6, "17": 1e6}}"#;
        let rotary: Rotary = serde_json::from_str(json).unwrap();
        assert_eq!(Some(&rotary), Rotary::known("gemma3-270m").as_ref());
        assert_eq!(rotary.rope(5, 256).inv_freq[128 / 2], 1e-3);
        assert_eq!(rotary.rope(6, 256).inv_freq[128 / 2], 1e-2);
    }
}
