"""The codec on rows `[n, dim]`, in binary64 and written plainly: all rows of a block at once, matrices throughout.

    x --T(x - mean)--> y --(- t c)--> r --rotation--> z --Lloyd-Max--> symbols, scale (, centre, t)

The turbo preset has the identity as its skeleton.
"""

import dataclasses

import numpy as np

import lloyd_max
import rotation

DISTORTIONS = {"mse": 0, "inner product": 1, "linf": 2}

# Scales that LInf tries, relative to the root mean square of a row: half an octave below to 1.5 above.
LINF_TRIALS = np.exp2(np.arange(-8, 25) / 16.0)


@dataclasses.dataclass
class Skeleton:
    """What rows share. `identity` rows pass through; `variances` are None where they are not stored."""

    mean: np.ndarray  # [dim]
    basis: np.ndarray  # [rank, dim]
    centres: np.ndarray  # [n_centres, rank]
    reach: float  # largest |t| along a centre that can be coded
    variances: np.ndarray = None  # [rank]
    transform: np.ndarray = None  # [rank, dim], from rows to coefficients; the basis, unless there is a metric

    is_identity: bool = False

    def __post_init__(self):
        if self.transform is None:
            self.transform = self.basis

    @staticmethod
    def identity(dim):
        """The skeleton of turbo."""
        return Skeleton(np.zeros(dim), np.eye(dim), np.zeros((0, dim)), 0.0, is_identity=True)


@dataclasses.dataclass
class Codes:
    """What is stored per row, as in a block; `reaches` and `centres` are 0 where there are no centres."""

    scales: np.ndarray  # uint16 [n]
    reaches: np.ndarray  # uint8 [n]
    centres: np.ndarray  # intp [n]
    symbols: np.ndarray  # uint8 [n, rank]


def encode_scale(scale):
    """Scales as 16-bit codes: exponent and 8 bits of mantissa, rounded to nearest, ties to even."""
    bits = np.maximum(np.asarray(scale), 0.0).astype(np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x3FFF) + ((bits >> np.uint32(15)) & np.uint32(1))) >> np.uint32(15)
    return np.minimum(rounded, 0xFEFF).astype(np.uint16)


def decode_scale(codes):
    """The scales of codes up to 0xFEFF."""
    return (codes.astype(np.uint32) << np.uint32(15)).view(np.float32).astype(np.float64)


def encode_reach(t, peak):
    """`t` as sign and 7 bits of the logarithm of |t| / peak."""
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.floor(127.0 + 8.0 * np.log2(np.abs(t) / peak) + 0.5)
    magnitude = np.where(step >= 1.0, np.minimum(step, 127.0), 0.0).astype(np.uint8)
    return np.where((t < 0) & (magnitude > 0), magnitude | 0x80, magnitude).astype(np.uint8)


def decode_reach(codes, peak):
    """`t` of codes."""
    magnitude = (codes & 0x7F).astype(np.float64)
    t = np.where(magnitude == 0, 0.0, peak * np.exp2((magnitude - 127.0) / 8.0))
    return np.where(codes & 0x80, -t, t)


class Kernel:
    """The stages that all rows of a block share."""

    def __init__(self, skeleton, bits, seed=0):
        self.skeleton = skeleton
        self.bits = bits
        self.levels = lloyd_max.levels(bits)
        self.rotation = rotation.seeded(len(skeleton.basis), seed)
        # From the rotated residual to the row.
        self.back = self.rotation @ skeleton.basis

    def encode(self, rows, distortion):
        """Codes of finite rows `[n, dim]`, for one of `DISTORTIONS`."""
        rows = rows.astype(np.float64)
        y = (rows - self.skeleton.mean) @ self.skeleton.transform.T
        n, rank = y.shape
        reaches, centres = np.zeros(n, np.uint8), np.zeros(n, np.intp)
        if len(self.skeleton.centres):
            products = y @ self.skeleton.centres.T
            centres = np.abs(products).argmax(axis=1)
            reaches = encode_reach(products[np.arange(n), centres], self.skeleton.reach)
            t = decode_reach(reaches, self.skeleton.reach)
            y = y - t[:, None] * self.skeleton.centres[centres]
        z = y @ self.rotation.T

        rms = np.sqrt((z * z).sum(axis=1) / max(rank, 1))
        grids, symbols = self._quantize(z, rms)
        q = self.levels[symbols]
        zz, zq, qq = ((a * b).sum(axis=1) for a, b in ((z, z), (z, q), (q, q)))
        scales = np.divide(zq, qq, out=np.zeros(n), where=qq > 0)
        if distortion == "inner product":
            # Beyond 60 degrees the unbiased scale would amplify the error more than fourfold.
            unbiased = zq * zq > 0.25 * zz * qq
            scales = np.divide(zz, zq, out=scales, where=unbiased)
        scales = np.where((grids > 0) & (zq > 0), encode_scale(scales), 0).astype(np.uint16)
        codes = Codes(scales, reaches, centres, symbols)
        return self._search(rows, z, rms, codes) if distortion == "linf" else codes

    def decode(self, codes):
        """The rows `[n, dim]` of codes."""
        return self._predicted(codes) + self._residual(codes)

    def _predicted(self, codes):
        """What mean and centres say of the rows."""
        if not len(self.skeleton.centres):
            return self.skeleton.mean
        t = decode_reach(codes.reaches, self.skeleton.reach)
        return self.skeleton.mean + t[:, None] * self.skeleton.centres[codes.centres] @ self.skeleton.basis

    def _residual(self, codes):
        """What scales and symbols add to that."""
        return decode_scale(codes.scales)[:, None] * self.levels[codes.symbols] @ self.back

    def _quantize(self, z, scales):
        """Symbols on the grid of the scales as they are stored, and the codes of these."""
        codes = encode_scale(scales)
        grids = decode_scale(codes)[:, None]
        u = np.divide(z, grids, out=np.zeros_like(z), where=grids > 0)
        return codes, np.where(grids > 0, lloyd_max.quantize(u, self.bits), 0).astype(np.uint8)

    def _search(self, rows, z, rms, best):
        """Of `best` and codes with the scales of `LINF_TRIALS`, those with the least maximum error, row by row."""
        rest = rows - self._predicted(best)
        least = np.abs(rest - self._residual(best)).max(axis=1)
        for factor in LINF_TRIALS:
            scales, symbols = self._quantize(z, rms * factor)
            trial = Codes(scales, best.reaches, best.centres, symbols)
            error = np.abs(rest - self._residual(trial)).max(axis=1)
            better = (error < least) & (rms > 0)
            best.scales[better] = scales[better]
            best.symbols[better] = symbols[better]
            least[better] = error[better]
        return best


def plain(rows, rotation_matrix, bits):
    """Rows through rotation and Lloyd-Max and back, at their exact root mean square: the textbook baseline."""
    z = rows.astype(np.float64) @ rotation_matrix.T
    rms = np.sqrt((z * z).mean(axis=1, keepdims=True))
    u = np.divide(z, rms, out=np.zeros_like(z), where=rms > 0)
    return rms * lloyd_max.levels(bits)[lloyd_max.quantize(u, bits)] @ rotation_matrix
