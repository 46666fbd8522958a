"""Trains the tables of the rate model, src/stepped/tables.rs, on the coefficients of real KV rows.

    python3 xtask/train_rate_tables.py SMOLLM2-train.safetensors [GEMMA3-train.safetensors] > tables.rs
    mv tables.rs src/stepped/tables.rs

Each stream of rows (K as it was before its rotary embedding, and V, of the layers of a group, each tensor scaled to unit
mean square) is transformed by its own principal axes and quantised with steps from 2^-6 to 4, a quarter octave apart.
Values are counted by the bin that the rate model would choose. A table gets as many symbols as make its bin cheapest,
escapes counted, and integer frequencies that add up to 4096. The tables of the trellis are trained likewise on what its
search chooses, which depends on the tables: it starts from those of the plain quantiser and is run three times, on every
fourth row and steps half an octave apart. The committed tables come from the `train` files of SmolLM2-135M
(in tests/data) and Gemma-3-270M; no document that results are reported on is among them.
"""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))

import trellis
from rows import tensors

THETA, WIDEST, FIRST_BIN, BINS, COUNTED, SLOTS = 0.125, 20, -16, 26, 40, 4096

SMOLLM2 = {"pairs": "interleaved", "base": lambda layer: 1e5, "groups": [[0], [1], [2], [14], [15], [16], [0, 1, 2], [14, 15, 16]]}
GEMMA3 = {
    "pairs": "neox",
    "base": lambda layer: 1e6 if layer in (5, 11, 17) else 1e4,
    "groups": [[0], [5], [7], [11], [16], [0, 7, 16], [5, 11]],
}


def unrotate(x, positions, base, pairs):
    """Undoes the rotary embedding of `x` [tokens, heads, head_dim]."""
    d = x.shape[-1]
    angle = positions[:, None].astype(np.float64) * base ** (-2 * np.arange(d // 2) / d)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    first, second = (slice(0, d, 2), slice(1, d, 2)) if pairs == "interleaved" else (slice(0, d // 2), slice(d // 2, d))
    a, b = x[..., first], x[..., second]
    out = np.empty_like(x)
    out[..., first], out[..., second] = a * cos + b * sin, -a * sin + b * cos
    return out


def coefficients(file, model, layers):
    """The rows of a group in their principal axes, and the variances of the components."""
    parts = []
    for layer in layers:
        for kind in "kv":
            x = file[f"layers.{layer}.{kind}"].astype(np.float64)
            x = x.reshape(len(x), -1, 64 if model is SMOLLM2 else 256)
            if kind == "k":
                x = unrotate(x, file["positions"], model["base"](layer), model["pairs"])
            parts.append(x.reshape(len(x), -1) / np.sqrt((x**2).mean()))
    rows = np.concatenate(parts, 1)
    rows -= rows.mean(0)
    variances, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    axes = axes.astype(np.float16).astype(np.float64)  # as a skeleton stores them
    return rows @ axes, np.maximum(variances, 1e-12)


def bins(y, variances, step):
    """Table and number of split-off bits of each coefficient."""
    whiten = 1 / (variances + step * step / 12)
    energy = (y**2 * whiten).mean(1) / (variances * whiten).mean()
    gain = np.clip(np.round(2 * np.log2(energy)), -8, 7).astype(int)
    eighths = np.round(8 * np.log2(np.sqrt(variances))).astype(int) - round(8 * np.log2(step))
    quarter = np.maximum((eighths[None] + 2 * gain[:, None] + 1) >> 1, FIRST_BIN)
    shift = np.maximum(quarter - (FIRST_BIN + BINS - 1) + 3, 0) >> 2
    return quarter - 4 * shift - FIRST_BIN, shift


def upper(values, shift):
    """What is left of values when `shift` bits are split off."""
    return np.where(shift > 0, (values + (1 << np.maximum(shift - 1, 0))) >> shift, values)


class Counts:
    """Values by bin and magnitude, and how far beyond their value coefficients lie on average."""

    def __init__(self):
        self.values = np.zeros((BINS, COUNTED + 1))
        self.beyond, self.nonzero = np.zeros((BINS, 4)), np.zeros((BINS, 4))

    def add(self, y, variances):
        for step in 2.0 ** np.arange(-6, 2.01, 0.25):
            table, shift = bins(y, variances, step)
            size = np.floor(np.abs(y) / step + 0.5 - THETA).astype(np.int64)
            value = size * np.sign(y).astype(np.int64)
            np.add.at(self.values, (table, np.minimum(np.abs(upper(value, shift)), COUNTED)), 1)
            plain = (shift == 0) & (size > 0)
            slot = (table[plain], np.minimum(size[plain], 4) - 1)
            np.add.at(self.beyond, slot, (np.abs(y) / step - size)[plain])
            np.add.at(self.nonzero, slot, 1)


def frequencies(counts, escape):
    """Mean cost in bits, and the frequencies of magnitudes 0 to `escape`, the last for all beyond."""
    merged = np.r_[counts[:escape], counts[escape:].sum()]
    signs = np.r_[1, np.full(escape, 2)]
    share = (merged + 0.5) / (merged + 0.5).sum()
    freq = np.maximum(np.round(share / signs * SLOTS).astype(int), 1)
    while (left := SLOTS - (freq * signs).sum()) != 0:
        if left > 0:
            gain = np.where(signs <= left, share * np.log((freq + 1) / freq) / signs, -1)
            freq[gain.argmax()] += 1
        else:
            loss = np.where(freq > 1, share * np.log(freq / np.maximum(freq - 1, 0.5)) / signs, np.inf)
            freq[loss.argmin()] -= 1
    size = np.arange(COUNTED + 1)
    bits = np.where(size >= escape, 2 * np.floor(np.log2(np.maximum(size - escape + 1, 1))) + 1, 0)
    return (-(merged * np.log2(freq / SLOTS)).sum() + (counts * bits).sum()) / counts.sum(), freq


def tables_of(counts):
    """Frequencies and escapes of all bins, from counts `[bins, magnitudes]`."""
    tables, escapes = [], []
    for bin_counts in counts:
        fits = [(*frequencies(bin_counts, escape), escape) for escape in range(2, WIDEST + 1)]
        _, freq, escape = min(fits, key=lambda fit: fit[0])
        tables.append(np.r_[freq, np.zeros(WIDEST - escape, int)])
        escapes.append(escape)
    return np.array(tables), np.array(escapes)


def train_trellis(streams, tables, escapes):
    """Tables and escapes of the trellis' two quantisers, `[2, bins, …]`, starting from those of the plain one."""
    tables, escapes = np.array([tables] * 2), np.array([escapes] * 2)
    for _ in range(3):
        counts = np.zeros((2, BINS, COUNTED + 1))
        bits = np.array([[magnitude_bits(*table) for table in zip(*both)] for both in zip(tables, escapes)])
        for y, variances in streams:
            for step in 2.0 ** np.arange(-2.5, 2.01, 0.5):
                table, shift = bins(y, variances, step)

                def cost(j, quantizer, sizes):
                    high = upper(sizes, shift[:, j])
                    return bits[quantizer, table[:, j], np.minimum(high, COUNTED)] + shift[:, j]

                values = trellis.search(y / step, cost)
                sizes = np.minimum(np.abs(upper(values, shift)), COUNTED)
                np.add.at(counts, (trellis.quantizers(values), table, sizes), 1)
        tables, escapes = map(np.array, zip(*map(tables_of, counts)))
    return tables, escapes


def magnitude_bits(freq, escape):
    """Bits of the magnitudes up to `COUNTED` with a table."""
    sizes = np.arange(COUNTED + 1)
    beyond = np.where(sizes >= escape, 2 * np.floor(np.log2(np.maximum(sizes - escape + 1, 1))) + 1, 0)
    return np.log2(SLOTS) - np.log2(freq[np.minimum(sizes, escape)]) + beyond


HEAD = """//! Tables of the rate model, trained on real coefficients.
//!
//! Written by `xtask/train_rate_tables.py`; do not edit.

use super::family::{Family, Tables};

#[rustfmt::skip]
pub(super) static FAMILY: Family = Family {
    sets: [
"""


def rust(sets, offsets):
    """The source file."""
    lines = lambda rows, indent: "".join(f"{indent}[{', '.join(map(str, row))}],\n" for row in rows)
    text = HEAD
    for tables, escapes in sets:
        text += f"    Tables {{\n        escapes: [{', '.join(map(str, escapes))}],\n        frequencies: [\n"
        text += lines(tables, " " * 12) + "        ],\n    },\n"
    return text + "    ],\n    offsets: [\n" + lines(offsets, " " * 8) + "    ],\n};\n"


def main():
    counts, streams = Counts(), []
    for path, model in zip(sys.argv[1:], (SMOLLM2, GEMMA3)):
        file = tensors(path)
        for layers in model["groups"]:
            y, variances = coefficients(file, model, layers)
            counts.add(y, variances)
            streams.append((y[::4], variances))
    beyond = np.where(counts.nonzero > 50, counts.beyond / np.maximum(counts.nonzero, 1), 0)
    offsets = np.clip(np.round(64 * beyond), 0, 64 * 2 * THETA).astype(int)
    tables, escapes = tables_of(counts.values)
    sets = [(tables, escapes), *zip(*train_trellis(streams, tables, escapes))]
    sys.stdout.write(rust(sets, offsets))


if __name__ == "__main__":
    main()
