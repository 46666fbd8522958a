"""Blocks and skeleton artifacts of format 0, read as docs/FORMAT.md says."""

import dataclasses
import struct
import zlib

import numpy as np

import allocation
import stepped
from kakeya import Codes, Kernel, Skeleton, decode_reach, decode_scale

CHECKSUM, OWN_SKELETON, POSITIONS, RUNS, WEIGHTS, ALLOCATED, TRELLIS = 1, 2, 4, 8, 16, 64, 128
METRIC = 1
BLOCK_HEADER = struct.Struct("<4sHBBBBHIIHHIIIIQff32s")
RAW_HEADER = struct.Struct("<4sHBBHHIIfi32s")
RDO = 2  # preset
SKELETON_HEADER = struct.Struct("<4sHHIII")


class Malformed(Exception):
    """The bytes are not what the format allows."""


def require(condition, what):
    """Raises `Malformed` where a condition of the format does not hold."""
    if not condition:
        raise Malformed(what)


@dataclasses.dataclass
class Segment:
    """A run of coordinates of a row, as its codec knows it."""

    dim: int
    gain: float = 1.0
    raw_dtype: str = "f32"  # or f16, bf16
    rope: str = "none"  # or neox, interleaved
    inv_freq: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.float32))


@dataclasses.dataclass
class Runs:
    """What a block at a fixed step has in place of symbols: runs as pairs of the number of coded components, and
    what the range coder wrote."""

    step: float
    rows_per_run: int
    runs: list
    has_trellis: bool


@dataclasses.dataclass
class Block:
    """A parsed block. `raw` are its raw rows: row, position, bytes."""

    preset: int
    distortion: int
    bits: int  # of a symbol; 0 where they differ
    row_bits: int  # of the symbols of a row, where they differ; else 0
    n_rows: int
    dim: int
    codes: object  # kakeya.Codes; stepped.Codes without values, where there are runs; None in a raw block; where the
    # bits of symbols differ, symbols are the rows' bits `[n, row_bits]`
    skeleton: Skeleton  # None unless the block carries it
    runs: Runs  # None at a fixed rate
    raw: list
    certified_error: float
    fingerprint: bytes
    parts: set  # which kinds of section it has


class Cursor:
    """Takes sections off the front of a buffer."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        """The next `size` bytes."""
        require(self.at + size <= len(self.data), "a section ends after the block")
        self.at += size
        return self.data[self.at - size : self.at]

    def array(self, dtype, *shape):
        """The next values of a little-endian type."""
        count = int(np.prod(shape))
        return np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype).reshape(shape)

    def bits(self, count, width):
        """The next `count` groups of `width` bits."""
        packed = np.frombuffer(self.take((count * width + 7) // 8), np.uint8)
        return np.unpackbits(packed, bitorder="little")[: count * width].reshape(count, width).astype(np.intp)

    def symbols(self, count, width):
        """The next `count` symbols of `width` bits, least significant bit first."""
        return _number(self.bits(count, width))


def _number(bits):
    """The numbers whose bits are in the last axis, least significant first."""
    return (bits << np.arange(bits.shape[-1])).sum(axis=-1)


def _skeleton(cursor, dim, rank, n_centres):
    reach = float(cursor.array("<f4", 1)[0])
    mean = cursor.array("<f4", dim).astype(np.float64)
    basis = cursor.array("<f2", rank, dim).astype(np.float64)
    centres = cursor.array("<f2", n_centres, rank).astype(np.float64)
    parts = [np.array([reach]), mean, basis, centres]
    require(reach >= 0 and all(np.isfinite(part).all() for part in parts), "a value of the skeleton")
    return Skeleton(mean, basis, centres, reach)


def parse_skeleton(data):
    """The skeleton of an artifact."""
    require(len(data) >= 24 and data[:4] == b"KKYS", "magic")
    _, version, flags, dim, rank, n_centres = SKELETON_HEADER.unpack_from(data)
    require(version == 0, "version")
    require(flags <= METRIC and (not flags & METRIC or rank == dim), "flags")
    require(1 <= dim <= 4096 and rank <= dim and n_centres <= 256, "shape")
    require(n_centres == 0 or rank > 0, "centres without components")
    (crc,) = struct.unpack_from("<I", data, 20)
    require(zlib.crc32(data[:20] + data[24:]) == crc, "checksum")
    cursor = Cursor(data[24:])
    variances = cursor.array("<f4", rank).astype(np.float64)
    require(np.isfinite(variances).all() and (variances >= 0).all(), "a variance")
    skeleton = _skeleton(cursor, dim, rank, n_centres)
    require(cursor.at == len(cursor.data), "bytes after the skeleton")
    skeleton.variances = variances
    if flags & METRIC:
        require(np.linalg.matrix_rank(skeleton.basis) == dim, "a basis without an inverse")
        skeleton.transform = np.linalg.inv(skeleton.basis.T)
    return skeleton


def parse_block(data):
    """The block at the start of `data`."""
    if data[:4] == b"KKYR":
        return _parse_raw(data)
    require(len(data) >= 92 and data[:4] == b"KKYB", "magic")
    fields = BLOCK_HEADER.unpack_from(data)
    _, version, preset, distortion, flags, bits, rank, n, dim, n_centres, per_run = fields[:11]
    slots, used, raw_bytes, payload_crc, size, certified_error, step, fingerprint = fields[11:]
    require(version == 0, "version")
    require(zlib.crc32(data[:88]) == struct.unpack_from("<I", data, 88)[0], "header checksum")
    require(preset <= 2 and distortion <= 2 and not flags & 32, "preset, distortion, flags")
    require(1 <= bits <= 8 if not flags & (RUNS | ALLOCATED) else bits == 0, "bits")
    require(bool(flags & RUNS) or not flags & (WEIGHTS | TRELLIS), "what only runs have")
    require(not flags & ALLOCATED or not flags & (RUNS | OWN_SKELETON), "what has no bits by component")
    row_bits, per_run = (per_run, 0) if flags & ALLOCATED else (0, per_run)
    require(row_bits <= 8 * rank, "bits of a row")
    require(n >= 1 and 1 <= dim <= 4096 and rank <= dim, "shape")
    require(n_centres <= 256 and (n_centres == 0 or rank > 0), "number of centres")
    require((per_run > 0) == bool(flags & RUNS), "rows per run")
    require(np.finfo(np.float32).tiny <= step < np.inf if flags & RUNS else step == 0, "step")
    require(used <= min(slots, n), "number of raw rows")
    require(size <= len(data), "truncated")
    payload = data[92:size]
    require(payload_crc == (zlib.crc32(payload) if flags & CHECKSUM else 0), "payload checksum")

    cursor = Cursor(payload)
    skeleton = _skeleton(cursor, dim, rank, n_centres) if flags & OWN_SKELETON else None
    if flags & RUNS:
        gains = cursor.symbols(n, 4)
        steps = cursor.array("i1", n).astype(np.intp) if flags & WEIGHTS else np.zeros(n, np.intp)
        require((np.abs(steps) <= 16).all(), "the step of a row")
    else:
        scales = cursor.array("<u2", n)
    reaches = cursor.array("u1", n) if n_centres else np.zeros(n, np.uint8)
    centres = cursor.symbols(n, max(n_centres - 1, 0).bit_length())
    slot = np.dtype([("row", "<u4"), ("position", "<i4")] if flags & POSITIONS else [("row", "<u4")])
    if flags & RUNS:
        ranges = _runs(cursor, -(-n // per_run), rank, slots * (slot.itemsize + raw_bytes))
        runs = Runs(step, per_run, ranges, bool(flags & TRELLIS))
        codes = stepped.Codes(gains, steps, reaches, centres)
    else:
        runs = None
        symbols = cursor.bits(n, row_bits) if flags & ALLOCATED else cursor.symbols(n * rank, bits).reshape(n, rank)
        codes = Codes(scales, reaches, centres, symbols)
    table = cursor.array(slot, slots)
    raw_rows = [cursor.take(raw_bytes) for _ in range(slots)]
    require(cursor.at == len(payload), "size")

    rows = table["row"].astype(np.int64)
    require((np.diff(rows[:used]) > 0).all() and (rows[:used] < n).all(), "slot of a raw row")
    require((rows[used:] == 0xFFFFFFFF).all(), "slot that is not used")
    coded = np.ones(n, bool)
    coded[rows[:used]] = False
    require(runs is not None or (scales[coded] <= 0xFEFF).all(), "a scale")
    require((centres[coded] < max(n_centres, 1)).all(), "a centre index")
    positions = table["position"] if flags & POSITIONS else np.zeros(slots, np.int32)
    raw = [(int(rows[i]), int(positions[i]), raw_rows[i]) for i in range(used)]
    kinds = {
        "own skeleton": flags & OWN_SKELETON, "positions": flags & POSITIONS, "runs": flags & RUNS,
        "weights": flags & WEIGHTS, "trellis": flags & TRELLIS, "bits by component": flags & ALLOCATED, "centres": n_centres, "raw rows": used, "unused slots": slots > used,
        "short run": flags & RUNS and n > per_run and n % per_run,
    }  # fmt: skip
    parts = {kind for kind, there in kinds.items() if there}
    return Block(
        preset, distortion, bits, row_bits, n, dim, codes, skeleton, runs, raw, certified_error, fingerprint, parts
    )


def _runs(cursor, count, rank, after):
    """The runs of a block, whose other sections take `after` bytes behind them."""
    ends = cursor.array("<u4", count).astype(np.int64).tolist()
    size = len(cursor.data) - cursor.at - after
    require(size >= 0 and ends[-1] == size, "the runs do not fill their section")
    data, runs = cursor.take(size), []
    for start, end in zip([0, *ends], ends):
        require(start + 2 <= end, "the end of a run")
        (live,) = struct.unpack_from("<H", data, start)
        require(live <= rank, "the components of a run")
        runs.append((live, data[start + 2 : end]))
    return runs


def _parse_raw(data):
    """A block whose rows are all raw."""
    require(len(data) >= 64, "truncated")
    fields = RAW_HEADER.unpack_from(data)
    _, version, kind, flags, dim, raw_bytes, n, payload_crc, certified_error, position, fingerprint = fields
    preset, distortion = kind & 15, kind >> 4
    require(version == 0, "version")
    require(zlib.crc32(data[:60]) == struct.unpack_from("<I", data, 60)[0], "header checksum")
    require(preset <= 2 and distortion <= 2 and not flags & ~(CHECKSUM | POSITIONS), "preset, distortion, flags")
    require(n >= 1 and 1 <= dim <= 4096, "shape")
    size = 64 + n * (raw_bytes + (4 if flags & POSITIONS else 0))
    require(size <= len(data), "truncated")
    payload = data[64:size]
    require(payload_crc == (zlib.crc32(payload) if flags & CHECKSUM else 0), "payload checksum")
    cursor = Cursor(payload)
    positions = cursor.array("<i4", n) if flags & POSITIONS else position + np.arange(n)
    raw = [(i, int(positions[i]), cursor.take(raw_bytes)) for i in range(n)]
    parts = {"raw block"} | ({"positions"} if flags & POSITIONS else set())
    return Block(preset, distortion, 0, 0, n, dim, None, None, None, raw, certified_error, fingerprint, parts)


def turn(rows, segment, positions):
    """The rotary embedding of a segment, applied to its rows `[n, dim]` at `positions`."""
    pairs = len(segment.inv_freq)
    if segment.rope == "none":
        return rows
    first = np.arange(pairs) * (2 if segment.rope == "interleaved" else 1)
    second = first + (1 if segment.rope == "interleaved" else pairs)
    angle = np.multiply.outer(np.asarray(positions, np.float64), segment.inv_freq.astype(np.float64))
    turned = rows.copy()
    turned[:, first] = rows[:, first] * np.cos(angle) - rows[:, second] * np.sin(angle)
    turned[:, second] = rows[:, first] * np.sin(angle) + rows[:, second] * np.cos(angle)
    return turned


def _raw_values(data, dtype):
    if dtype == "bf16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    return np.frombuffer(data, {"f32": "<f4", "f16": "<f2"}[dtype]).astype(np.float64)


def _decode_allocated(block, skeleton, bits):
    """Rows of a block whose codec spends `bits` a component on average."""
    grid = allocation.Grid(skeleton.variances, bits)
    require(grid.widths.sum() == block.row_bits, "bits of a row")
    ends = np.cumsum(grid.widths)
    columns = [_number(block.codes.symbols[:, end - width : end]) for width, end in zip(grid.widths, ends)]
    z = grid.points(np.stack(columns, axis=1)) * decode_scale(block.codes.scales)[:, None]
    if len(skeleton.centres):
        z = z + decode_reach(block.codes.reaches, skeleton.reach)[:, None] * skeleton.centres[block.codes.centres]
    return skeleton.mean + z @ skeleton.basis


def decode_block(data, segments, seed=0, skeleton=None, positions=None, bits=0.0):
    """The rows of a block, one array `[n, dim]` per segment.

    `segments`, `seed` and `skeleton` (None where the block carries its own, or for turbo) are those of its codec;
    `positions` are where rotary embeddings are applied, `bits` the codec's bits of a component on average.
    """
    block = parse_block(data)
    if skeleton is None:
        skeleton = block.skeleton or Skeleton.identity(block.dim)
    if block.codes is None:
        rows = np.zeros((block.n_rows, block.dim))
    elif block.runs:
        stepper = stepped.Stepper(skeleton, block.runs.step, block.runs.has_trellis)
        block.codes.values = stepper.read(block.runs.runs, block.runs.rows_per_run, block.codes)
        rows = stepper.decode(block.codes)
    elif block.preset == RDO:
        rows = _decode_allocated(block, skeleton, bits)
    else:
        rows = Kernel(skeleton, block.bits, seed).decode(block.codes)
    result, offset, raw_offset = [], 0, 0
    for segment in segments:
        part = rows[:, offset : offset + segment.dim] / np.float32(segment.gain)
        offset += segment.dim
        part = turn(part, segment, positions)
        raw_size = segment.dim * (4 if segment.raw_dtype == "f32" else 2)
        for row, position, raw in block.raw:
            values = _raw_values(raw[raw_offset : raw_offset + raw_size], segment.raw_dtype)[None, :]
            shift = 0 if positions is None else int(positions[row]) - position
            part[row] = turn(values, segment, [shift])[0] if shift else values[0]
        raw_offset += raw_size
        result.append(part)
    return result
