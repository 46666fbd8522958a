"""The stored blocks of conformance/golden: decoded to the stored bytes; damaged ones refused with the stored status."""

import json
import pathlib

import numpy as np

import blocks
import decoder
import profiles
import transform
from malformed import Malformed

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
TURNED = 2.0**-22  # what a rotary embedding may be off by, of the length of a pair
WAYS = (0, transform.COARSER, decoder.WIDE)
# Bits of the mantissa, and the exponent of the least normal number.
TYPES = {"f32": ("<f4", 23, -126), "f16": ("<f2", 10, -14), "bf16": ("<u2", 7, -126)}


def _codec(case):
    """The codec of a case of blocks.json."""
    segments = [
        blocks.Segment(**{**segment, "inv_freq": np.array(segment["inv_freq"], np.float32)})
        for segment in case["segments"]
    ]
    name = case["skeleton"]
    skeleton = blocks.parse_skeleton((GOLDEN / name).read_bytes()) if name else None
    codec = decoder.Codec.of(segments, skeleton, **case["params"])
    codec.fingerprint = bytes.fromhex(case["fingerprint"])
    return codec


def _values(bits, dtype):
    """Stored elements as numbers."""
    if dtype == "bf16":
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    return bits.view(TYPES[dtype][0]).astype(np.float64)


def _turned_alike(own, stored, segment, dtype):
    """Whether values of a segment with a rotary embedding are within what FORMAT.md allows: `own` as binary32, `stored` in
    their type."""
    pairs = len(segment.inv_freq)
    first = np.arange(pairs) * (2 if segment.rope == "interleaved" else 1)
    second = first + (1 if segment.rope == "interleaved" else pairs)
    length = np.zeros(own.shape)
    length[:, first] = length[:, second] = np.hypot(own[:, first].astype(np.float64), own[:, second])
    _, mantissa, least = TYPES[dtype]
    stored = _values(stored, dtype)
    rounding = np.exp2(np.maximum(np.floor(np.log2(np.maximum(np.abs(own), 1e-300))), least) - mantissa)
    same = _values(decoder.converted(own, dtype), dtype)
    close = np.abs(stored - same) <= TURNED * length + (rounding if dtype != "f32" else 0)
    return bool((close | (np.isnan(stored) & np.isnan(same)) | (stored == same)).all())


def stored(report):
    """Every block of blocks.json: what has no rotary embedding to the last bit."""
    equal, values, failures, ways = 0, 0, [], np.zeros(3, int)
    cases = json.loads((GOLDEN / "blocks.json").read_text())
    for case in cases:
        name, dtype = case["name"], case["dtype"]
        codec = _codec(case)
        try:
            own = codec.decode((GOLDEN / f"{name}.kkb").read_bytes(), case["positions"])
        except Malformed as error:
            failures.append(f"{name}: {error}")
            continue
        ways += [(codec.ways == way).sum() for way in WAYS]
        kind = "<u4" if dtype == "f32" else "<u2"
        rows = np.frombuffer((GOLDEN / f"{name}.{dtype}").read_bytes(), kind).reshape(len(own[0]), -1)
        offset = 0
        for segment, part in zip(codec.segments, own):
            theirs = np.ascontiguousarray(rows[:, offset : offset + segment.dim])
            offset += segment.dim
            same = decoder.converted(part, dtype) == theirs
            equal, values = equal + int(same.sum()), values + same.size
            if segment.rope == "none":
                if not same.all():
                    failures.append(f"{name}: {(~same).sum()} of {same.size} values")
            elif not _turned_alike(part, theirs, segment, dtype):
                failures.append(f"{name}: rows with a rotary embedding")
    if not ways.all():
        failures.append("no rows of a kind")
    figures = f"{len(cases)} blocks, {values} values, {equal} equal to the last bit"
    report.line("golden blocks", f"{figures}; at steps {ways[0]} narrow rows, {ways[1]} coarser, {ways[2]} wide", failures)


def refused(report):
    """Every damaged file of errors.json has the status that is stored."""
    cases = {case["name"]: case for case in json.loads((GOLDEN / "blocks.json").read_text())}
    errors = json.loads((GOLDEN / "errors" / "errors.json").read_text())
    readers = {
        "block": lambda data, case: _codec(case).decode(data, case["positions"]),
        "skeleton": lambda data, _: blocks.parse_skeleton(data),
        "profile": lambda data, _: profiles.parse(data),
    }
    failures = []
    for entry in errors:
        data = (GOLDEN / "errors" / entry["file"]).read_bytes()
        try:
            readers[entry["kind"]](data, cases.get(entry["codec"]))
            got = "OK"
        except Malformed as error:
            got = error.status
        if got != entry["status"]:
            failures.append(f"{entry['file']}: {got}, expected {entry['status']}")
    report.line("golden errors", f"{len(errors)} files refused as they have to be", failures)


def profile(report):
    """The stored profile is read."""
    read = profiles.parse((GOLDEN / "small.kkp").read_bytes())
    failures = [] if len(read.streams) == 5 and read.n_skeletons == 2 else ["streams or skeletons"]
    report.line("golden profile", f"{len(read.streams)} streams, {read.n_skeletons} skeletons", failures)
