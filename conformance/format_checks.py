"""Blocks of unusual shapes through a decoder that knows docs/FORMAT.md and nothing else; the tables there."""

import pathlib

import numpy as np

import blocks
import decoder
import lloyd_max
import rdo_cases
from capi import Codec, Data, fit
from report import DECODE_LIMIT
from rows import clustered, deviation

TABLE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "lloyd-max.tsv"
CERTIFIED = 1e-4  # share by which a certified error may differ from the one measured here
ROUNDING = 3e-7  # and by this share of the error's root: rows are decoded in binary32 there, in binary64 here


def tables(report):
    """docs/lloyd-max.tsv has the levels that Lloyd's iteration finds, to the precision of binary32."""
    table = np.loadtxt(TABLE, skiprows=1)
    off, failures = 0.0, []
    for bits in range(1, 9):
        own = lloyd_max.positive_levels(bits)
        rows = table[table[:, 0] == bits]
        if not np.array_equal(rows[:, 1], np.arange(len(own)) + len(own)):
            failures.append(f"symbols of {bits} bits")
            continue
        off = max(off, np.abs(rows[:, 2] / own - 1).max())
    if off > 2.0**-23:
        failures.append("a level is not that of Lloyd's iteration")
    report.line("Lloyd-Max levels of 1 to 8 bits", f"{len(table)} levels, off by {off:.1e} at most", failures)


def decoding(library, report):
    """Every kind of section, and certified errors."""
    for name, (case, kinds) in {**CASES, **rdo_cases.CASES}.items():
        worst, count, failures, missing = 0.0, 0, [], set(kinds)
        for what, segments, data, params, shared in case():
            positions = None if data.positions is None else data.positions + params.pop("shift", 0)
            handle, saved, _ = fit(library, segments, data, **params) if shared else (None, None, None)
            skeleton = blocks.parse_skeleton(saved) if shared else None
            n = len(data.segments[0])
            codec = Codec(library, segments, n, handle, **params)
            block = codec.encode(data)
            backs = codec.decode(block, n, positions)
            own = decoder.Codec.of(segments, skeleton, **params).decode(block, positions)
            off = max(deviation(rows, *pair) for rows, *pair in zip(data.segments, backs, own))
            worst, count = max(worst, off), count + 1
            if not off <= DECODE_LIMIT:
                failures.append(f"{what}: {off:.2g} of a row's norm")
            parsed = blocks.parse_block(block)
            missing -= parsed.parts
            if parsed.fingerprint != codec.fingerprint():
                failures.append(f"{what}: fingerprint")
            if positions is data.positions:
                failures += _certificate(what, parsed, segments, data, own)
        failures += [f"no block with {kind}" for kind in sorted(missing)]
        report.line(f"decoders, {name}", f"{count} blocks, apart by {worst:.1e} of a row's norm", failures)


def _certificate(what, parsed, segments, data, own):
    """Measures what the header certifies; rows that are stored raw do not count, unless all of them are. Then rows
    that are not finite do not."""
    if parsed.codes is None:
        coded = np.all([np.isfinite(rows).all(axis=1) for rows in data.segments], axis=0)
    else:
        coded = np.ones(len(data.segments[0]), bool)
        coded[[row for row, _, _ in parsed.raw]] = False
    weights = np.ones(len(coded)) if data.weights is None else data.weights.astype(np.float64)
    squared, energy, largest = 0.0, 0.0, 0.0
    for segment, rows, back in zip(segments, data.segments, own):
        rows, back, weight = rows[coded].astype(np.float64), back[coded], weights[coded, None]
        squared += (weight * (segment.gain * (rows - back)) ** 2).sum()
        energy += (weight * (segment.gain * rows) ** 2).sum()
        largest = max([largest, *np.abs(rows - back).max(axis=1)])
    measured = largest if parsed.distortion == 2 else squared / energy if energy else 0.0
    if abs(parsed.certified_error - measured) <= CERTIFIED * measured + ROUNDING * np.sqrt(measured) + 1e-11:
        return []
    return [f"{what}: certified {parsed.certified_error:.6g}, measured {measured:.6g}"]


def _normal(n, dim, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def _lengths():
    """Powers of two and others, in all widths, with a payload checksum and without."""
    for dim in (1, 2, 3, 7, 33, 64, 80, 96, 257, 576):
        for bits in range(1, 9):
            params = {"bits": bits, "seed": dim + bits, "distortion": bits % 3, "checksum": bits % 2}
            yield f"dim {dim}, {bits} bits", [blocks.Segment(dim)], Data([_normal(13, dim)]), params, False


def _scales():
    """Norms over sixty orders of magnitude, zeros, and subnormal numbers."""
    rows = _normal(64, 48) * np.float32(10.0) ** np.linspace(-30, 30, 64, dtype=np.float32)[:, None]
    rows[5] = 0.0
    rows[6] = -0.0
    for distortion in (0, 1):
        params = {"bits": 3, "distortion": distortion}
        yield f"distortion {distortion}", [blocks.Segment(48)], Data([rows]), params, False


def _raw_rows():
    """Two segments with gains and rotary embeddings, raw rows in every type, unused slots, shifted positions."""
    frequencies = (1e4 ** (-np.arange(12) / 12)).astype(np.float32)
    protect = np.zeros(20, np.uint8)
    protect[[0, 7, 19]] = 1
    weights = np.linspace(0.0, 3.0, 20, dtype=np.float32)
    for raw_dtype in ("f32", "f16", "bf16"):
        for rope, other in (("neox", "none"), ("interleaved", "neox"), ("none", "none")):
            for shift in (0, 5, -300):
                segments = [
                    blocks.Segment(32, 0.25, raw_dtype, rope, frequencies if rope != "none" else frequencies[:0]),
                    blocks.Segment(24, 3.0, "f16", other, frequencies if other != "none" else frequencies[:0]),
                ]
                positions = np.arange(1000, 1020, dtype=np.int32) if rope != "none" else None
                views = [_normal(20, 32), np.asfortranarray(_normal(20, 24, 2).astype(np.float16))]
                data = Data(views, positions, weights, protect)
                params = {"bits": 4, "max_protected": 5, "shift": shift}
                if positions is None:
                    params.pop("shift")
                yield f"{raw_dtype}, {rope}, shift {shift}", segments, data, params, False


def _not_finite():
    """Rows with NaN and infinity take slots of their own accord."""
    rows = _normal(16, 32)
    rows[3, 5], rows[9, 0] = np.nan, -np.inf
    yield "NaN and infinity", [blocks.Segment(32)], Data([rows]), {"nan_policy": 1, "max_protected": 2}, False


def _small_skeletons():
    """Rank 0, fewer rows than coordinates, one row; centres of 1 to 8 index bits, shared and carried."""
    for shared in (False, True):
        for n in (1, 2, 9):
            rows = _normal(n, 24)
            yield f"{n} rows", [blocks.Segment(24)], Data([rows]), {"preset": 1, "seed": 3}, shared
        constant = np.full((10, 24), 2.5, np.float32)
        yield "constant rows", [blocks.Segment(24)], Data([constant]), {"preset": 1}, shared
        for k in (1, 2, 3, 16, 100, 256):
            rows = clustered(k, 2048, 48, k, 1e-3).values
            params = {"preset": 1, "kmeans_k": k, "variance_ratio": 0.999999, "bits": 1 + k % 8, "distortion": k % 3}
            yield f"{k} centres", [blocks.Segment(48)], Data([rows]), params, shared


# What each group of blocks has to contain.
CASES = {
    "lengths and widths": (_lengths, set()),
    "scales from 1e-30 to 1e30": (_scales, set()),
    "gains, rotary embeddings, raw rows": (_raw_rows, {"positions", "raw rows", "unused slots"}),
    "rows that are not finite": (_not_finite, {"raw rows"}),
    "skeletons of every size": (_small_skeletons, {"centres", "own skeleton"}),
}
