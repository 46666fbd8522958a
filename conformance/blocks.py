"""Blocks and skeleton artifacts of format 0, read as docs/FORMAT.md says."""

import dataclasses
import struct
import zlib

import numpy as np

import stepped
from kakeya import Codes, Skeleton
from malformed import TRUNCATED, WRONG_VERSION, require

CHECKSUM, OWN_SKELETON, POSITIONS, RUNS, WEIGHTS, ALLOCATED, TRELLIS = 1, 2, 4, 8, 16, 64, 128
METRIC = 1
BLOCK_HEADER = struct.Struct("<4sHBBBBHIIHHIIIIQff32s")
RAW_HEADER = struct.Struct("<4sHBBHHIIfi32s")
SKELETON_HEADER = struct.Struct("<4sHHIII")


def require_start(data, magics, size, what):
    """What every reader looks at first: magic, size of the header, format number, of as many bytes as there are."""
    require(any(magic.startswith(data[:4]) for magic in magics), what)
    require(len(data) >= size, "the header", TRUNCATED)
    require(struct.unpack_from("<H", data, 4)[0] == 0, "version", WRONG_VERSION)


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
    flags: int
    bits: int  # of a symbol; 0 where they differ
    row_bits: int  # of the symbols of a row, where they differ; else 0
    n_rows: int
    dim: int
    rank: int
    n_centres: int
    slots: int
    raw_row_bytes: int
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
        return number(self.bits(count, width))


def number(bits):
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
    require_start(data, [b"KKYS"], 24, "magic")
    _, _, flags, dim, rank, n_centres = SKELETON_HEADER.unpack_from(data)
    require(flags <= METRIC and (not flags & METRIC or rank == dim), "flags")
    require(1 <= dim <= 4096 and rank <= dim and n_centres <= 256, "shape")
    require(n_centres == 0 or rank > 0, "centres without components")
    size = 24 + 4 * rank + 4 + 4 * dim + 2 * rank * dim + 2 * n_centres * rank
    require(size <= len(data), "the skeleton", TRUNCATED)
    require(size == len(data), "bytes after the skeleton")
    (crc,) = struct.unpack_from("<I", data, 20)
    require(zlib.crc32(data[:20] + data[24:]) == crc, "checksum")
    cursor = Cursor(data[24:])
    variances = cursor.array("<f4", rank).astype(np.float64)
    require(np.isfinite(variances).all() and (variances >= 0).all(), "a variance")
    skeleton = _skeleton(cursor, dim, rank, n_centres)
    skeleton.variances = variances
    if flags & METRIC:
        require(np.linalg.matrix_rank(skeleton.basis) == dim, "a basis without an inverse")
        skeleton.transform = np.linalg.inv(skeleton.basis.T)
    return skeleton


def parse_block(data):
    """The block at the start of `data`."""
    if data[:4] == b"KKYR":
        return _parse_raw(data)
    require_start(data, [b"KKYB", b"KKYR"], 92, "magic")
    fields = BLOCK_HEADER.unpack_from(data)
    _, _, preset, distortion, flags, bits, rank, n, dim, n_centres, per_run = fields[:11]
    slots, used, raw_bytes, payload_crc, size, certified_error, step, fingerprint = fields[11:]
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
    width = row_bits or rank * bits
    index_bits = max(n_centres - 1, 0).bit_length()
    others = (4 + 4 * dim + 2 * rank * dim + 2 * n_centres * rank) * bool(flags & OWN_SKELETON)
    others += (n + 1) // 2 + 4 * -(-n // per_run) if flags & RUNS else 2 * n + (n * width + 7) // 8
    others += n * bool(flags & WEIGHTS) + n * bool(n_centres) + (n * index_bits + 7) // 8
    others += slots * ((8 if flags & POSITIONS else 4) + raw_bytes)
    require(size - 92 >= others if flags & RUNS else size - 92 == others, "size")
    require(flags & CHECKSUM or payload_crc == 0, "payload checksum")
    require(size <= len(data), "the payload", TRUNCATED)
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
    require(runs is not None or (scales <= 0xFEFF).all(), "a scale")
    require((centres < max(n_centres, 1)).all(), "a centre index")
    positions = table["position"] if flags & POSITIONS else np.zeros(slots, np.int32)
    raw = [(int(rows[i]), int(positions[i]), raw_rows[i]) for i in range(used)]
    kinds = {
        "own skeleton": flags & OWN_SKELETON, "positions": flags & POSITIONS, "runs": flags & RUNS,
        "weights": flags & WEIGHTS, "trellis": flags & TRELLIS, "bits by component": flags & ALLOCATED, "centres": n_centres, "raw rows": used, "unused slots": slots > used,
        "short run": flags & RUNS and n > per_run and n % per_run,
    }  # fmt: skip
    parts = {kind for kind, there in kinds.items() if there}
    shape = (n, dim, rank, n_centres, slots, raw_bytes)
    return Block(
        preset, distortion, flags, bits, row_bits, *shape, codes, skeleton, runs, raw, certified_error, fingerprint, parts
    )


def _runs(cursor, count, rank, after):
    """The runs of a block, whose other sections take `after` bytes behind them."""
    ends = cursor.array("<u4", count).astype(np.int64).tolist()
    size = len(cursor.data) - cursor.at - after
    require(size >= 0 and ends[-1] == size, "the runs do not fill their section")
    require((np.diff([0, *ends]) >= 0).all(), "the end of a run")
    data, runs = cursor.take(size), []
    for start, end in zip([0, *ends], ends):
        require(start + 2 <= end, "the end of a run")
        (live,) = struct.unpack_from("<H", data, start)
        require(live <= rank, "the components of a run")
        runs.append((live, data[start + 2 : end]))
    return runs


def _parse_raw(data):
    """A block whose rows are all raw."""
    require_start(data, [b"KKYR"], 64, "magic")
    fields = RAW_HEADER.unpack_from(data)
    _, _, kind, flags, dim, raw_bytes, n, payload_crc, certified_error, position, fingerprint = fields
    preset, distortion = kind & 15, kind >> 4
    require(zlib.crc32(data[:60]) == struct.unpack_from("<I", data, 60)[0], "header checksum")
    require(preset <= 2 and distortion <= 2 and not flags & ~(CHECKSUM | POSITIONS), "preset, distortion, flags")
    require(n >= 1 and 1 <= dim <= 4096, "shape")
    size = 64 + n * (raw_bytes + (4 if flags & POSITIONS else 0))
    require(flags & CHECKSUM or payload_crc == 0, "payload checksum")
    require(size <= len(data), "the payload", TRUNCATED)
    payload = data[64:size]
    require(payload_crc == (zlib.crc32(payload) if flags & CHECKSUM else 0), "payload checksum")
    cursor = Cursor(payload)
    follows = (position + np.arange(n, dtype=np.int64)).astype(np.int32)  # wraps
    positions = cursor.array("<i4", n) if flags & POSITIONS else follows
    raw = [(i, int(positions[i]), cursor.take(raw_bytes)) for i in range(n)]
    parts = {"raw block"} | ({"positions"} if flags & POSITIONS else set())
    shape = (n, dim, 0, 0, 0, raw_bytes)
    return Block(preset, distortion, flags, 0, 0, *shape, None, None, None, raw, certified_error, fingerprint, parts)


def turn(rows, segment, positions):
    """The rotary embedding of a segment, applied to its rows `[n, dim]` at `positions`, in binary64."""
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
