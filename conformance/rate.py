"""The rate model of blocks at a fixed step: tables of docs/rate-tables.tsv, chosen by integer logarithms."""

import pathlib

import numpy as np

TABLE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "rate-tables.tsv"
RANGE_BITS = 12
FIRST_BIN, LAST_BIN, MOST_LOW_BITS = -16, 9, 24

# By quantiser: 0 plain, 1 and 2 those of a trellis.
_FILE = np.loadtxt(TABLE, skiprows=1, dtype=np.int64).reshape(3, 26, -1)
ESCAPES = _FILE[..., 3]  # [quantisers, tables]
OFFSETS = _FILE[0, :, 4:8]  # of magnitudes 1, 2, 3 and larger, in 1/64 steps, [tables, 4]
WIDE_OFFSET = 8  # where low bits are split off
FREQUENCIES = _FILE[..., 8:]  # of magnitudes, [quantisers, tables, 21]

# Upper ends of the eighths of an octave, as binary32.
BETWEEN = np.array(
    [1.0442738, 1.138789, 1.2418578, 1.3542555, 1.4768261, 1.6104903, 1.7562522, 1.9152066], np.float32
)


def log2_eighths(values):
    """8 log2 of positive numbers, rounded, in the way that does not depend on the machine: from their bits. Zero
    has the smallest exponent."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    mantissa = ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32)
    return 8 * ((bits >> np.uint32(23)).astype(np.int64) - 127) + np.searchsorted(BETWEEN, mantissa, side="right")


def bins(eighths):
    """Tables and numbers of low bits for 8 log2 of deviation times gain over step."""
    quarters = np.clip((eighths + 1) >> 1, FIRST_BIN, LAST_BIN + 4 * MOST_LOW_BITS)
    low_bits = np.maximum(quarters - LAST_BIN + 3, 0) >> 2
    return quarters - 4 * low_bits - FIRST_BIN, low_bits


def offsets(tables, low_bits, values):
    """How far the reconstruction points of values of the plain quantiser lie beyond them, in 64ths of a step."""
    found = OFFSETS[tables, np.clip(np.abs(values), 1, 4) - 1]
    return np.sign(values) * np.where(low_bits > 0, WIDE_OFFSET, found)


def cost(quantisers, tables, low_bits, values):
    """Ideal code length of values, in bits."""
    escapes = ESCAPES[quantisers, tables]
    half = np.where(low_bits > 0, 1 << np.maximum(low_bits - 1, 0), 0)
    sizes = np.abs((values + half) >> low_bits)
    beyond = np.maximum(sizes - escapes + 1, 0)
    escape = np.where(beyond > 0, 2 * np.floor(np.log2(np.maximum(beyond, 1))) + 1, 0)
    frequency = FREQUENCIES[quantisers, tables, np.minimum(sizes, escapes)]
    return RANGE_BITS - np.log2(frequency) + escape + low_bits
