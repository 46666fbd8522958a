"""Blocks at a fixed step, of every shape, for the decoder that knows docs/FORMAT.md and nothing else.

A case is a name, the segments, the data, the parameters, and that a skeleton is fitted to the data and shared."""

import numpy as np

import blocks
from capi import Data
from rows import clustered

RDO = {"preset": 2, "rate_control": 1, "kmeans_k": 0}
ROWS_PER_RUN = (1, 7, 128)


def rows(n, dim, seed=1, decay=0.8):
    """Rows with a mean, in whose main directions most of the variance is."""
    generator = np.random.default_rng(seed)
    directions = np.linalg.qr(generator.standard_normal((dim, dim)))[0]
    scores = generator.standard_normal((n, dim)) * decay ** np.arange(dim)
    return (4.0 * scores @ directions + generator.standard_normal(dim)).astype(np.float32)


def joined():
    """K and V of two kv-heads: rotary embeddings of both pairings, gains, weights, raw rows, shifted positions."""
    frequencies = (1e4 ** (-np.arange(8) / 8)).astype(np.float32)
    protect = np.zeros(150, np.uint8)
    protect[[0, 6, 7, 149]] = 1
    weights = (np.arange(150, dtype=np.float32) % 5) ** 2
    for pairing in ("neox", "interleaved"):
        for per_run in ROWS_PER_RUN:
            for shift, use_weights, use_protect in ((0, False, False), (0, True, False), (-40, True, True)):
                segments = [
                    blocks.Segment(24, 0.5, "f16", pairing, frequencies),
                    blocks.Segment(16, 3.0, "bf16"),
                    blocks.Segment(24, 1.0, "f32", pairing, frequencies),
                    blocks.Segment(20, 0.25, "f16"),
                ]
                data = Data(
                    [rows(150, segment.dim, seed) for seed, segment in enumerate(segments)],
                    np.arange(300, 450, dtype=np.int32),
                    weights if use_weights else None,
                    protect if use_protect else None,
                )
                params = {**RDO, "step": 0.3, "rows_per_run": per_run, "shift": shift, "checksum": int(shift == 0)}
                if shift == 0:
                    params.pop("shift")
                params["distortion"] = per_run % 3
                yield f"{pairing}, {per_run} rows a run, shift {shift}", segments, data, params, True


def steps():
    """From steps with which all values are 0 to steps that take many low bits; outliers that escape, rows that
    cannot be coded; few rows, one component."""
    for dim in (1, 2, 9, 40):
        for step in (100.0, 10.0, 1.0, 0.1, 1e-2, 1e-3):
            data = rows(70, dim, dim, 0.6)
            data[3] *= 100.0
            data[11] = data.mean(axis=0)
            data[20] += np.float32(1e12 if dim == 9 else 0.0)
            protect = np.zeros(70, np.uint8)
            protect[20] = 1 if dim == 2 else 0
            params = {**RDO, "step": step, "rows_per_run": 32}
            yield f"dim {dim}, step {step}", [blocks.Segment(dim)], Data([data], protect=protect), params, True
    for n in (1, 2, 3):
        yield f"{n} rows", [blocks.Segment(5)], Data([rows(n, 5)]), {**RDO, "step": 1.0, "rows_per_run": 2}, True


def centres():
    """Centres, shared, of 0 to 5 index bits."""
    for k in (1, 2, 3, 30):
        for per_run in ROWS_PER_RUN:
            data = clustered(k, 512, 48, k, 1e-2).values
            params = {**RDO, "kmeans_k": k, "step": 0.004, "rows_per_run": per_run}
            yield f"{k} centres", [blocks.Segment(48)], Data([data]), params, True


def raw_blocks():
    """Noise at a tiny step: smaller raw. Positions that follow each other and others; raw rows of each type."""
    frequencies = np.array([1.0, 0.1], np.float32)
    follow = np.arange(50, 90, dtype=np.int32)
    for raw_dtype in ("f32", "f16", "bf16"):
        for positions in (None, follow, follow[::-1].copy(), follow * 3):
            for shift in (0, 9):
                rope = ("none", frequencies[:0]) if positions is None else ("neox", frequencies)
                segments = [blocks.Segment(12, 2.0, raw_dtype, *rope), blocks.Segment(7, 1.0, raw_dtype)]
                noise = np.random.default_rng(5).standard_normal((40, 19)).astype(np.float32)
                params = {**RDO, "step": 1e-7, "checksum": int(shift == 0)}
                if shift and positions is not None:
                    params["shift"] = shift
                data = Data([noise[:, :12], noise[:, 12:]], positions)
                yield f"{raw_dtype}, shift {shift}", segments, data, params, True


def not_finite():
    """Rows with NaN and infinity, stored raw of their own accord; in a block that is raw as well."""
    for step, raw_dtype in ((0.5, "f32"), (1e-7, "f32"), (0.5, "f16")):
        data = rows(64, 32)
        data[3, 5], data[9, 0] = np.nan, -np.inf
        params = {**RDO, "step": step, "rows_per_run": 10, "nan_policy": 1}
        yield f"step {step}", [blocks.Segment(32, raw_dtype=raw_dtype)], Data([data]), params, True


def bounds():
    """LInf with a bound: rows that miss it are stored raw."""
    data = rows(90, 30)
    params = {**RDO, "step": 0.5, "rows_per_run": 16, "distortion": 2, "max_abs_error": 0.33}
    yield "largest error 0.33", [blocks.Segment(30)], Data([data]), params, True


def trellis():
    """Values of a trellis: low bits, escapes, weights, centres, several runs."""
    weights = (np.arange(70, dtype=np.float32) % 5) ** 2
    for dim in (1, 2, 9, 40):
        for step in (10.0, 1.0, 0.1, 1e-3):
            data = rows(70, dim, dim, 0.6)
            data[3] *= 100.0
            params = {**RDO, "step": step, "rows_per_run": 32, "effort": 1}
            yield f"dim {dim}, step {step}", [blocks.Segment(dim)], Data([data], weights=weights), params, True
    data = clustered(5, 512, 48, 5, 1e-2).values
    yield "centres", [blocks.Segment(48)], Data([data]), {**RDO, "kmeans_k": 5, "step": 0.004, "effort": 1}, True


def sizes():
    """Steps that were found for a largest size."""
    for effort in (0, 1):
        for max_bytes in (400, 1000, 2500):
            params = {"preset": 2, "rate_control": 2, "kmeans_k": 0, "max_bytes": max_bytes, "effort": effort}
            yield f"{max_bytes} bytes", [blocks.Segment(30)], Data([rows(90, 30)]), params, True


def allocated():
    """Bits by component, from less than one a row to all that there are; centres, raw rows, directions without
    variance."""
    protect = np.zeros(70, np.uint8)
    protect[[0, 69]] = 1
    for dim in (1, 3, 40):
        for bits in (0.2, 1.0, 2.3, 8.0):
            for distortion in (0, 1, 2):
                data = rows(70, dim, dim, 0.9)
                params = {"preset": 2, "bits": bits, "kmeans_k": 0, "max_protected": 3, "distortion": distortion}
                segments = [blocks.Segment(dim, 0.5)]
                yield f"dim {dim}, {bits} bits", segments, Data([data], protect=protect), params, True
    data = clustered(5, 512, 48, 5, 1e-2).values
    params = {"preset": 2, "bits": 2.5, "kmeans_k": 5}
    yield "centres", [blocks.Segment(48)], Data([data]), params, True
    flat = rows(50, 12)
    flat[:, 6:] = 0.0
    yield "flat rows", [blocks.Segment(12)], Data([flat]), {"preset": 2, "bits": 7.0, "kmeans_k": 0}, True


# What each group of blocks has to contain, besides runs.
CASES = {
    "rdo, joined segments": (joined, {"positions", "weights", "raw rows", "short run"}),
    "rdo, steps from large to tiny": (steps, {"raw rows", "short run", "raw block"}),
    "rdo, centres": (centres, {"centres", "short run"}),
    "rdo, raw blocks": (raw_blocks, {"raw block", "positions"}),
    "rdo, rows that are not finite": (not_finite, {"raw rows", "raw block"}),
    "rdo, a bound": (bounds, {"raw rows"}),
    "rdo, a trellis": (trellis, {"trellis", "weights", "centres", "short run"}),
    "rdo, a largest size": (sizes, {"trellis"}),
    "rdo, bits by component": (allocated, {"bits by component", "raw rows", "unused slots", "centres"}),
}
