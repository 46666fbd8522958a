"""The inverse transform of blocks at a step, in integers of 16 bits, as docs/FORMAT.md has it."""

import numpy as np

COARSER = 3  # octaves
LARGEST_ALONG = np.float32(1e6)
ROUND = np.float32(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer


class Inverse:
    """The matrix of a skeleton, rounded."""

    def __init__(self, skeleton):
        basis = skeleton.basis.astype(np.float32)
        self.mean = skeleton.mean.astype(np.float32)
        self.centres = skeleton.centres.astype(np.float32)
        peak = np.maximum(np.abs(basis).max(), np.finfo(np.float32).tiny)
        exponent = int(np.clip(int(peak.view(np.uint32) >> np.uint32(23)) - 127, -100, 100))
        self.unit = np.float32(2.0 ** (exponent - 14))
        scaled = basis.astype(np.float64) / float(self.unit)
        away = np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)
        self.matrix = np.clip(away, -32767, 32767).astype(np.int64)  # [rank, dim]
        energy = max(int((self.matrix**2).sum(axis=0).max()), 1)
        self.limit = (1 << 62) // energy - 1

    def narrow(self, points, along, centre, point):
        """The row of these points in units of `point`, `along` a centre, and by how many octaves its points are
        coarser; None where it is wide."""
        if not abs(along) <= LARGEST_ALONG:
            return None
        if along != 0:
            steps = along * self.centres[centre]
            points = points + ((steps + ROUND).view(np.int32) - ROUND.view(np.int32))
        if points.min() < -(1 << 17) or points.max() > 1 << 17:
            return None
        for shift in (0, COARSER):
            q = (points + ((1 << shift) >> 1)) >> shift
            if np.abs(q).max() <= 32767 and int((q * q).sum()) <= self.limit:
                sums = q @ self.matrix
                assert np.abs(sums).max() < 1 << 31
                scale = point * np.float32(1 << shift) * self.unit
                return sums.astype(np.int32).astype(np.float32) * scale + self.mean, shift
        return None
