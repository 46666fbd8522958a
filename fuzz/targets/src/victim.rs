//! Codecs of every preset and rate control with a block each, and ways to spoil the block.

use kakeyaturbo::ffi::*;
use kakeyaturbo::internals::HEADER_BYTES;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

pub const DIM: usize = 12;
pub const ROWS: usize = 24;

/// A struct as its init function leaves it.
fn defaults<T>(init: unsafe extern "C" fn(*mut T, usize) -> kakeya_status) -> T {
    let mut value = MaybeUninit::zeroed();
    // SAFETY: the memory is as large as the function is told, and zeros are values of these structs.
    unsafe {
        assert_eq!(init(value.as_mut_ptr(), size_of::<T>()), KAKEYA_OK);
        value.assume_init()
    }
}

/// A codec, a workspace for it, and one of its blocks.
pub struct Victim {
    pub codec: *mut kakeya_codec,
    workspace: *mut kakeya_workspace,
    block: Vec<u8>,
}

// SAFETY: objects of the library may be used from any thread, and a workspace says so when it is in use.
unsafe impl Send for Victim {}
// SAFETY: as above.
unsafe impl Sync for Victim {}

fn rows() -> Vec<f32> {
    (0..ROWS * DIM).map(|i| ((i * 7919 + i * i * 31) % 257) as f32 / 64.0 - 2.0).collect()
}

fn view(rows: &[f32]) -> kakeya_view {
    kakeya_view { data: rows.as_ptr().cast(), row_stride: DIM as isize, ..defaults(kakeya_view_init) }
}

impl Victim {
    fn new(params: &kakeya_params, dim: usize) -> Option<Self> {
        let segment = kakeya_segment { dim, ..defaults(kakeya_segment_init) };
        let layout = kakeya_layout { n_segments: 1, segments: &segment, ..defaults(kakeya_layout_init) };
        let (mut codec, mut workspace, mut skeleton) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let rows = rows();
        let views = [view(&rows)];
        let input = kakeya_rows { n_rows: ROWS, views: views.as_ptr(), ..defaults(kakeya_rows_init) };
        // SAFETY: structs whose arrays outlive the calls; objects are used while they live.
        unsafe {
            if params.preset == KAKEYA_PRESET_RDO {
                let mut fitter = ptr::null_mut();
                assert_eq!(kakeya_fitter_create(params, &layout, &mut fitter), KAKEYA_OK);
                assert_eq!(kakeya_fitter_add_rows(fitter, &input), KAKEYA_OK);
                assert_eq!(kakeya_fitter_finish(fitter, ptr::null_mut(), 0, &mut skeleton), KAKEYA_OK);
                kakeya_fitter_free(fitter);
            }
            let status = kakeya_codec_create(params, &layout, skeleton, &mut codec);
            kakeya_skeleton_free(skeleton);
            if status != KAKEYA_OK {
                return None;
            }
            assert_eq!(kakeya_workspace_create(codec, ROWS, &mut workspace), KAKEYA_OK);
        }
        let mut victim = Self { codec, workspace, block: Vec::new() };
        victim.block = victim.encode(&rows).expect("honest rows have a block");
        Some(victim)
    }

    pub fn encode(&self, rows: &[f32]) -> Result<Vec<u8>, kakeya_status> {
        let (mut bound, mut written, n_rows) = (0, 0, rows.len() / DIM);
        let views = [view(rows)];
        let input = kakeya_rows { n_rows, views: views.as_ptr(), ..defaults(kakeya_rows_init) };
        // SAFETY: as in `new`; the destination has the size that is told.
        unsafe {
            assert_eq!(kakeya_encode_bound(self.codec, n_rows, &mut bound), KAKEYA_OK);
            let mut block = vec![0; bound];
            let dst = block.as_mut_ptr().cast();
            match kakeya_encode(self.codec, self.workspace, &input, dst, bound, &mut written) {
                KAKEYA_OK => block.truncate(written),
                status => return Err(status),
            }
            Ok(block)
        }
    }

    /// Decodes `n_rows` rows from `first` on, or all; what is written, and the status.
    pub fn decode(&self, block: &[u8], first: Option<usize>, n_rows: usize) -> (kakeya_status, Vec<f32>) {
        let mut rows = vec![0.0_f32; n_rows * DIM];
        let data = rows.as_mut_ptr().cast();
        let view = kakeya_view_mut { data, row_stride: DIM as isize, ..defaults(kakeya_view_mut_init) };
        let output = kakeya_rows_mut { n_rows, views: &view, ..defaults(kakeya_rows_mut_init) };
        let (src, len) = (block.as_ptr().cast(), block.len());
        // SAFETY: as in `new`.
        let status = unsafe {
            match first {
                None => kakeya_decode(self.codec, self.workspace, src, len, &output),
                Some(first) => {
                    kakeya_decode_rows(self.codec, self.workspace, src, len, first, n_rows, &output)
                }
            }
        };
        assert_ne!(status, KAKEYA_ERR_PANIC);
        (status, rows)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // SAFETY: it alone owns them.
        unsafe {
            kakeya_workspace_free(self.workspace);
            kakeya_codec_free(self.codec);
        }
    }
}

/// The parameters that a byte stands for: every preset and rate control, without a checksum of the body.
fn params(option: u8) -> kakeya_params {
    let plain = kakeya_params { kmeans_k: 2, checksum: 0, ..defaults(kakeya_params_init) };
    let rdo = kakeya_params {
        preset: KAKEYA_PRESET_RDO,
        rate_control: KAKEYA_RATE_CONTROL_STEP,
        step: 0.1,
        rows_per_run: 5,
        ..plain
    };
    match option % 8 {
        0 => kakeya_params { preset: KAKEYA_PRESET_TURBO, bits: 3.0, ..plain },
        1 => kakeya_params { preset: KAKEYA_PRESET_TURBO, bits: 8.0, max_protected: 2, ..plain },
        2 => kakeya_params { preset: KAKEYA_PRESET_KAKEYA, bits: 2.0, ..plain },
        3 => kakeya_params {
            preset: KAKEYA_PRESET_KAKEYA,
            distortion: KAKEYA_DISTORTION_INNER_PRODUCT,
            ..plain
        },
        4 => rdo,
        5 => kakeya_params { effort: 1, ..rdo },
        6 => kakeya_params {
            rate_control: KAKEYA_RATE_CONTROL_BITS,
            step: 0.0,
            bits: 2.5,
            rows_per_run: plain.rows_per_run,
            ..rdo
        },
        _ => kakeya_params { kmeans_k: 0, step: 0.01, ..rdo },
    }
}

/// One for every option.
pub fn victims() -> &'static [Victim] {
    static VICTIMS: OnceLock<Vec<Victim>> = OnceLock::new();
    VICTIMS.get_or_init(|| (0..8).map(|option| Victim::new(&params(option), DIM).expect("a codec")).collect())
}

/// A block of a victim, as the input wants it spoilt: its own bytes; an honest header before them; or single bytes of an
/// honest block replaced. The header's checksum is mended in the last two.
pub fn spoilt(data: &[u8]) -> Option<(&'static Victim, Vec<u8>, &[u8])> {
    let (&[option, mode, a, b], rest) = data.split_first_chunk::<4>()?;
    let victim = &victims()[usize::from(option % 8)];
    let mut block = match mode % 3 {
        0 => return Some((victim, rest.to_vec(), &data[2..4])),
        1 => [&victim.block[..HEADER_BYTES.min(victim.block.len())], rest].concat(),
        _ => {
            let mut block = victim.block.clone();
            for edit in rest.as_chunks::<3>().0 {
                let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % block.len();
                block[at] = edit[2];
            }
            block.truncate(block.len() - (usize::from(a) + usize::from(b) * 256) % block.len().min(512));
            block
        }
    };
    if block.len() >= HEADER_BYTES {
        let crc = crc32fast::hash(&block[..HEADER_BYTES - 4]);
        block[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
    Some((victim, block, &data[2..4]))
}
