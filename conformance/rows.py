"""The rows that are checked: real keys and values, and synthetic ones."""

import dataclasses
import json
import struct

import numpy as np

BLOCK_ROWS = 512
TYPES = {"F16": "<f2", "F32": "<f4", "I32": "<i4"}


def tensors(path):
    """The tensors of a safetensors file by name: 8 bytes of length, a JSON header, the data."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    result = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        result[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return result


@dataclasses.dataclass
class Rows:
    """The rows `[n, dim]` of one block, as they lie in their tensor, and where they come from."""

    tensor: str
    values: np.ndarray


def fixture(path):
    """The blocks of `layers.N.k` and `layers.N.v`, `[tokens, kv_heads, head_dim]`: one of 512 rows per kv-head."""
    blocks = []
    for name, tensor in sorted(tensors(path).items()):
        if name.startswith("layers.") and name.endswith((".k", ".v")):
            for first in range(0, len(tensor) - BLOCK_ROWS + 1, BLOCK_ROWS):
                rows = tensor[first : first + BLOCK_ROWS]
                blocks += [Rows(name, rows[:, head, :]) for head in range(tensor.shape[1])]
    return blocks


def clustered(seed, n=BLOCK_ROWS, dim=64, clusters=24, noise=0.03):
    """Rows along a few directions, of either sign and of lengths over two octaves, with a little noise: K-means
    centres pay for them."""
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((clusters, dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reach = np.exp2(generator.uniform(-1.0, 1.0, n)) * generator.choice([-1.0, 1.0], n)
    rows = reach[:, None] * directions[generator.integers(0, clusters, n)]
    rows += noise / np.sqrt(dim) * generator.standard_normal((n, dim))
    return Rows("clustered", rows.astype(np.float32))


def relative_error(rows, back):
    """Squared error over squared norm."""
    rows = rows.astype(np.float64)
    return ((rows - back) ** 2).sum() / (rows**2).sum()


def deviation(rows, back, other):
    """Largest distance between two decoded forms of a row, in units of the row's norm. Rows of zeros, and rows
    that are not finite, must be equal; infinity where only one of the two is a number."""
    back, rows = back.astype(np.float64), rows.astype(np.float64)
    equal = (back == other) | (np.isnan(back) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        distance = np.linalg.norm(np.where(equal, 0.0, back - other), axis=1)
        norm = np.linalg.norm(np.where(np.isfinite(rows), rows, 0.0), axis=1)
    off = np.where(distance == 0.0, 0.0, distance / np.maximum(norm, np.finfo(np.float64).tiny))
    return np.where(np.isnan(off), np.inf, off).max()
