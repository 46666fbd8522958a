"""Preset turbo on real keys and values, against rotation and Lloyd-Max as the textbook has them."""

import numpy as np

import blocks
import decoder
import kakeya
import rotation
from capi import Codec, Data
from report import DECODE_LIMIT, summary
from rows import deviation, relative_error

ERROR_RATIO = 1.02
HEADER_BPV = 0.03  # what header and checksums may cost in a block of 512 rows of 64 values


def error_and_rate(library, report, real):
    """Error at most 1.02 times that of the baseline, with the codec's signs and with others; every byte counted."""
    dim = real[0].values.shape[1]
    baselines = {
        "the codec's signs": rotation.seeded(dim, 0),
        "other signs": rotation.random(dim, np.random.default_rng(20240501)),
    }
    names = [rows.tensor for rows in real]
    for bits in range(1, 9):
        segments = [blocks.Segment(dim)]
        codec = Codec(library, segments, len(real[0].values), bits=bits)
        own = decoder.Codec.of(segments, bits=bits)
        errors, worst, size = [], 0.0, 0
        for rows in real:
            data = Data([rows.values])
            block = codec.encode(data)
            (back,) = codec.decode(block, len(rows.values))
            errors.append(relative_error(rows.values, back))
            worst = max(worst, deviation(rows.values, back, own.decode(block)[0]))
            size += len(block)
        bpv = 8 * size / sum(rows.values.size for rows in real)
        limit = bits + 16 / dim + HEADER_BPV
        failures = [] if bpv <= limit else [f"{bpv:.4f} bpv, at most {limit:.4f}"]
        if worst > DECODE_LIMIT:
            failures.append(f"the numpy decoder is off by {worst:.2g} of a row's norm")
        figures = [f"{bpv:.4f} bpv (limit {limit:.4f}), error {np.mean(errors):.6f}", f"decoders {worst:.1e}"]
        for what, matrix in baselines.items():
            plain = [relative_error(rows.values, kakeya.plain(rows.values, matrix, bits)) for rows in real]
            ratio = np.mean(errors) / np.mean(plain)
            by_tensor = {name: _mean(errors, names, name) / _mean(plain, names, name) for name in names}
            figures.append(f"{ratio:.4f} of the baseline with {what}, by tensor {summary(list(by_tensor.values()))}")
            cases = {"all tensors": ratio, **by_tensor}
            failures += [f"{name}, {what}: {r:.4f}" for name, r in cases.items() if not r <= ERROR_RATIO]
        report.line(f"turbo {bits} bits", "; ".join(figures), failures)


def distortions(library, report, real):
    """The three distortions agree with the numpy encoder within 2 per cent, block by block."""
    dim = real[0].values.shape[1]
    segments = [blocks.Segment(dim)]
    for bits in (2, 3, 4):
        kernel = kakeya.Kernel(kakeya.Skeleton.identity(dim), bits)
        for name, code in kakeya.DISTORTIONS.items():
            codec = Codec(library, segments, len(real[0].values), bits=bits, distortion=code)
            ratios = []
            for rows in real:
                (back,) = codec.decode(codec.encode(Data([rows.values])), len(rows.values))
                own = kernel.decode(kernel.encode(rows.values, name))
                ratios.append(relative_error(rows.values, back) / relative_error(rows.values, own))
            failures = [f"{rows.tensor}: {r:.4f}" for rows, r in zip(real, ratios) if not abs(r - 1) <= 0.02]
            report.line(f"turbo {bits} bits, {name}", f"library / numpy {summary(ratios)}", failures)


def _mean(values, names, name):
    return np.mean([value for value, other in zip(values, names) if other == name])
