"""Profiles of format 0, read with what docs/FORMAT.md says of them and nothing else."""

import dataclasses
import struct
import zlib

import numpy as np

import blocks
from malformed import TRUNCATED, WRONG_VERSION, Malformed, require

NONE = 0xFFFFFFFF
RAW_TYPES, ROPES = ("f32", "f16", "bf16"), ("none", "neox", "interleaved")
KEY = struct.Struct("<BII")
PARAMS = struct.Struct("<BBBBBffffIIIIIQQQ")
PARAM_NAMES = (
    "distortion", "preset", "rate_control", "nan_policy", "checksum", "bits", "step", "max_abs_error",
    "variance_ratio", "rows_per_run", "max_rank", "kmeans_k", "kmeans_iters", "effort", "max_bytes", "max_protected", "seed",
)  # fmt: skip
SEGMENT = struct.Struct("<IfBBI")
QUALITY = struct.Struct("<32sfdd")


@dataclasses.dataclass
class Stream:
    """A stream. `tensors` are layer, "k" or "v", and head of its segments."""

    tensors: list
    params: dict
    step_factor: float
    skeleton: object  # kakeya.Skeleton, or None
    segments: list


@dataclasses.dataclass
class Profile:
    """A parsed profile; qualities are name, step, divergence and bits per value."""

    model: bytes
    default_step: float
    description: str
    n_tables: int
    n_skeletons: int
    streams: list
    qualities: list
    n_sinks: int
    n_recent: int
    raw_layers: list

    def step(self, stream, name=None):
        """The step of the codec of a stream at preset rdo, for a quality or by default."""
        steps = {name: step for name, step, _, _ in self.qualities}
        step = steps[name] if name else self.default_step or stream.params["step"]
        return float(np.float32(step) * np.float32(stream.step_factor))


class Cursor(blocks.Cursor):
    """Takes fields off the front of a section."""

    def unpack(self, form):
        """The fields of a `struct.Struct`."""
        return form.unpack(self.take(form.size))

    def number(self, form="<I"):
        """One number."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def numbers(self, dtype="<u4"):
        """A list of numbers."""
        return self.array(dtype, self.number())


def parse(data):
    """The profile that `data` is."""
    require(b"KKYP".startswith(data[:4]), "magic")
    require(len(data) >= 20, "the header", TRUNCATED)
    version, reserved, size = struct.unpack_from("<HHQ", data, 4)
    require(size <= len(data), "the profile", TRUNCATED)
    require(version == 0, "version", WRONG_VERSION)
    require(reserved == 0 and size == len(data), "header")
    require(zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0], "checksum")
    whole = Cursor(data[16:-4])
    model = _section(whole, b"MODL")
    tie, default_step = bytes(model.take(32)), model.number("<f")
    require(default_step == 0 or _is_step(default_step), "default step")
    description = _text(bytes(model.numbers("u1")))
    require(len(description.encode()) <= 4096 and "\0" not in description, "description")
    frequencies = _section(whole, b"FREQ")
    tables = [frequencies.numbers("<f4") for _ in range(frequencies.number())]
    legal = all(len(table) <= 2048 and np.isfinite(table).all() for table in tables)
    require(legal, "a table of frequencies")
    shared = _section(whole, b"SKEL")
    skeletons = [blocks.parse_skeleton(shared.take(shared.number("<Q"))) for _ in range(shared.number())]
    streams = _section(whole, b"STRM")
    parsed = [_stream(streams, tables, skeletons) for _ in range(streams.number())]
    tensors = [tensor for stream in parsed for tensor in stream.tensors]
    require(parsed and len(set(tensors)) == len(tensors), "streams")
    table = _section(whole, b"QUAL")
    qualities = [table.unpack(QUALITY) for _ in range(table.number())]
    qualities = [(_text(name.rstrip(b"\0")), *figures) for name, *figures in qualities]
    names = [name for name, *_ in qualities]
    require(len(qualities) <= 256 and len(set(names)) == len(names), "qualities")
    for name, step, *measured in qualities:
        require(name and "\0" not in name and len(name.encode()) < 32, "name of a quality")
        require(_is_step(step) and all(0 <= figure < np.inf for figure in measured), "a quality")
    policy = _section(whole, b"PLCY")
    n_sinks, n_recent, raw = policy.number(), policy.number(), policy.numbers().tolist()
    _check_set(raw, "raw layers")
    for stream in parsed:
        kept = {layer in raw for layer, _, _ in stream.tensors}
        require(len(kept) == 1, "a stream that is raw in part")
    for section in (model, frequencies, shared, streams, table, policy, whole):
        require(section.at == len(section.data), "bytes that belong to nothing")
    counts = (len(tables), len(skeletons))
    return Profile(tie, default_step, description, *counts, parsed, qualities, n_sinks, n_recent, raw)


def _section(whole, tag):
    require(whole.take(4) == tag, "tag of a section")
    return Cursor(whole.take(whole.number("<Q")))


def _is_step(step):
    return bool(np.finfo(np.float32).tiny <= step < np.inf)


def _text(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed("text") from None


def _check_set(numbers, what):
    require(all(low < high for low, high in zip(numbers, numbers[1:])), what)
    require(all(number <= 65535 for number in numbers), what)


def _stream(cursor, tables, skeletons):
    part, n_layers, n_heads = cursor.unpack(KEY)
    require(1 <= part <= 3, "part")
    layers, heads = cursor.array("<u4", n_layers).tolist(), cursor.array("<u4", n_heads).tolist()
    require(layers and heads, "layers and heads")
    _check_set(layers, "layers")
    _check_set(heads, "heads")
    parts = [None, "k", "v", "kv"][part]
    require(len(layers) * len(heads) * len(parts) <= 4096, "number of segments")
    tensors = [(layer, kind, head) for layer in layers for kind in parts for head in heads]
    params = dict(zip(PARAM_NAMES, cursor.unpack(PARAMS)))
    factor, index = cursor.number("<f"), cursor.number()
    codes = (params["distortion"], params["preset"], params["rate_control"])
    require(max(codes) <= 2 and max(params["nan_policy"], params["checksum"]) <= 1, "a code")
    require(1 / 65536 <= factor <= 65536, "step factor")
    require(index == NONE or index < len(skeletons), "index of a skeleton")
    skeleton = None if index == NONE else skeletons[index]
    segments = []
    for _ in tensors:
        dim, gain, raw, rope, table = cursor.unpack(SEGMENT)
        require((rope == 0) == (table == NONE), "a rotary embedding has a table")
        require(dim >= 1 and raw <= 2 and rope <= 2, "a segment")
        require(0 < gain < np.inf and 1 / gain <= np.finfo(np.float32).max, "gain")
        require(rope == 0 or (table < len(tables) and 2 * len(tables[table]) <= dim), "table of a segment")
        frequencies = tables[table] if rope else np.zeros(0, np.float32)
        segments.append(blocks.Segment(dim, gain, RAW_TYPES[raw], ROPES[rope], frequencies))
    require(sum(segment.dim for segment in segments) <= 4096, "dimension of a row")
    return Stream(tensors, params, factor, skeleton, segments)
