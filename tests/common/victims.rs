//! Codecs with a block each, for tests that damage the block.

use super::blocks::{
    HEADER_BYTES, RAW_HEADER_BYTES, Side, decode_rows, encode, fit, of_layout, stepped, with_views,
};
use super::{clustered, normal};
use kakeyaturbo::Dtype;
use kakeyaturbo::{Codec, Error, Objective, Pairing, Preset, Rope, RowsMut, Settings, Workspace, verify};
use kakeyaturbo::{Layout, Segment};

pub const ROWS: usize = 16;
pub const DIM: usize = 10;
pub const POSITIONS: [i32; ROWS] = [5; ROWS];

/// A codec and one of its blocks.
pub struct Victim {
    pub codec: Codec,
    pub block: Vec<u8>,
}

/// Bytes of a raw row with its slot, and of the slots that a block of fixed rate reserves.
pub const RAW_ROW: usize = 8 + 4 * 2 + (DIM - 4) * 4;
pub const SLOTS: usize = 3;

/// A block of each preset: with protected rows and positions, that of kakeya with a skeleton and centres, that of
/// rdo with weights, centres and runs of five rows.
pub fn victims(checksum: bool) -> [Victim; 3] {
    let rope = Some(Rope { pairing: Pairing::Interleaved, inv_freq: vec![0.3, 0.01] });
    let segments = vec![Segment { rope, raw_dtype: Dtype::F16, ..Segment::new(4) }, Segment::new(DIM - 4)];
    let layout = Layout::new(segments).unwrap();
    [Preset::Turbo, Preset::Kakeya, Preset::Rdo].map(|preset| {
        let rdo = preset == Preset::Rdo;
        let mut settings = Settings {
            preset,
            bits: 3.0,
            kmeans_k: 3,
            variance_ratio: 0.9,
            max_protected: SLOTS,
            checksum,
            ..Settings::default()
        };
        if rdo {
            settings = Settings { kmeans_k: 5, rows_per_run: 5, checksum, ..stepped(0.02) };
        }
        let mut protect = [0; ROWS];
        (protect[2], protect[9]) = (1, 1);
        let weights: Vec<f32> = (0..ROWS).map(|i| 1.0 + i as f32).collect();
        let side = Side {
            positions: Some(&POSITIONS),
            protect: Some(&protect),
            weights: rdo.then_some(&weights[..]),
        };
        // Few directions and little noise: one centre for all rows pays for itself.
        let rows = clustered((ROWS, DIM), if rdo { 5 } else { 1 }, 1e-4, 3);
        // Fitted to more rows along the same directions.
        let sample = clustered((200, DIM), 5, 1e-4, 3);
        let at = Side { positions: Some(&[5; 200]), ..Side::default() };
        let skeleton = rdo.then(|| fit(&settings, &layout, &sample, at).0);
        let codec = of_layout(settings, Objective::Mse, layout.clone(), skeleton);
        let block = encode(&codec, &rows, side).unwrap();
        let header = verify(&block).unwrap();
        assert_eq!((header.n_protected, header.n_centres > 0), (2, preset != Preset::Turbo));
        Victim { codec, block }
    })
}

impl Victim {
    /// Where the slots begin: at fixed rate after all that are reserved, at a fixed step after those in use.
    pub fn slots(&self) -> usize {
        self.block.len() - verify(&self.block).unwrap().slots as usize * RAW_ROW
    }

    /// The results of all that reads a block.
    pub fn read(&self, bytes: &[u8]) -> [Result<Vec<f32>, Error>; 4] {
        let mut workspace = Workspace::new(&self.codec, ROWS).unwrap();
        let mut back = vec![0.0; ROWS * DIM];
        let whole = with_views(self.codec.layout(), &mut back, |views| {
            let rows = RowsMut { n: ROWS, views, positions: Some(&POSITIONS) };
            self.codec.decode(&mut workspace, bytes, &rows)
        });
        [
            verify(bytes).map(|_| Vec::new()),
            self.codec.verify(bytes).map(|_| Vec::new()),
            whole.map(|_| back),
            decode_rows(&self.codec, &mut workspace, bytes, (3, 2), Some(&POSITIONS[..2])),
        ]
    }
}

/// The header with a checksum that fits it.
pub fn seal(block: &mut [u8]) {
    let crc = crc32fast::hash(&block[..HEADER_BYTES - 4]);
    block[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}

pub fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A block of rdo that is stored raw as a whole.
pub fn raw_victim(checksum: bool) -> Victim {
    let settings = Settings { checksum, ..stepped(1e-12) };
    let rope = Some(Rope { pairing: Pairing::Neox, inv_freq: vec![0.3] });
    let layout = Layout::new(vec![Segment { rope, ..Segment::new(DIM) }]).unwrap();
    let positions: Vec<i32> = POSITIONS.to_vec();
    let (rows, side) = (normal(ROWS * DIM, 7), Side { positions: Some(&positions), ..Side::default() });
    let skeleton = fit(&settings, &layout, &rows, side).0;
    let codec = of_layout(settings, Objective::Mse, layout, Some(skeleton));
    let block = encode(&codec, &rows, side).unwrap();
    assert_eq!(block.len(), RAW_HEADER_BYTES + ROWS * (4 + 4 * DIM));
    Victim { codec, block }
}
