"""Lloyd-Max quantisers of the standard normal distribution, by Lloyd's iteration (Lloyd 1982; Max 1960)."""

import functools
import math
import statistics

import numpy as np

# Lloyd's iteration with 256 levels contracts by about 1 - 1e-3 a round: levels that move by less than this
# are within 1e-9 of the fixed point.
TOLERANCE = 1e-12


@functools.lru_cache(maxsize=None)
def positive_levels(bits):
    """The `2**(bits - 1)` positive levels, ascending; the others are their negatives."""
    count = 1 << (bits - 1)
    # The optimal density of levels is that of a normal distribution with variance 3.
    start = statistics.NormalDist(0.0, math.sqrt(3.0))
    levels = np.array([start.inv_cdf((count + i + 0.5) / (2 * count)) for i in range(count)])
    while True:
        edges = np.concatenate([[0.0], 0.5 * (levels[:-1] + levels[1:]), [np.inf]])
        density = np.exp(-0.5 * edges * edges) / math.sqrt(2.0 * math.pi)
        tail = np.array([0.5 * math.erfc(edge * math.sqrt(0.5)) for edge in edges])
        centroids = (density[:-1] - density[1:]) / (tail[:-1] - tail[1:])
        moved = np.abs(centroids - levels).max()
        levels = centroids
        if moved < TOLERANCE:
            levels.setflags(write=False)
            return levels


def levels(bits):
    """All `2**bits` levels, ascending: entry `s` is the level of symbol `s`."""
    positive = positive_levels(bits)
    return np.concatenate([-positive[::-1], positive])


def quantize(values, bits):
    """The symbols (uint8) of the levels nearest to `values`; halfway between two, the one farther from 0."""
    positive = positive_levels(bits)
    thresholds = 0.5 * (positive[:-1] + positive[1:])
    step = np.searchsorted(thresholds, np.abs(values), side="right")
    return np.where(values < 0, len(positive) - 1 - step, len(positive) + step).astype(np.uint8)
