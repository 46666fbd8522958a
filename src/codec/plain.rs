//! The kernel over plain slices: what the codec does, without tensors, headers or checksums.

use super::check_bound;
use super::row::{Kernel, RowCode, Scratch, check_finite, check_weights};
use crate::distortion::Distortion;
use crate::error::{Count, Error, Result, try_reserve, try_vec};
use crate::pack::{BitPacker, bytes_for};
use crate::params::{Params, Preset};
use crate::quantize::Grid;
use crate::rotation::Rotation;
use crate::simd::dispatch;
use crate::skeleton::{Skeleton, fit_block};
use fearless_simd::Level;

/// What is stored per row, as parallel arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    /// Which distortion chose the scales.
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

    /// The packed symbols, [`Codes::bits`] bits a component, least significant bit first.
    pub fn symbols(&self) -> &[u8] {
        &self.symbols
    }
}

/// Fits a skeleton to the rows, if the preset has one, and encodes them with it.
///
/// `vectors` is row-major `[n, d]` and finite, `weights` has `n` entries, finite and not below 0. Rows of
/// weight 0 do not count in the fit; if all weights are 0, all rows count alike.
pub fn encode_block<R: Distortion>(
    vectors: &[f32],
    weights: &[f32],
    d: usize,
    params: &Params,
) -> Result<(Skeleton, Codes)> {
    let n = weights.len();
    if d == 0 || d > crate::layout::MAX_DIM {
        return Err(Error::BadShape { what: "d", got: d, expected: Count::UpTo(crate::layout::MAX_DIM) });
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
        Preset::Rdo => {
            return Err(Error::Unsupported { what: "rdo without a skeleton", why: "its blocks share one" });
        }
        Preset::Kakeya if weights.iter().all(|&weight| weight == 0.0) => {
            fit_block(vectors, &try_vec(n, 1.0, "the weights")?, d, params)?.0
        }
        Preset::Kakeya => fit_block(vectors, weights, d, params)?.0,
    };
    let seed = params.settings().seed;
    let rotation = Rotation::new(skeleton.rank(), seed)?;
    let grid = Grid::uniform(params.bits());
    let units = try_vec(d, 1.0, "the codes")?;
    let mut partners = try_reserve(d, "the codes")?;
    partners.extend((0..d).map(|i| i as u16));
    let kernel =
        Kernel { skeleton: &skeleton, rotation: &rotation, grid: &grid, units: &units, partners: &partners };
    let mut scratch = Scratch::new(d)?;
    let rank = skeleton.rank();
    let overflow = Error::OutOfRange { what: "the codes" };
    let size = n.checked_mul(rank).and_then(|count| bytes_for(count, params.bits())).ok_or(overflow)?;
    let mut rows = try_reserve(n, "the codes")?;
    let mut symbols = try_vec(size, 0, "the codes")?;
    let (mut at, mut packer) = (0, BitPacker::default());
    for x in vectors.chunks_exact(d) {
        let (code, error) = dispatch!(Level::new(), simd => kernel.encode::<_, R>(simd, x, &mut scratch));
        let bound = f64::from(params.settings().max_abs_error);
        if bound > 0.0 && error.absolute > bound {
            return Err(Error::BoundNotMet { row: rows.len(), got: error.absolute, bound });
        }
        rows.push(code);
        at += grid.push(&mut packer, &scratch.symbols[..rank], &mut symbols[at..]);
    }
    if let Some(byte) = packer.finish() {
        symbols[at] = byte;
    }
    Ok((skeleton, Codes { distortion: R::ID, bits: params.bits(), seed, rows, symbols }))
}

/// The rows `[n, d]` that [`encode_block`] encoded, as close as its codes say.
///
/// Codes of another distortion, or of a skeleton with another rank, are an error.
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
    let kernel = Kernel { skeleton, rotation: &rotation, grid: &grid, units: &[], partners: &[] };
    let mut scratch = Scratch::new(d)?;
    let mut vectors = try_vec(n * d, 0.0, "the rows")?;
    for (i, (x, &code)) in vectors.chunks_exact_mut(d).zip(&codes.rows).enumerate() {
        let symbols = &mut scratch.symbols[..rank];
        grid.unpack(&codes.symbols, i, symbols);
        dispatch!(Level::new(), simd => kernel.decode(simd, (code, symbols), [&mut scratch.q, &mut scratch.back], x));
    }
    Ok(vectors)
}
