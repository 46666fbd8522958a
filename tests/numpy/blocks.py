"""Blocks and skeleton artifacts of format 0, read as docs/FORMAT.md says."""

import dataclasses
import struct
import zlib

import numpy as np

from kakeya import Codes, Kernel, Skeleton

CHECKSUM, OWN_SKELETON, POSITIONS = 1, 2, 4
BLOCK_HEADER = struct.Struct("<4sHBBBBHIIIIIIIQd32s")
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
class Block:
    """A parsed block. `raw` are its raw rows: row, position, bytes."""

    preset: int
    distortion: int
    bits: int
    dim: int
    codes: Codes
    skeleton: Skeleton  # None unless the block carries it
    raw: list
    certified_error: float
    fingerprint: bytes


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

    def symbols(self, count, width):
        """The next `count` symbols of `width` bits, least significant bit first."""
        packed = np.frombuffer(self.take((count * width + 7) // 8), np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[: count * width].reshape(count, width)
        return (bits.astype(np.intp) << np.arange(width)).sum(axis=1)


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
    _, version, reserved, dim, rank, n_centres = SKELETON_HEADER.unpack_from(data)
    require(version == 0, "version")
    require(reserved == 0 and 1 <= dim <= 4096 and rank <= dim and n_centres <= 256, "shape")
    require(n_centres == 0 or rank > 0, "centres without components")
    (crc,) = struct.unpack_from("<I", data, 20)
    require(zlib.crc32(data[:20] + data[24:]) == crc, "checksum")
    cursor = Cursor(data[24:])
    variances = cursor.array("<f4", rank).astype(np.float64)
    require(np.isfinite(variances).all() and (variances >= 0).all(), "a variance")
    skeleton = _skeleton(cursor, dim, rank, n_centres)
    require(cursor.at == len(cursor.data), "bytes after the skeleton")
    skeleton.variances = variances
    return skeleton


def parse_block(data):
    """The block at the start of `data`."""
    require(len(data) >= 92 and data[:4] == b"KKYB", "magic")
    fields = BLOCK_HEADER.unpack_from(data)
    _, version, preset, distortion, flags, bits, rank, n, dim, n_centres = fields[:10]
    slots, used, raw_bytes, payload_crc, size, certified_error, fingerprint = fields[10:]
    require(version == 0, "version")
    require(zlib.crc32(data[:88]) == struct.unpack_from("<I", data, 88)[0], "header checksum")
    require(preset <= 1 and distortion <= 2 and flags <= 7 and 1 <= bits <= 8, "preset, distortion, flags, bits")
    require(n >= 1 and 1 <= dim <= 4096 and rank <= dim, "shape")
    require(n_centres <= 256 and (n_centres == 0 or rank > 0), "number of centres")
    require(used <= min(slots, n), "number of raw rows")
    require(size <= len(data), "truncated")
    payload = data[92:size]
    require(payload_crc == (zlib.crc32(payload) if flags & CHECKSUM else 0), "payload checksum")

    cursor = Cursor(payload)
    skeleton = _skeleton(cursor, dim, rank, n_centres) if flags & OWN_SKELETON else None
    scales = cursor.array("<u2", n)
    reaches = cursor.array("u1", n) if n_centres else np.zeros(n, np.uint8)
    centres = cursor.symbols(n, max(n_centres - 1, 0).bit_length())
    symbols = cursor.symbols(n * rank, bits).reshape(n, rank)
    slot = np.dtype([("row", "<u4"), ("position", "<i4")] if flags & POSITIONS else [("row", "<u4")])
    table = cursor.array(slot, slots)
    raw_rows = [cursor.take(raw_bytes) for _ in range(slots)]
    require(cursor.at == len(payload), "size")

    rows = table["row"].astype(np.int64)
    require((np.diff(rows[:used]) > 0).all() and (rows[:used] < n).all(), "slot of a raw row")
    require((rows[used:] == 0xFFFFFFFF).all(), "slot that is not used")
    coded = np.ones(n, bool)
    coded[rows[:used]] = False
    require((scales[coded] <= 0xFEFF).all(), "a scale")
    require((centres[coded] < max(n_centres, 1)).all(), "a centre index")
    positions = table["position"] if flags & POSITIONS else np.zeros(slots, np.int32)
    raw = [(int(rows[i]), int(positions[i]), raw_rows[i]) for i in range(used)]
    codes = Codes(scales, reaches, centres, symbols)
    return Block(preset, distortion, bits, dim, codes, skeleton, raw, certified_error, fingerprint)


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


def decode_block(data, segments, seed=0, skeleton=None, positions=None):
    """The rows of a block, one array `[n, dim]` per segment.

    `segments`, `seed` and `skeleton` (None where the block carries its own, or for turbo) are those of its codec;
    `positions` are where rotary embeddings are applied.
    """
    block = parse_block(data)
    if skeleton is None:
        skeleton = block.skeleton or Skeleton.identity(block.dim)
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
