"""Preset rdo on real keys and values: a skeleton fitted on other documents, its rate and its error."""

import dataclasses
import itertools

import numpy as np

import blocks
import decoder
import stepped
from capi import Codec, Data, fit
from report import DECODE_LIMIT
from rows import deviation, relative_error, tensors

LAYERS = (14, 15, 16)
STEPS = (0.25, 0.5, 1.0)  # in units of rows of mean square 1
ROWS_PER_RUN = (128, 512)
THETA = 1e5  # base of the rotary embedding of the model
RATE = 0.015  # share of a block that is not what the rate model says, or stored as it is
ERROR = 0.01


@dataclasses.dataclass
class Joined:
    """K and V of some layers, all heads in a row: views `[n, head_dim]` of the tensors, by segment."""

    views: list
    keys: list  # whether a segment is of keys
    positions: np.ndarray

    @staticmethod
    def read(path):
        """The rows of a fixture."""
        file = tensors(path)
        views, keys = [], []
        for layer in LAYERS:
            for kind in "kv":
                tensor = file[f"layers.{layer}.{kind}"]
                views += [tensor[:, head, :] for head in range(tensor.shape[1])]
                keys += [kind == "k"] * tensor.shape[1]
        return Joined(views, keys, file["positions"].astype(np.int32))

    def data(self):
        """As the library takes them."""
        return Data(self.views, self.positions)

    def segments(self, heads):
        """Segments that give tensors of this set, of `heads` heads each, a mean square of 1."""
        result = []
        for first in range(0, len(self.views), heads):
            tensor = np.stack(self.views[first : first + heads]).astype(np.float64)
            gain = float(np.float32(1 / np.sqrt((tensor**2).mean())))
            dim = tensor.shape[2]
            frequencies = (THETA ** (-np.arange(dim // 2) / (dim // 2))).astype(np.float32)
            rope = ("interleaved", frequencies) if self.keys[first] else ("none", frequencies[:0])
            result += [blocks.Segment(dim, gain, "f16", *rope)] * heads
        return result

    def assembled(self, segments):
        """The rows as the kernel sees them: rotary embeddings undone, times the gains."""
        parts = []
        for view, segment in zip(self.views, segments):
            parts.append(segment.gain * blocks.turn(view.astype(np.float64), segment, -self.positions.astype(np.int64)))
        return np.concatenate(parts, axis=1)


def coding(library, report, train, test):
    """Size and error of a block of rows of `test` against a skeleton of `train`. The size is that of the ideal code
    of the published tables, with what is stored as it is: header, gains of rows, ends of runs. The error is that
    of the quantiser in numpy with the same skeleton."""
    train, test = Joined.read(train), Joined.read(test)
    segments = train.segments(heads=3)
    rows = test.assembled(segments)
    n = len(rows)
    for step, effort in itertools.product(STEPS, (0, 1)):
        params = {"preset": 2, "rate_control": 1, "kmeans_k": 0, "step": step, "effort": effort}
        handle, saved, _ = fit(library, segments, train.data(), **params)
        skeleton = blocks.parse_skeleton(saved)
        stepper = stepped.Stepper(skeleton, step, bool(effort))
        own = stepper.encode(rows)
        error = relative_error(rows, stepper.decode(own))
        for rows_per_run in ROWS_PER_RUN:
            codec = Codec(library, segments, n, handle, rows_per_run=rows_per_run, **params)
            block = codec.encode(test.data())
            backs = codec.decode(block, n, test.positions)
            parsed = blocks.parse_block(block)
            reader = decoder.Codec.of(segments, skeleton, **{**params, "rows_per_run": rows_per_run})
            decoded = reader.decode(block, test.positions)
            worst = max(deviation(*views) for views in zip(test.views, backs, decoded))
            back = Joined(backs, test.keys, test.positions).assembled(segments)
            ratio = relative_error(rows, back) / error

            parsed.codes.values = stepper.read(parsed.runs.runs, rows_per_run, parsed.codes)
            ideal = 92 + (n + 1) // 2 + 4 * len(parsed.runs.runs) + stepper.bits(parsed.codes).sum() / 8
            over = len(block) / ideal - 1
            same = (parsed.codes.values == own.values).mean()
            failures = []
            if not abs(over) <= RATE:
                failures.append(f"{len(block)} bytes, ideal {ideal:.0f}")
            if not abs(ratio - 1) <= ERROR:
                failures.append(f"error {ratio:.4f} of numpy's")
            if not worst <= DECODE_LIMIT:
                failures.append(f"the numpy decoder is off by {worst:.2g} of a row's norm")
            figures = [
                f"{8 * len(block) / rows.size:.4f} bpv, {100 * over:+.2f} % of the ideal code length",
                f"error {ratio * error:.5f}, library / numpy {ratio:.4f}, values equal {100 * same:.3f} %",
                f"decoders {worst:.1e}",
            ]
            report.line(f"rdo step {step}, effort {effort}, {rows_per_run} rows a run", "; ".join(figures), failures)
