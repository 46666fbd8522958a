"""Trellis-coded values: which quantiser each value had, what it stands for, and the search that chooses them."""

import numpy as np

NEXT = np.array([[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]])
STATES = len(NEXT)
LAMBDA = 0.055  # squared error, in steps, that a bit is worth


def quantizers(values):
    """The quantiser, 0 or 1, of each value of rows `[n, rank]`: the state's lowest bit, from state 0 on."""
    state = np.zeros(len(values), np.int64)
    found = np.zeros(values.shape, np.int64)
    for j in range(values.shape[1]):
        found[:, j] = state & 1
        state = NEXT[state, values[:, j] & 1]
    return found


def points(values):
    """What values stand for, in steps."""
    return values - 0.5 * np.sign(values) * quantizers(values)


def search(y, bits):
    """The values with the least `(y - point)^2 + LAMBDA bits` of rows `[n, rank]` in units of their steps.
    `bits(j, quantizer, sizes)` are the bits of magnitudes `[n]` of component `j`."""
    n, rank = y.shape
    costs = np.full((n, STATES), np.inf)
    costs[:, 0] = 0
    came = np.zeros((n, rank, STATES), np.int8)
    sizes = np.zeros((n, rank, STATES), np.int32)
    for j in range(rank):
        size = np.abs(y[:, j])
        after = np.full((n, STATES), np.inf)
        for quantizer in (0, 1):
            low = np.floor(size + 0.5 * quantizer).astype(np.int64)
            zero = np.where((quantizer == 1) & (low == 1) & (size < 1), 0, low)
            for candidate in (low, low + 1, zero):
                point = np.where(candidate > 0, candidate - 0.5 * quantizer, 0)
                metric = (size - point) ** 2 + LAMBDA * bits(j, quantizer, candidate)
                for state in range(quantizer, STATES, 2):
                    for parity in (0, 1):
                        to = NEXT[state, parity]
                        cost = np.where((candidate & 1) == parity, costs[:, state] + metric, np.inf)
                        better = cost < after[:, to]
                        after[better, to] = cost[better]
                        came[better, j, to] = state
                        sizes[better, j, to] = candidate[better]
        costs = after
    state, rows = costs.argmin(1), np.arange(n)
    values = np.zeros((n, rank), np.int64)
    for j in reversed(range(rank)):
        values[:, j] = sizes[rows, j, state]
        state = came[rows, j, state]
    return values * np.where(y < 0, -1, 1)
