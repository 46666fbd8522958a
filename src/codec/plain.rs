//! The kernel over plain slices: what the codec does, without tensors, headers or checksums.
//!
//! For experiments, and for callers who have a container of their own. Only turbo and kakeya: rdo shares a
//! skeleton between blocks, and the bits of its rows need a block to lie in.

use super::check::check_bound;
use super::coder::RDO_NEEDS_A_SKELETON;
use crate::distortion::Distortion;
use crate::error::{Count, Error, Result, try_reserve, try_vec};
use crate::fit::fit_block;
use crate::fixed::grid::Grid;
use crate::fixed::kernel::{Kernel, RowScratch};
use crate::fixed::rotation::Rotation;
use crate::format::RowCode;
use crate::params::{Params, Preset};
use crate::skeleton::{Frame, Skeleton};
use crate::tensor::layout::MAX_DIM;
use crate::tensor::rows::{check_finite, check_weights};
use crate::vector::pack::{BitPacker, bytes_for};
use crate::vector::tier::{best, dispatch};
use fearless_simd::Simd;

/// Encoded rows: what is stored of each, and the symbols of all of them. The skeleton is not part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    /// The distortion that chose the scales. Decoding does not depend on it; it is kept to notice a mix-up.
    distortion: u8,
    bits: u8,
    /// Seed of the rotation.
    seed: u64,
    rows: Vec<RowCode>,
    /// Packed symbols of all rows.
    symbols: Vec<u8>,
}

impl Codes {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// Bits per component.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The packed symbols, [`Codes::bits`] bits per component, least significant bit first.
    pub fn symbols(&self) -> &[u8] {
        &self.symbols
    }
}

/// Fits a skeleton to the rows, if the preset has one, and encodes them with it.
///
/// `vectors` is row-major `[n, d]` and finite, `weights` has `n` entries, finite and not below 0. Rows of
/// weight 0 do not count in the fit; if all weights are 0, all rows count alike.
///
/// # Errors
/// [`Error::BadShape`], [`Error::BadWeight`], [`Error::NotFinite`], [`Error::BadParam`] or
/// [`Error::Unsupported`] for arguments that do not fit; [`Error::BoundNotMet`], [`Error::NotConverged`],
/// [`Error::OutOfRange`], [`Error::OutOfMemory`].
pub fn encode_block<R: Distortion>(
    vectors: &[f32],
    weights: &[f32],
    d: usize,
    params: &Params,
) -> Result<(Skeleton, Codes)> {
    let n = weights.len();
    if d == 0 || d > crate::tensor::layout::MAX_DIM {
        return Err(Error::BadShape { what: "d", got: d, expected: Count::UpTo(MAX_DIM) });
    }
    if n == 0 || n.checked_mul(d) != Some(vectors.len()) {
        return Err(Error::BadShape {
            what: "number of values",
            got: vectors.len(),
            expected: Count::Is(n.saturating_mul(d)),
        });
    }
    check_weights(weights)?;
    check_finite(vectors, d)?;
    check_bound(params, R::NORM_MODE)?;
    let skeleton = match params.settings().preset {
        Preset::Turbo => Skeleton::identity(d),
        Preset::Rdo => return Err(RDO_NEEDS_A_SKELETON),
        Preset::Kakeya if weights.iter().all(|&weight| weight == 0.0) => {
            fit_block(vectors, &try_vec(n, 1.0, "the weights")?, d, params)?.0
        }
        Preset::Kakeya => fit_block(vectors, weights, d, params)?.0,
    };
    let seed = params.settings().seed;
    let rotation = Rotation::new(skeleton.rank(), seed)?;
    let grid = Grid::uniform(params.bits());
    let units = try_vec(d, 1.0, "the codes")?;
    // No tensors: coordinates have unit 1, and nothing turns them.
    let mut partners = try_reserve(d, "the codes")?;
    partners.extend((0..d).map(|i| i as u16));
    let frame = Frame { skeleton: &skeleton, units: &units, partners: &partners };
    let kernel = Kernel { frame, rotation: &rotation, grid: &grid };
    let overflow = Error::OutOfRange { what: "the codes" };
    let size = n.checked_mul(skeleton.rank()).and_then(|count| bytes_for(count, params.bits()));
    let mut codes = Codes {
        distortion: R::ID,
        bits: params.bits(),
        seed,
        rows: try_reserve(n, "the codes")?,
        symbols: try_vec(size.ok_or(overflow)?, 0, "the codes")?,
    };
    let bound = f64::from(params.settings().max_abs_error);
    dispatch!(best(), simd => encode_rows::<_, R>(simd, &kernel, vectors, bound, &mut codes))?;
    Ok((skeleton, codes))
}

/// Encodes all rows into `codes`, whose symbols have the final size.
///
/// # Errors
/// [`Error::BoundNotMet`] for the first row that misses the bound: there is nowhere to store it raw.
/// [`Error::OutOfMemory`]
#[inline(always)]
fn encode_rows<S: Simd, R: Distortion>(
    simd: S,
    kernel: &Kernel<'_>,
    vectors: &[f32],
    bound: f64,
    codes: &mut Codes,
) -> Result<()> {
    let (d, rank) = (kernel.frame.skeleton.dim(), kernel.frame.skeleton.rank());
    let mut scratch = RowScratch::new(d)?;
    let (mut at, mut packer) = (0, BitPacker::default());
    for x in vectors.chunks_exact(d) {
        let (code, error) = kernel.encode::<_, R>(simd, x, &mut scratch);
        if bound > 0.0 && error.absolute > bound {
            return Err(Error::BoundNotMet { row: codes.rows.len(), got: error.absolute, bound });
        }
        codes.rows.push(code);
        at += kernel.grid.push(&mut packer, &scratch.symbols[..rank], &mut codes.symbols[at..]);
    }
    if let Some(byte) = packer.finish() {
        codes.symbols[at] = byte;
    }
    Ok(())
}

/// Decodes what [`encode_block`] returned, to rows `[n, d]`.
///
/// # Errors
/// [`Error::WrongCodec`] for codes of another distortion, or if rank or number of centres of the skeleton do
/// not fit them; [`Error::OutOfMemory`].
pub fn decode_block<R: Distortion>(skeleton: &Skeleton, codes: &Codes) -> Result<Vec<f32>> {
    if codes.distortion != R::ID {
        let (got, want) = (u64::from(codes.distortion), u64::from(R::ID));
        return Err(Error::WrongCodec { what: "distortion", got, want });
    }
    let (n, d, rank) = (codes.rows.len(), skeleton.dim(), skeleton.rank());
    let wrong =
        |what, got: usize, want: usize| Error::WrongCodec { what, got: got as u64, want: want as u64 };
    let size = n.checked_mul(rank).and_then(|count| bytes_for(count, codes.bits));
    if size != Some(codes.symbols.len()) {
        return Err(wrong("number of symbols", codes.symbols.len(), size.unwrap_or(0)));
    }
    let centres = skeleton.n_centres();
    if let Some(code) = codes.rows.iter().find(|code| code.reach != 0 && usize::from(code.centre) >= centres)
    {
        return Err(wrong("centre of a row", usize::from(code.centre), centres));
    }
    let rotation = Rotation::new(rank, codes.seed)?;
    let grid = Grid::uniform(codes.bits);
    // Units and partners are for measuring errors, which decoding does not do.
    let frame = Frame { skeleton, units: &[], partners: &[] };
    let kernel = Kernel { frame, rotation: &rotation, grid: &grid };
    let mut scratch = RowScratch::new(d)?;
    let mut vectors = try_vec(n * d, 0.0, "the rows")?;
    dispatch!(best(), simd => {
        for (i, (x, &code)) in vectors.chunks_exact_mut(d).zip(&codes.rows).enumerate() {
            let symbols = &mut scratch.symbols[..rank];
            grid.unpack(&codes.symbols, i, symbols);
            kernel.decode(simd, (code, symbols), [&mut scratch.q, &mut scratch.back], x);
        }
    });
    Ok(vectors)
}
