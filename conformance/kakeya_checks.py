"""Preset kakeya against numpy: coding with a given skeleton, and the skeleton itself."""

import numpy as np

import blocks
import decoder
import kakeya
import pca
from capi import Codec, Data, fit
from report import DECODE_LIMIT, summary
from rows import clustered, deviation, relative_error

AGREEMENT = 0.02
CAPTURED = 1e-4
SUBSPACE = 1e-4
VARIANCE_RATIO = 0.99


def coding(library, report, real):
    """Errors agree with those of the numpy encoder that is given the same skeleton: one from the fitter, and the
    one that a block carries. Few of the blocks of real rows carry centres; those of clustered rows all do."""
    dense = {"kmeans_k": 24, "variance_ratio": 0.9999}
    cases = {"real rows": (real, {}), "clustered rows": ([clustered(seed) for seed in range(4)], dense)}
    for what, (all_rows, settings) in cases.items():
        settings = {"preset": 1, "variance_ratio": VARIANCE_RATIO, **settings}
        segments = [blocks.Segment(all_rows[0].values.shape[1])]
        fitted = [fit(library, segments, Data([rows.values]), **settings) for rows in all_rows]
        for carried in (False, True):
            for bits in (2, 3, 4):
                for name in kakeya.DISTORTIONS:
                    case = (what, carried, bits, name)
                    _coding_case(library, report, case, all_rows, segments, fitted, settings)


def _coding_case(library, report, case, all_rows, segments, fitted, settings):
    what, carried, bits, name = case
    params = {"bits": bits, "distortion": kakeya.DISTORTIONS[name], **settings}
    ratios, ranks, centres, errors, worst, failures = [], [], [], [], 0.0, []
    for rows, (handle, saved, _) in zip(all_rows, fitted):
        n = len(rows.values)
        codec = Codec(library, segments, n, None if carried else handle, **params)
        block = codec.encode(Data([rows.values]))
        (back,) = codec.decode(block, n)
        skeleton = blocks.parse_block(block).skeleton if carried else blocks.parse_skeleton(saved)
        kernel = kakeya.Kernel(skeleton, bits)
        own = kernel.decode(kernel.encode(rows.values, name))
        errors.append(relative_error(rows.values, back))
        ratios.append(errors[-1] / relative_error(rows.values, own))
        ranks.append(len(skeleton.basis))
        centres.append(len(skeleton.centres))
        decoded = decoder.Codec.of(segments, None if carried else skeleton, **params).decode(block)[0]
        worst = max(worst, deviation(rows.values, back, decoded))
        if not abs(ratios[-1] - 1) <= AGREEMENT:
            failures.append(f"{rows.tensor}: {ratios[-1]:.4f}")
    if worst > DECODE_LIMIT:
        failures.append(f"the numpy decoder is off by {worst:.2g} of a row's norm")
    if what == "clustered rows" and min(centres) == 0:
        failures.append("no centre was kept, so K-means was not checked")
    figures = [
        f"error {np.mean(errors):.6f}, library / numpy {summary(ratios)}, decoders {worst:.1e}",
        f"rank {min(ranks)} to {max(ranks)}, centres {min(centres)} to {max(centres)}",
    ]
    owner = "the block's own skeleton" if carried else "a fitted skeleton"
    report.line(f"kakeya {bits} bits, {name}, {what}, {owner}", "; ".join(figures), failures)


def fitting(library, report, real):
    """The skeleton against numpy's weighted PCA: rank, captured variance, subspace; weights from 0 to about 8."""
    generator = np.random.default_rng(7)
    for carried, n in ((False, 512), (True, 512), (True, 40)):
        off, angles, failures = [], [], []
        for rows in real:
            values = rows.values[:n]
            weights = generator.gamma(1.0, 1.0, n).astype(np.float32)
            weights[generator.random(n) < 0.1] = 0.0
            skeleton, captured = _fitted(library, values, weights, carried)
            mean, variances, axes = pca.axes(values, weights)
            rank = pca.rank(variances, VARIANCE_RATIO)
            if len(skeleton.basis) != rank:
                failures.append(f"{rows.tensor}: rank {len(skeleton.basis)}, numpy {rank}")
                continue
            expected = variances[:rank].sum() / variances.sum()
            off.append(max(abs(share - expected) for share in captured))
            angles.append(1.0 - pca.agreement(skeleton.basis, axes[:rank]))
            wrong_mean = np.abs(skeleton.mean - mean).max() / np.sqrt(variances.sum())
            if off[-1] > CAPTURED or angles[-1] > SUBSPACE or wrong_mean > 1e-5:
                failures.append(f"{rows.tensor}: {off[-1]:.2g}, {angles[-1]:.2g}, mean off by {wrong_mean:.2g}")
            if not carried and np.abs(skeleton.variances / variances[:rank] - 1).max() > CAPTURED:
                failures.append(f"{rows.tensor}: variances of the components")
        figures = "no skeleton of the same rank"
        if off:
            figures = f"captured variance off by {max(off):.1e} at most, largest angle 1 - cos {max(angles):.1e}"
        owner = "the block's own skeleton" if carried else "a fitted skeleton"
        report.line(f"weighted PCA, {n} rows, {owner}", figures, failures)


def _fitted(library, values, weights, carried):
    """The library's skeleton of weighted rows, and the share of the variance that its basis captures: as it is
    stored, and as the fit reports it."""
    data = Data([values], weights=weights)
    segments = [blocks.Segment(values.shape[1])]
    settings = {"preset": 1, "variance_ratio": VARIANCE_RATIO, "kmeans_k": 0}
    if carried:
        codec = Codec(library, segments, len(values), **settings)
        skeleton = blocks.parse_block(codec.encode(data)).skeleton
        return skeleton, [pca.captured(values, weights, skeleton.basis)]
    _, saved, report = fit(library, segments, data, **settings)
    skeleton = blocks.parse_skeleton(saved)
    return skeleton, [pca.captured(values, weights, skeleton.basis), report.captured_variance]
