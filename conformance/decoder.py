"""Blocks decoded in binary32, in the order of docs/FORMAT.md: bit for bit what the library decodes, up to the sines and
cosines of rotary embeddings."""

import dataclasses
import pathlib

import numpy as np

import allocation
import blocks
import chacha8
import rate
import stepped
import transform
import trellis
from malformed import WRONG_CODEC, require

LEVELS = np.loadtxt(pathlib.Path(__file__).resolve().parents[1] / "docs" / "lloyd-max.tsv", skiprows=1)
LARGEST = np.finfo(np.float32).max
QUARTERS = np.array([1, 1.1892071, 1.4142135, 1.6817929], np.float32)
EIGHTHS = np.array(
    [1, 1.0905077, 1.1892071, 1.2968396, 1.4142135, 1.5422108, 1.6817929, 1.8340081], np.float32
)
BITS, STEP, MAX_BYTES = 0, 1, 2  # rate control
TURBO, KAKEYA, RDO = 0, 1, 2  # preset
WIDE = -1  # the way of a row; else by how many octaves its points are coarser


def levels(bits):
    """The levels of `bits` bits in ascending order."""
    positive = LEVELS[LEVELS[:, 0] == bits, 2].astype(np.float32)
    return np.concatenate([-positive[::-1], positive])


def powers(exponents):
    """Powers of two, as binary32."""
    return np.ldexp(np.float32(1), np.asarray(exponents, np.int32)).astype(np.float32)


def units(peaks):
    """The powers of two in whose units rows with these largest magnitudes are worked on."""
    peaks = np.asarray(peaks, np.float32)
    usual = (peaks == 0) | ((peaks >= np.float32(1e-15)) & (peaks <= np.float32(1e15)))
    exponents = np.clip((peaks.view(np.uint32) >> np.uint32(23)) & np.uint32(0xFF), 1, 253).astype(np.uint32)
    return np.where(usual, np.float32(1), (exponents << np.uint32(23)).view(np.float32))


def reaches(codes, reach):
    """How far rows go along their centres."""
    size = (codes & 0x7F).astype(np.int64)
    octaves = -(-(127 - size) // 8)
    t = (float(np.float32(reach)) * EIGHTHS[8 * octaves - (127 - size)].astype(np.float64) / 2.0**octaves).astype(np.float32)
    t = np.where(size == 0, np.float32(0), t)
    return np.where(codes & 0x80, -t, t)


def scales(codes):
    """The scales of rows."""
    return (codes.astype(np.uint32) << np.uint32(15)).view(np.float32)


def unrotate(y, seed):
    """Undoes the rotation of rows `[n, rank]`."""
    rank = y.shape[1]
    if rank == 0:
        return y
    window = 1 << (rank.bit_length() - 1)
    words_each = -(-window // 32)
    starts = [0] if window == rank else [0, rank - window]
    words = chacha8.words(seed, words_each * len(starts)).reshape(len(starts), words_each, 1)
    signs = ((words >> np.arange(32, dtype=np.uint32)) & 1).reshape(len(starts), -1)[:, :window]
    norm = np.float32(1 / np.sqrt(float(window)))
    y = y.copy()
    for start, negative in reversed(list(zip(starts, signs))):
        part = y[:, start : start + window]
        stride = 1
        while stride < window:
            pairs = part.reshape(len(y), -1, 2, stride)
            a, b = pairs[:, :, 0], pairs[:, :, 1]
            part = np.stack([a + b, a - b], axis=2).reshape(len(y), window)
            stride *= 2
        y[:, start : start + window] = part * np.where(negative, -norm, norm)
    return y


def reconstruct(skeleton, y, t, centres, unit):
    """Rows of coefficients in units of `unit`, with what their centres add."""
    along = t != 0
    if along.any():
        y = y.copy()
        y[along] += (t / unit)[along, None] * skeleton.centres[centres[along]].astype(np.float32)
    if skeleton.is_identity:
        rows = y.copy()
    else:
        rows = skeleton.mean.astype(np.float32) / unit[:, None]
        for j, axis in enumerate(skeleton.basis.astype(np.float32)):
            rows = rows + y[:, j, None] * axis
    scaled = np.clip(rows * unit[:, None], -LARGEST, LARGEST)
    return np.where(unit[:, None] == 1, rows, scaled)


def turn(rows, segment, positions):
    """The rotary embedding of a segment, applied to its rows at positions."""
    if segment.rope == "none":
        return rows
    pairs = len(segment.inv_freq)
    first = np.arange(pairs) * (2 if segment.rope == "interleaved" else 1)
    second = first + (1 if segment.rope == "interleaved" else pairs)
    angle = np.multiply.outer(np.asarray(positions, np.float64), segment.inv_freq.astype(np.float64))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    a, b = rows[:, first], rows[:, second]
    turned = rows.copy()
    turned[:, first] = a * cos - b * sin
    turned[:, second] = a * sin + b * cos
    return turned


def raw_values(data, dtype):
    """The values of a raw row's segment."""
    if dtype == "bf16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.frombuffer(data, {"f32": "<f4", "f16": "<f2"}[dtype]).astype(np.float32)


def converted(rows, dtype):
    """Rows as bits of an element type: to nearest, ties to even; finite values stay finite."""
    if dtype == "f32":
        return rows.astype("<f4").view("<u4")
    largest = np.float32(65504) if dtype == "f16" else np.uint32(0x7F7F0000).view(np.float32)
    kept = np.where(np.isinf(rows), rows, np.clip(rows, -largest, largest)).astype(np.float32)
    if dtype == "f16":
        return kept.astype("<f2").view("<u2")
    bits = kept.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(kept), (bits >> np.uint32(16)) | 0x40, rounded).astype("<u2")


@dataclasses.dataclass
class Codec:
    """What is not in a block. Parameters that do not matter to a decoder may be given, and are left alone."""

    segments: list
    skeleton: object = None  # kakeya.Skeleton of an artifact
    preset: int = 0
    distortion: int = 0
    rate_control: int = 0
    bits: float = 4.0
    step: float = 0.0
    effort: int = 0
    rows_per_run: int = 128
    max_rank: int = 0
    kmeans_k: int = 16
    max_protected: int = 0
    seed: int = 0
    checksum: int = 1
    fingerprint: bytes = None  # None = that of a block is not looked at

    @staticmethod
    def of(segments, skeleton=None, **params):
        """A codec of the parameters of the C interface."""
        known = {field.name for field in dataclasses.fields(Codec)}
        return Codec(segments, skeleton, **{name: value for name, value in params.items() if name in known})

    def __post_init__(self):
        self.dim = sum(segment.dim for segment in self.segments)
        self.has_rope = any(segment.rope != "none" for segment in self.segments)
        sizes = {"f32": 4, "f16": 2, "bf16": 2}
        self.raw_row_bytes = sum(segment.dim * sizes[segment.raw_dtype] for segment in self.segments)
        if self.preset == TURBO:
            self.skeleton = blocks.Skeleton.identity(self.dim)
        self.at_step = self.preset == RDO and self.rate_control != BITS
        self.grid = self.transform = None
        self.ways = np.zeros(0, int)  # of the rows of the last block at a step, for those who count them
        if self.preset == RDO and not self.at_step:
            self.grid = allocation.Grid(self.skeleton.variances, self.bits)
        if self.at_step:
            self.transform = transform.Inverse(self.skeleton)

    def parse(self, data):
        """The block at the start of `data`, which has to be this codec's."""
        block = blocks.parse_block(data)
        own = self.fingerprint is None or block.fingerprint == self.fingerprint
        require(own, "the fingerprint", WRONG_CODEC)
        same = (block.preset, block.distortion, block.dim, block.raw_row_bytes)
        require(same == (self.preset, self.distortion, self.dim, self.raw_row_bytes), "a field of the codec")
        require(block.flags & blocks.CHECKSUM == self.checksum, "checksum")
        positions = bool(block.flags & blocks.POSITIONS)
        if "raw block" in block.parts:
            require(self.at_step and (self.has_rope or not positions), "a raw block")
            return block
        require(positions == self.has_rope, "positions")
        own_skeleton = self.preset == KAKEYA and self.skeleton is None
        expected = blocks.OWN_SKELETON if own_skeleton else 0
        if self.at_step:
            expected |= blocks.RUNS | (blocks.TRELLIS if self.effort else 0)
        elif self.preset == RDO:
            expected |= blocks.ALLOCATED
        kinds = blocks.OWN_SKELETON | blocks.RUNS | blocks.TRELLIS | blocks.ALLOCATED
        require(block.flags & kinds == expected, "kind of the payload")
        require(block.bits == (0 if self.preset == RDO else self.bits), "bits")
        if own_skeleton:
            most = min(self.dim, block.n_rows, self.max_rank or self.dim)
            require(block.rank <= most and block.n_centres <= self.kmeans_k, "shape of the skeleton")
        else:
            shape = (len(self.skeleton.basis), len(self.skeleton.centres))
            require((block.rank, block.n_centres) == shape, "shape of the skeleton")
        if self.at_step:
            require(block.runs.rows_per_run == self.rows_per_run, "rows per run")
            step = float(np.float32(self.step))
            require(self.rate_control == MAX_BYTES or block.runs.step == step, "step")
        else:
            require(block.slots == self.max_protected, "slots")
            require(block.row_bits == (self.grid.widths.sum() if self.grid else 0), "bits of a row")
        return block

    def decode(self, data, positions=None):
        """The rows of a block, one binary32 array `[n, dim]` per segment, rotary embeddings applied at `positions`."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            block = self.parse(data)
            return self._stored(block, self.rows(block), positions)

    def rows(self, block):
        """Rows `[n, dim]` as the kernel sees them; rows that are stored raw are anything."""
        if block.codes is None:
            return np.zeros((block.n_rows, block.dim), np.float32)
        skeleton = self.skeleton or block.skeleton
        codes = block.codes
        t = reaches(codes.reaches, skeleton.reach) if len(skeleton.centres) else np.zeros(block.n_rows, np.float32)
        peak = np.float32(np.abs(skeleton.mean).max(initial=0))
        if self.at_step:
            return self._stepped(block, t, peak)
        s = scales(codes.scales)
        unit = units(np.maximum(np.maximum(s, np.abs(t)), peak))
        if self.grid:
            y = self._allocated(codes.symbols)
        else:
            y = unrotate(levels(block.bits)[codes.symbols], self.seed)
        y = np.where(s[:, None] > 0, y * (s / unit)[:, None], np.float32(0))
        return reconstruct(skeleton, y, t, codes.centres, unit)

    def _allocated(self, bits):
        """Points at scale 1 of rows whose symbols are bits `[n, row_bits]`."""
        y = np.zeros((len(bits), len(self.grid.widths)), np.float32)
        ends = np.cumsum(self.grid.widths)
        for j, (width, end) in enumerate(zip(self.grid.widths, ends)):
            if width:
                symbols = blocks.number(bits[:, end - width : end])
                y[:, j] = levels(width)[symbols] * np.float32(self.grid.deviations[j])
        return y

    def _stepped(self, block, t, peak):
        codes, skeleton = block.codes, self.skeleton
        stepper = stepped.Stepper(skeleton, block.runs.step, block.runs.has_trellis)
        codes.values = stepper.read(block.runs.runs, block.runs.rows_per_run, codes)
        points = self.points(stepper, codes)
        steps = np.float32(block.runs.step) * QUARTERS[codes.steps & 3] * powers(codes.steps >> 2)
        tops = np.abs(points).max(axis=1, initial=0) // 64 + 1
        heights = np.minimum(steps.astype(np.float64) * tops, float(LARGEST)).astype(np.float32)
        unit = units(np.maximum(np.maximum(heights, np.abs(t)), peak))
        point = steps / np.float32(64)
        self.ways = np.full(len(points), WIDE)
        rows = np.zeros((len(points), block.dim), np.float32)
        for i in np.flatnonzero(unit == 1):
            row = self.transform.narrow(points[i], t[i] / point[i], codes.centres[i], point[i])
            if row is not None:
                rows[i], self.ways[i] = row
        wide = self.ways == WIDE
        y = points.astype(np.int32).astype(np.float32) * (point / unit)[:, None]
        rows[wide] = reconstruct(skeleton, y[wide], t[wide], codes.centres[wide], unit[wide])
        return rows

    @staticmethod
    def points(stepper, codes):
        """Reconstruction points of values, in 64ths of a step."""
        if stepper.has_trellis:
            return 64 * codes.values - 32 * np.sign(codes.values) * trellis.quantizers(codes.values)
        return 64 * codes.values + rate.offsets(*stepper.bins(codes), codes.values)

    def _stored(self, block, rows, positions):
        result, offset, raw_offset = [], 0, 0
        sizes = {"f32": 4, "f16": 2, "bf16": 2}
        for segment in self.segments:
            part = rows[:, offset : offset + segment.dim].copy()
            offset += segment.dim
            gain = np.float32(segment.gain)
            if gain != 1:
                part = np.clip(part * (np.float32(1) / gain), -LARGEST, LARGEST)
            if segment.rope != "none":
                part = np.clip(turn(part, segment, positions), -LARGEST, LARGEST)
            size = segment.dim * sizes[segment.raw_dtype]
            for row, position, raw in block.raw:
                values = raw_values(raw[raw_offset : raw_offset + size], segment.raw_dtype)[None, :]
                shift = int(positions[row]) - position if segment.rope != "none" else 0
                part[row] = turn(values, segment, [shift])[0] if shift else values[0]
            raw_offset += size
            result.append(part.astype(np.float32))
        return result
