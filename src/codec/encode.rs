//! A block from the rows of engine tensors.

use super::angles::Turn;
use super::group::{self, GROUP, Group};
use super::row::{Kernel, RowCode, RowError, Scratch};
use super::workspace::Own;
use super::{Codec, Objective, Rows, Workspace};
use crate::distortion::{Distortion, InnerProduct, LInf, MSE};
use crate::error::{Count, Error, Result};
use crate::format::block::{FLAG_POSITIONS, HEADER_BYTES, Header, Sections};
use crate::format::bytes::Section;
use crate::pack::BitPacker;
use crate::quantize::Grid;
use crate::simd::dispatch;
use crate::skeleton::{fit_block, index_bits};
use crc32fast::Hasher;
use fearless_simd::Simd;

impl Codec {
    /// Encodes `rows` to the start of `dst` and returns the size of the block. `dst` is written, never read.
    ///
    /// Allocates nothing, except where the block brings its own skeleton.
    pub fn encode(&self, workspace: &mut Workspace, rows: &Rows<'_>, dst: &mut [u8]) -> Result<usize> {
        match self.objective {
            Objective::Mse => self.encode_for::<MSE>(workspace, rows, dst),
            Objective::InnerProduct => self.encode_for::<InnerProduct>(workspace, rows, dst),
            Objective::LInf => self.encode_for::<LInf>(workspace, rows, dst),
        }
    }

    fn encode_for<R: Distortion>(
        &self,
        workspace: &mut Workspace,
        rows: &Rows<'_>,
        dst: &mut [u8],
    ) -> Result<usize> {
        let dim = self.layout.dim();
        if rows.n == 0 {
            return Err(Error::BadShape { what: "number of rows", got: 0, expected: Count::AtLeast(1) });
        }
        workspace.check(self, rows.n, self.largest_skeleton(rows.n))?;
        workspace.turn.reset();
        rows.check(&self.layout)?;
        if let Some((stepper, transform)) = &self.stepped {
            return self.encode_runs::<R>((stepper, transform), workspace, rows, dst);
        }
        let Workspace { row, scratch, bytes, own, turn, group, .. } = workspace;
        let row = &mut row[..dim];
        let kernel = match (self.skeleton.as_deref(), own) {
            (Some(skeleton), _) => self.shared_kernel(skeleton),
            (None, own) => {
                let own = own.as_mut().expect("the workspace was checked");
                dispatch!(self.tier.level(), simd => self.fit(simd, rows, row, turn, own))?;
                let kernel = self.shared_kernel(&own.skeleton);
                Kernel { rotation: &own.rotation, ..kernel }
            }
        };
        let skeleton = kernel.skeleton;
        let mut header = self.header(rows.n, skeleton.rank(), skeleton.n_centres())?;
        let (need, got) = (header.bytes as usize, dst.len());
        let dst = dst.get_mut(..need).ok_or(Error::DstTooSmall { need, got })?;
        let (head, mut payload) = dst.split_at_mut(HEADER_BYTES);
        let mut writer = Writer::new(&header, kernel.grid, &mut payload);
        if self.skeleton.is_none() {
            skeleton.write_parts(|part| writer.skeleton.put(part));
        }
        let mut tally = Tally::default();
        let pass = Pass { codec: self, kernel, rows };
        let room = Room { row, scratch, bytes, turn };
        if group::applies::<R>(&pass.kernel) {
            dispatch!(self.tier.level(), simd => pass.run_groups::<_, R>(simd, room, group, &mut writer, &mut tally))?;
        } else {
            dispatch!(self.tier.level(), simd => pass.run::<_, R>(simd, room, &mut writer, &mut tally))?;
        }
        header.n_protected = tally.protected as u32;
        header.payload_crc = writer.finish();
        header.certified_error = tally.certificate(self.objective);
        header.write(head);
        Ok(need)
    }

    /// Fits the block's own skeleton to its rows, those that will be stored raw left out.
    #[inline(always)]
    fn fit<S: Simd>(
        &self,
        simd: S,
        rows: &Rows<'_>,
        row: &mut [f32],
        turn: &mut Turn,
        own: &mut Own,
    ) -> Result<()> {
        let dim = self.layout.dim();
        let block = &mut own.rows[..rows.n * dim];
        let weights = &mut own.weights[..rows.n];
        for (i, (to, weight)) in block.chunks_exact_mut(dim).zip(weights.iter_mut()).enumerate() {
            if self.assembly().load(simd, rows, i, row, turn)? {
                to.copy_from_slice(row);
                *weight = rows.weight(i);
            } else {
                to.fill(0.0);
                *weight = 0.0;
            }
        }
        if weights.iter().all(|&weight| weight == 0.0) {
            weights.fill(1.0);
        }
        let (fitted, _) = fit_block(block, weights, dim, &self.params)?;
        own.skeleton.assign(&fitted);
        own.rotation.redraw(fitted.rank(), self.params.settings().seed);
        Ok(())
    }
}

/// The payload of a block under construction.
struct Writer<'a> {
    skeleton: Section<'a>,
    scales: Section<'a>,
    reaches: Section<'a>,
    indices: Section<'a>,
    symbols: Section<'a>,
    slots: Section<'a>,
    raw: Section<'a>,
    packed_indices: BitPacker,
    packed_symbols: BitPacker,
    grid: &'a Grid,
    /// Bits of a centre index.
    index_bits: u8,
    has_reaches: bool,
    has_positions: bool,
}

impl<'a> Writer<'a> {
    fn new(header: &Header, grid: &'a Grid, payload: &mut &'a mut [u8]) -> Self {
        let sections = Sections::of(header).expect("the size of the block was computed from them");
        let checksum = header.has(crate::format::block::FLAG_CHECKSUM);
        let mut split = |range: std::ops::Range<usize>| Section::split(payload, range.len(), checksum);
        Self {
            skeleton: split(sections.skeleton),
            scales: split(sections.scales),
            reaches: split(sections.reaches),
            indices: split(sections.indices),
            symbols: split(sections.symbols),
            slots: split(sections.slots),
            raw: split(sections.raw),
            packed_indices: BitPacker::default(),
            packed_symbols: BitPacker::default(),
            grid,
            index_bits: index_bits(usize::from(header.n_centres).max(1)),
            has_reaches: header.n_centres > 0,
            has_positions: header.has(FLAG_POSITIONS),
        }
    }

    #[inline(always)]
    fn row(&mut self, code: RowCode, symbols: &[u8], bytes: &mut [u8]) {
        self.scales.put(&code.scale.to_le_bytes());
        if self.has_reaches {
            self.reaches.put(&[code.reach]);
        }
        if self.index_bits > 0 {
            let len = self.packed_indices.push(&[code.centre], self.index_bits, bytes);
            self.indices.put(&bytes[..len]);
        }
        let len = self.grid.push(&mut self.packed_symbols, symbols, bytes);
        self.symbols.put(&bytes[..len]);
    }

    /// As [`Writer::row`], of several rows without centres; `packed` has room for their symbols.
    #[inline(always)]
    fn rows(&mut self, codes: &[RowCode], (symbols, packed): (&[u8], &mut [u8])) {
        let mut scales = [[0; 2]; GROUP];
        for (scale, code) in scales.iter_mut().zip(codes) {
            *scale = code.scale.to_le_bytes();
        }
        self.scales.put(scales[..codes.len()].as_flattened());
        let len = self.grid.push(&mut self.packed_symbols, symbols, packed);
        self.symbols.put(&packed[..len]);
    }

    fn slot(&mut self, row: u32, position: Option<i32>) {
        self.slots.put(&row.to_le_bytes());
        if self.has_positions {
            self.slots.put(&position.unwrap_or(0).to_le_bytes());
        }
    }

    /// Fills up what was reserved and not used; returns the checksum of the payload, 0 if none is wanted.
    fn finish(mut self) -> u32 {
        if let Some(byte) = self.packed_indices.finish() {
            self.indices.put(&[byte]);
        }
        if let Some(byte) = self.packed_symbols.finish() {
            self.symbols.put(&[byte]);
        }
        let mut checksum = Hasher::new();
        for section in [self.skeleton, self.scales, self.reaches, self.indices, self.symbols] {
            section.finish(0, &mut checksum);
        }
        self.slots.finish(0xFF, &mut checksum);
        self.raw.finish(0, &mut checksum);
        checksum.finalize()
    }
}

/// What is summed over the rows of a block.
#[derive(Debug, Default)]
pub(super) struct Tally {
    energy: f64,
    squared: f64,
    absolute: f64,
    protected: usize,
}

impl Tally {
    #[inline(always)]
    pub fn add(&mut self, weight: f32, error: RowError) {
        self.energy += f64::from(weight) * error.energy;
        self.squared += f64::from(weight) * error.squared;
        self.absolute = self.absolute.max(error.absolute);
    }

    /// What the header states; rounded up, so that the error is never larger.
    pub fn certificate(&self, objective: Objective) -> f32 {
        let exact = match objective {
            Objective::LInf => self.absolute,
            _ if self.energy > 0.0 => self.squared / self.energy,
            // Rows without energy, or without weight.
            _ => 0.0,
        };
        let rounded = exact as f32;
        if f64::from(rounded) < exact { rounded.next_up() } else { rounded }
    }
}

/// Scratch of a pass.
struct Room<'a> {
    row: &'a mut [f32],
    scratch: &'a mut Scratch,
    bytes: &'a mut [u8],
    turn: &'a mut Turn,
}

/// One pass over the rows of a block.
struct Pass<'a> {
    codec: &'a Codec,
    kernel: Kernel<'a>,
    rows: &'a Rows<'a>,
}

impl Pass<'_> {
    #[inline(always)]
    fn run<S: Simd, R: Distortion>(
        &self,
        simd: S,
        Room { row, scratch, bytes, turn }: Room<'_>,
        writer: &mut Writer<'_>,
        tally: &mut Tally,
    ) -> Result<()> {
        let bound = f64::from(self.codec.params.settings().max_abs_error);
        for i in 0..self.rows.n {
            let mut code = RowCode::default();
            if !self.codec.assembly().load(simd, self.rows, i, row, turn)? {
                scratch.symbols.fill(0);
                self.store_raw(simd, i, row, bytes, writer, tally)?;
            } else {
                let error;
                (code, error) = self.kernel.encode::<S, R>(simd, row, scratch);
                if bound > 0.0 && error.absolute > bound {
                    return Err(Error::BoundNotMet { row: i, got: error.absolute, bound });
                }
                tally.add(self.rows.weight(i), error);
            }
            writer.row(code, &scratch.symbols[..self.kernel.skeleton.rank()], bytes);
        }
        Ok(())
    }

    /// As [`Pass::run`], several rows at a time.
    #[inline(always)]
    fn run_groups<S: Simd, R: Distortion>(
        &self,
        simd: S,
        Room { row, scratch, bytes, turn }: Room<'_>,
        group: &mut Group,
        writer: &mut Writer<'_>,
        tally: &mut Tally,
    ) -> Result<()> {
        let dim = row.len();
        for first in (0..self.rows.n).step_by(GROUP) {
            let count = GROUP.min(self.rows.n - first);
            let mut chosen = [false; GROUP];
            let mut coded = [(RowCode::default(), RowError::default()); GROUP];
            for (r, chosen) in chosen.iter_mut().enumerate().take(count) {
                let i = first + r;
                self.codec.assembly().fill(simd, self.rows, i, group.row(r, dim), turn);
                *chosen = !self.rows.is_protected(i);
            }
            group::encode::<S, R>(&self.kernel, simd, group, &mut chosen, &mut coded);
            for r in 0..count {
                let i = first + r;
                if chosen[r] {
                    tally.add(self.rows.weight(i), coded[r].1);
                    continue;
                }
                match self.encode_unusual::<S, R>(simd, i, (row, scratch, turn))? {
                    Some(code) => {
                        coded[r] = code;
                        tally.add(self.rows.weight(i), code.1);
                    }
                    None => {
                        scratch.symbols.fill(0);
                        self.store_raw(simd, i, row, bytes, writer, tally)?;
                    }
                }
                group.symbols(r, dim).copy_from_slice(&scratch.symbols[..dim]);
            }
            writer.rows(&coded.map(|(code, _)| code)[..count], group.finished(count, dim));
        }
        Ok(())
    }

    /// Encodes a row that a group leaves out; `None` where it is to be stored raw. A function of its own: it is rarely called,
    /// and large.
    #[inline(never)]
    fn encode_unusual<S: Simd, R: Distortion>(
        &self,
        simd: S,
        i: usize,
        (row, scratch, turn): (&mut [f32], &mut Scratch, &mut Turn),
    ) -> Result<Option<(RowCode, RowError)>> {
        simd.vectorize(
            #[inline(always)]
            || {
                let coded = self.codec.assembly().load(simd, self.rows, i, row, turn)?;
                Ok(if coded { Some(self.kernel.encode::<S, R>(simd, row, scratch)) } else { None })
            },
        )
    }

    fn store_raw<S: Simd>(
        &self,
        simd: S,
        i: usize,
        row: &mut [f32],
        bytes: &mut [u8],
        writer: &mut Writer<'_>,
        tally: &mut Tally,
    ) -> Result<()> {
        let slots = self.codec.params.settings().max_protected;
        if tally.protected == slots {
            return Err(Error::NoRawSlot { row: i, slots });
        }
        tally.protected += 1;
        writer.slot(i as u32, self.rows.positions.map(|positions| positions[i]));
        self.codec.assembly().put_raw(simd, self.rows, i, row, bytes, &mut writer.raw);
        Ok(())
    }
}
