//! The blocks that `conformance/golden` keeps: what they are of, and what they are examples of.

mod rdo;

use super::blocks::{of_layout, stepped};
use super::{clustered, normal};
use half::{bf16, f16};
use kakeyaturbo::{
    Codec, NanPolicy, Objective, Pairing, Preset, RateControl, Rope, Rows, RowsMut, Settings, Skeleton,
    Workspace, verify,
};
use kakeyaturbo::{Dtype, Elements};
use kakeyaturbo::{Layout, Segment, View};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// A block.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub settings: Settings,
    pub objective: Objective,
    pub layout: Layout,
    /// File of the skeleton that blocks share.
    pub skeleton: Option<&'static str>,
    pub rows: Vec<f32>,
    /// Element types of the rows that are encoded, and of those that are decoded.
    pub types: (Dtype, Dtype),
    pub weights: Option<Vec<f32>>,
    pub protect: &'static [usize],
    /// Positions at which rows are encoded, and at which they are decoded.
    pub positions: Option<(Vec<i32>, Vec<i32>)>,
}

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/golden").join(name)
}

/// Whether files are to be written anew.
pub fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

pub fn read(name: &str) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn write(name: &str, bytes: impl AsRef<[u8]>) {
    let path = path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Holds a stored JSON file against what it has to be, or writes it.
pub fn check_json(name: &str, expected: &Value) {
    if updating() {
        // An entry a line.
        let lines: Vec<String> = expected.as_array().unwrap().iter().map(Value::to_string).collect();
        write(name, format!("[\n{}\n]\n", lines.join(",\n")));
    }
    let stored: Value = serde_json::from_slice(&read(name)).unwrap();
    assert_eq!(stored, *expected, "{name}");
}

fn type_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::F16 => "f16",
        Dtype::Bf16 => "bf16",
    }
}

/// Elements of rows `[n, dim]` in one tensor.
enum Tensor {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Tensor {
    fn new(dtype: Dtype, values: &[f32]) -> Self {
        match dtype {
            Dtype::F32 => Self::F32(values.to_vec()),
            Dtype::F16 => Self::F16(values.iter().map(|&x| f16::from_f32(x)).collect()),
            Dtype::Bf16 => Self::Bf16(values.iter().map(|&x| bf16::from_f32(x)).collect()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Bf16(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn with_views<T>(&mut self, layout: &Layout, n: usize, with: impl FnOnce(&[View<'_>]) -> T) -> T {
        let elements = match self {
            Self::F32(values) => Elements::F32(Cell::from_mut(&mut values[..]).as_slice_of_cells()),
            Self::F16(values) => Elements::F16(Cell::from_mut(&mut values[..]).as_slice_of_cells()),
            Self::Bf16(values) => Elements::Bf16(Cell::from_mut(&mut values[..]).as_slice_of_cells()),
        };
        let (dim, mut offset) = (layout.dim() as isize, 0);
        let view = |segment: &Segment| {
            let view = View::new(elements, offset, (n, segment.dim), (dim, 1)).unwrap();
            offset += segment.dim;
            view
        };
        with(&layout.segments().iter().map(view).collect::<Vec<_>>())
    }
}

impl Case {
    fn new(name: &str, settings: Settings, dim: usize, rows: Vec<f32>) -> Self {
        Self {
            name: name.into(),
            settings,
            objective: Objective::Mse,
            layout: Layout::plain(dim).unwrap(),
            skeleton: None,
            rows,
            types: (Dtype::F32, Dtype::F32),
            weights: None,
            protect: &[],
            positions: None,
        }
    }

    pub fn n(&self) -> usize {
        self.rows.len() / self.layout.dim()
    }

    pub fn codec(&self) -> Codec {
        let skeleton = self.skeleton.map(|name| Skeleton::load(&read(name)).unwrap());
        of_layout(self.settings.clone(), self.objective, self.layout.clone(), skeleton)
    }

    pub fn block_file(&self) -> String {
        format!("{}.kkb", self.name)
    }

    /// The file with the decoded rows, in the type that they are decoded to.
    pub fn rows_file(&self) -> String {
        format!("{}.{}", self.name, type_name(self.types.1))
    }

    pub fn encode(&self, codec: &Codec) -> Vec<u8> {
        let n = self.n();
        let protect: Vec<u8> = (0..n).map(|i| u8::from(self.protect.contains(&i))).collect();
        let positions = self.positions.as_ref().map(|(from, _)| &from[..]);
        let mut workspace = Workspace::new(codec, n).unwrap();
        let mut block = vec![0xA5; codec.encode_bound(n).unwrap()];
        let size = Tensor::new(self.types.0, &self.rows).with_views(&self.layout, n, |views| {
            let weights = self.weights.as_deref();
            let rows = Rows { n, views, positions, weights, protect: Some(&protect) };
            codec.encode(&mut workspace, &rows, &mut block).unwrap()
        });
        block.truncate(size);
        block
    }

    /// The bytes of the decoded rows.
    pub fn decode(&self, codec: &Codec, block: &[u8]) -> kakeyaturbo::Result<Vec<u8>> {
        let n = verify(block)?.n_rows as usize;
        let mut workspace = Workspace::new(codec, n)?;
        let mut tensor = Tensor::new(self.types.1, &vec![f32::NAN; n * self.layout.dim()]);
        tensor.with_views(&self.layout, n, |views| {
            let positions = self.positions.as_ref().map(|(_, to)| &to[..]);
            codec.decode(&mut workspace, block, &RowsMut { n, views, positions })
        })?;
        Ok(tensor.bytes())
    }

    /// What a reader has to know beside the block.
    pub fn describe(&self, codec: &Codec) -> Value {
        let settings = &self.settings;
        let segment = |segment: &Segment| {
            let rope = segment.rope.as_ref().map_or("none", |rope| match rope.pairing {
                Pairing::Neox => "neox",
                Pairing::Interleaved => "interleaved",
            });
            json!({
                "dim": segment.dim, "gain": segment.gain, "raw_dtype": type_name(segment.raw_dtype), "rope": rope,
                "inv_freq": segment.rope.as_ref().map_or(&[][..], |rope| &rope.inv_freq),
            })
        };
        let fingerprint: String = codec.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "name": self.name, "dtype": type_name(self.types.1), "skeleton": self.skeleton,
            "positions": self.positions.as_ref().map(|(_, to)| to), "fingerprint": fingerprint,
            "segments": self.layout.segments().iter().map(segment).collect::<Vec<_>>(),
            "params": {
                "preset": settings.preset.code(), "distortion": self.objective.code(),
                "rate_control": settings.rate_control.code(), "bits": settings.bits, "step": settings.step,
                "effort": settings.effort, "rows_per_run": settings.rows_per_run, "max_rank": settings.max_rank,
                "kmeans_k": settings.kmeans_k, "max_protected": settings.max_protected, "seed": settings.seed,
                "checksum": u8::from(settings.checksum),
            },
        })
    }
}

/// Normal rows, row 1 all zeros.
fn with_zeros(n: usize, d: usize) -> Vec<f32> {
    let mut rows = normal(n * d, 21);
    rows[d..2 * d].fill(0.0);
    rows
}

fn fixed(name: &str, preset: Preset, bits: u8, dim: usize, rows: Vec<f32>) -> Case {
    let settings = Settings { preset, bits: f32::from(bits), kmeans_k: 3, seed: 5, ..Settings::default() };
    Case::new(name, settings, dim, rows)
}

/// Presets turbo and kakeya, for every distortion.
fn of_every_distortion() -> Vec<Case> {
    use Preset::{Kakeya, Turbo};
    let mut cases = vec![
        fixed("turbo-1x1", Turbo, 1, 1, vec![-3.25]),
        fixed("turbo-3x33", Turbo, 3, 33, normal(3 * 33, 22)),
        fixed("turbo-zeros", Turbo, 4, 64, with_zeros(3, 64)),
        fixed("turbo-extremes", Turbo, 8, 6, vec![3e38, -1e-45, 0.0, 1.0, -3e38, 2e30]),
        fixed("turbo-protected", Turbo, 2, 16, normal(5 * 16, 23)),
        fixed("kakeya-1x1", Kakeya, 1, 1, vec![7.5]),
        fixed("kakeya-1x33", Kakeya, 4, 33, normal(33, 24)),
        fixed("kakeya-9x33", Kakeya, 5, 33, normal(9 * 33, 25)),
        fixed("kakeya-zeros", Kakeya, 4, 8, with_zeros(12, 8)),
        fixed("kakeya-constant", Kakeya, 2, 7, vec![1e20; 21]),
        fixed("kakeya-centres", Kakeya, 3, 20, clustered((40, 20), 3, 1e-3, 26)),
        fixed("kakeya-protected", Kakeya, 6, 10, normal(14 * 10, 27)),
        fixed("shared-centres", Kakeya, 4, 12, clustered((6, 12), 3, 1e-2, 28)),
    ];
    for case in cases.iter_mut().filter(|case| case.name.ends_with("protected")) {
        case.settings.max_protected = 3;
        case.protect = &[0, 4];
    }
    cases[12].skeleton = Some("shared.kks");
    let each = |case: Case| {
        [(Objective::Mse, "mse"), (Objective::InnerProduct, "ip"), (Objective::LInf, "linf")].map(
            |(objective, suffix)| Case { name: format!("{}-{suffix}", case.name), objective, ..case.clone() },
        )
    };
    cases.into_iter().flat_map(each).collect()
}

/// Rows whose deviations fall from 4 to 0.04 over 19 coordinates.
pub fn falling(n: usize, seed: u64) -> Vec<f32> {
    let mut rows = normal(n * 19, seed);
    let scale = |i: usize| 4.0 * 10_f32.powf(-((i % 19) as f32) / 9.0);
    rows.iter_mut().enumerate().for_each(|(i, x)| *x *= scale(i));
    rows
}

/// Two segments: keys with a rotary embedding, and values.
pub fn joined_layout(pairing: Pairing, raw: [Dtype; 2]) -> Layout {
    let rope = Rope { pairing, inv_freq: vec![1.0, 0.3, 0.01] };
    let keys = Segment { gain: 0.5, raw_dtype: raw[0], rope: Some(rope), ..Segment::new(8) };
    let values = Segment { gain: 3.0, raw_dtype: raw[1], ..Segment::new(5) };
    Layout::new(vec![keys, values]).unwrap()
}

/// Element types, rotary embeddings, gains, positions.
fn joined() -> Vec<Case> {
    let kinds = [
        (Dtype::F32, Dtype::F16, [Dtype::Bf16, Dtype::F32], Pairing::Neox),
        (Dtype::F16, Dtype::F16, [Dtype::F16, Dtype::F16], Pairing::Interleaved),
        (Dtype::Bf16, Dtype::Bf16, [Dtype::Bf16, Dtype::Bf16], Pairing::Neox),
        (Dtype::F16, Dtype::F32, [Dtype::F32, Dtype::F16], Pairing::Interleaved),
    ];
    let mut cases = Vec::new();
    for (index, (from, to, raw, pairing)) in kinds.into_iter().enumerate() {
        for preset in ["turbo", "kakeya", "rdo", "rdo-bits", "rdo-raw-block"] {
            let n = if preset == "rdo-raw-block" { 3 } else { 9 };
            let mut case =
                fixed(&format!("{preset}-joined-{index}"), Preset::Turbo, 4, 13, normal(n * 13, 60));
            (case.types, case.layout) = ((from, to), joined_layout(pairing, raw));
            case.settings.max_protected = 3;
            case.protect = &[1, 8];
            case.settings.preset = if preset == "kakeya" { Preset::Kakeya } else { Preset::Turbo };
            if preset.starts_with("rdo") {
                case.skeleton = Some("joined.kks");
                let step = if preset == "rdo-raw-block" { 1e-7 } else { 0.25 };
                case.settings = Settings { rows_per_run: 4, max_protected: 3, bits: 3.0, ..stepped(step) };
            }
            if preset == "rdo-bits" {
                (case.settings.rate_control, case.settings.step) = (RateControl::Bits, 0.0);
            }
            if preset == "rdo-raw-block" {
                case.protect = &[];
            }
            // Decoded where it was encoded, or elsewhere.
            let positions: Vec<i32> = (0..n as i32).map(|i| 1000 + i * (1 + index as i32 % 2)).collect();
            let shift = if index < 2 { 0 } else { -700 };
            let to = positions.iter().map(|position| position + shift).collect();
            case.positions = Some((positions, to));
            cases.push(case);
        }
    }
    cases
}

/// What else there is at a fixed rate: all widths, types, options.
fn others() -> Vec<Case> {
    use Preset::{Kakeya, Turbo};
    let mut cases: Vec<Case> = (1..=8)
        .map(|bits| fixed(&format!("turbo-{bits}-bits"), Turbo, bits, 12, normal(2 * 12, 70)))
        .collect();
    let mut not_finite = normal(4 * 6, 71);
    (not_finite[7], not_finite[20]) = (f32::NAN, f32::INFINITY);
    cases.push(fixed("turbo-not-finite", Turbo, 4, 6, not_finite));
    cases.push(fixed("turbo-no-checksum", Turbo, 4, 6, normal(2 * 6, 72)));
    cases.push(fixed("turbo-long", Turbo, 1, 1025, normal(1025, 73)));
    cases.push(fixed("turbo-overflow", Turbo, 4, 4, vec![3e38, 6e4, -7e4, 1e5]));
    cases.push(fixed("kakeya-max-rank", Kakeya, 4, 8, normal(12 * 8, 74)));
    let find = |cases: &mut Vec<Case>, name: &str, change: &dyn Fn(&mut Case)| {
        cases.iter_mut().filter(|case| case.name.contains(name)).for_each(change);
    };
    find(&mut cases, "not-finite", &|case| {
        (case.settings.nan_policy, case.settings.max_protected) = (NanPolicy::Raw, 2);
    });
    find(&mut cases, "no-checksum", &|case| case.settings.checksum = false);
    find(&mut cases, "long", &|case| case.types.1 = Dtype::Bf16);
    find(&mut cases, "overflow", &|case| case.types.1 = Dtype::F16);
    find(&mut cases, "max-rank", &|case| (case.settings.max_rank, case.settings.seed) = (3, u64::MAX));
    cases
}

/// All blocks.
pub fn cases() -> Vec<Case> {
    [of_every_distortion(), rdo::cases(), joined(), others()].into_iter().flatten().collect()
}
