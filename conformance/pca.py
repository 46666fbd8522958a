"""Weighted principal component analysis."""

import numpy as np


def axes(rows, weights):
    """Mean `[d]`, variances `[d]` in descending order, and the orthonormal axes as rows `[d, d]`."""
    rows = rows.astype(np.float64)
    weights = weights.astype(np.float64)
    total = weights.sum()
    mean = weights @ rows / total
    deviations = rows - mean
    covariance = (deviations * weights[:, None]).T @ deviations / total
    variances, vectors = np.linalg.eigh(covariance)
    return mean, np.maximum(variances[::-1], 0.0), vectors.T[::-1]


def rank(variances, ratio):
    """The fewest components that capture `ratio` of the variance."""
    captured = np.cumsum(variances)
    return int(np.searchsorted(captured, ratio * captured[-1])) + 1


def captured(rows, weights, basis):
    """Share of the weighted variance of `rows` in the space that the rows of `basis` span."""
    weights = weights.astype(np.float64)
    deviations = rows - weights @ rows / weights.sum()
    orthonormal = np.linalg.qr(basis.astype(np.float64).T)[0]
    inside = ((deviations @ orthonormal) ** 2).sum(axis=1)
    return (weights @ inside) / (weights @ (deviations**2).sum(axis=1))


def agreement(basis, other):
    """Cosine of the largest angle between the spaces that the rows of two matrices span."""
    left = np.linalg.qr(basis.astype(np.float64).T)[0]
    right = np.linalg.qr(other.astype(np.float64).T)[0]
    return np.linalg.svd(left.T @ right, compute_uv=False).min()
