"""Bits that differ by component: how they are distributed, and what symbols stand for."""

import numpy as np

import lloyd_max

# Mean squared error of the Lloyd-Max quantisers of 0 to 8 bits on N(0, 1), as binary64.
DISTORTION = [
    1.0, 0.3633802276, 0.1174818478, 0.03454776079, 0.009501008008, 0.002504668356, 0.0006442396653, 0.00016347823,
    4.118508287e-05,
]  # fmt: skip
MOST_BITS = 8


class Grid:
    """The widths and deviations of components of these variances, at `bits` a component on average."""

    def __init__(self, variances, bits):
        budget = int(float(np.float32(bits)) * len(variances))
        gains = variances[:, None] * -np.diff(DISTORTION)
        gains[variances <= variances.max() * 2.0**-48] = 0
        component = np.repeat(np.arange(len(variances)), MOST_BITS)
        order = np.lexsort((component, -gains.ravel()))[:budget]
        order = order[gains.ravel()[order] > 0]
        self.widths = np.bincount(component[order], minlength=len(variances))
        self.deviations = np.sqrt(variances / variances.max()) if budget else np.zeros(len(variances))

    def points(self, symbols):
        """The points of symbols `[n, rank]` at scale 1."""
        columns = [
            deviation * lloyd_max.levels(width)[symbol] if width else 0.0 * symbol
            for deviation, width, symbol in zip(self.deviations, self.widths, symbols.T)
        ]
        return np.stack(columns, axis=1)
