"""Rows at a fixed step, in binary64: their quantiser, their rate, and the runs in which blocks keep them."""

import dataclasses

import numpy as np

import kakeya
import rans
import rate
import trellis

DEAD_ZONE = 0.125  # in steps: how far values are rounded towards zero
LARGEST = 1 << 24


@dataclasses.dataclass
class Codes:
    """What is stored per row. `reaches` and `centres` are 0 where there are no centres."""

    gains: np.ndarray  # intp [n], quarter octaves plus 8
    steps: np.ndarray  # intp [n], quarter octaves above the block's step
    reaches: np.ndarray  # uint8 [n]
    centres: np.ndarray  # intp [n]
    values: np.ndarray = None  # int64 [n, rank]


class Stepper:
    """The quantiser and the rate model of a codec with this skeleton and step (a binary32)."""

    def __init__(self, skeleton, step, has_trellis=False):
        self.skeleton = skeleton
        self.has_trellis = has_trellis
        self.step = float(np.float32(step))
        deviations = np.sqrt(skeleton.variances.astype(np.float32))
        self.eighths = rate.log2_eighths(deviations) - rate.log2_eighths(np.float32(step))

    def encode(self, rows, weights=None):
        """Codes of finite rows `[n, dim]`."""
        skeleton = self.skeleton
        z = (rows.astype(np.float64) - skeleton.mean) @ skeleton.transform.T
        n = len(z)
        reaches, centres = np.zeros(n, np.uint8), np.zeros(n, np.intp)
        if len(skeleton.centres):
            products = z @ skeleton.centres.T
            centres = np.abs(products).argmax(axis=1)
            reaches = kakeya.encode_reach(products[np.arange(n), centres], skeleton.reach)
            z = z - kakeya.decode_reach(reaches, skeleton.reach)[:, None] * skeleton.centres[centres]
        expected = skeleton.variances + self.step**2 / 12
        usual = max((skeleton.variances / expected).mean(), 1e-30)
        mean = np.maximum((z * z / expected).mean(axis=1) / usual, 1e-30)
        gains = np.clip(np.floor(2 * np.log2(mean) + 0.5), -8, 7).astype(np.intp) + 8
        steps = np.zeros(n, np.intp) if weights is None else steps_of(weights)
        codes = Codes(gains, steps, reaches, centres)
        if self.has_trellis:
            tables, low_bits = self.bins(codes)

            def bits(j, quantiser, sizes):
                return rate.cost(quantiser + 1, tables[:, j], low_bits[:, j], sizes)

            codes.values = trellis.search(z / self._row_steps(steps), bits)
        else:
            sizes = np.floor(np.abs(z) / self._row_steps(steps) + (0.5 - DEAD_ZONE))
            codes.values = (np.sign(z) * sizes).astype(np.int64)
        return codes

    def decode(self, codes):
        """The rows `[n, dim]` of codes."""
        if self.has_trellis:
            points = trellis.points(codes.values)
        else:
            points = codes.values + rate.offsets(*self.bins(codes), codes.values) / 64
        z = points * self._row_steps(codes.steps)
        if len(self.skeleton.centres):
            t = kakeya.decode_reach(codes.reaches, self.skeleton.reach)
            z = z + t[:, None] * self.skeleton.centres[codes.centres]
        return self.skeleton.mean + z @ self.skeleton.basis

    def bits(self, codes):
        """Ideal code lengths `[n, rank]` of the values."""
        quantisers = trellis.quantizers(codes.values) + 1 if self.has_trellis else 0
        return rate.cost(quantisers, *self.bins(codes), codes.values)

    def read(self, runs, rows_per_run, codes):
        """The values of runs: pairs of the number of coded components, and what the range coder wrote. `codes`
        gives the rest of the rows."""
        n = len(codes.gains)
        tables, low_bits = self.bins(codes)
        values = np.zeros(tables.shape, np.int64)
        for first, (live, coded) in zip(range(0, n, rows_per_run), runs):
            decoder = rans.Decoder(coded)
            for i in range(first, min(first + rows_per_run, n)):
                state = 0
                for j, bin in enumerate(zip(tables[i, :live].tolist(), low_bits[i, :live].tolist())):
                    quantiser = (state & 1) + 1 if self.has_trellis else 0
                    value = decoder.value(j % rans.LANES, quantiser, *bin)
                    state = trellis.NEXT[state, value & 1]
                    values[i, j] = value
            decoder.finish()
        return values

    def bins(self, codes):
        """Tables and numbers of low bits of the values."""
        change = 2 * (codes.gains - 8) - 2 * codes.steps
        return rate.bins(self.eighths + change[:, None])

    def _row_steps(self, steps):
        return self.step * np.exp2(steps / 4.0)[:, None]


def steps_of(weights):
    """Quarter octaves that the weights of the rows of a block add to their steps."""
    weights = weights.astype(np.float64)
    logarithms = np.log2(weights, out=np.full(len(weights), -np.inf), where=weights > 0)
    mean = logarithms[weights > 0].mean() if (weights > 0).any() else 0.0
    return np.where(weights > 0, np.clip(np.round(-2 * (logarithms - mean)), -16, 16), 16).astype(np.intp)
