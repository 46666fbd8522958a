"""A profile of the library's, and its blocks, through a reader that knows docs/FORMAT.md and nothing else."""

import ctypes
from ctypes import byref, c_char_p, c_float, c_size_t, c_uint8

import numpy as np

import blocks
import capi
import decoder
import profiles
from report import DECODE_LIMIT
from rows import deviation

LAYERS, HEADS, HEAD_DIM, ROWS = (3, 5), (0, 2), 8, 200
STEP, FACTOR, QUALITY_STEP = 0.75, 0.5, 0.25


def _segments(keys):
    """Segments of both kinds for a list that says which are of keys."""
    frequencies = (100.0 ** (-np.arange(HEAD_DIM // 2) / 4)).astype(np.float32)
    key = ("f16", "neox", frequencies)
    return [blocks.Segment(HEAD_DIM, 0.5 + i, *(key if is_key else ("bf16",))) for i, is_key in enumerate(keys)]


def _made(library, data):
    """The bytes of a profile with a joined stream of rdo and one of turbo, what they are made from, and a codec of
    each for the quality."""
    joined, alone = _segments([True, True, False, False] * 2), _segments([True, True])
    rdo = {"preset": 2, "rate_control": 1, "step": 1.0, "bits": 4.0, "rows_per_run": 64, "kmeans_k": 0}
    turbo = {"bits": 3.0, "seed": 1 << 40, "max_protected": 2}
    skeleton, _, _ = capi.fit(library, joined, data, **rdo)
    builder = library.created("profile_builder", "kakeya_profile_builder_create")
    for key, segments, handle, params in (
        (capi.stream_key(LAYERS, HEADS, 3), joined, skeleton.pointer, rdo),
        (capi.stream_key((9,), HEADS, 1), alone, None, turbo),
    ):
        arguments = (byref(key), byref(library.layout(segments)), handle, byref(library.params(**params)))
        library.call("kakeya_profile_builder_add", builder.pointer, *arguments)
    quality = capi.Quality(ctypes.sizeof(capi.Quality), b"mid", QUALITY_STEP, 0, 0.125, 1.5)
    layers = (ctypes.c_uint32 * 2)(9, 11)
    policy = capi.Policy(ctypes.sizeof(capi.Policy), 4, 32, 2, layers)
    model = (c_uint8 * 32)(*range(32))
    given = (model, byref(quality), c_size_t(1), byref(policy))
    library.call("kakeya_profile_builder_set_model", builder.pointer, *given)
    library.call("kakeya_profile_builder_set_description", builder.pointer, c_char_p("größer".encode()))
    library.call("kakeya_profile_builder_set_step", builder.pointer, c_float(STEP))
    library.call("kakeya_profile_builder_set_stream", builder.pointer, c_size_t(0), None, c_float(FACTOR))
    profile = library.created("profile", "kakeya_profile_builder_finish", builder.pointer)
    size, written = c_size_t(), c_size_t()
    library.call("kakeya_profile_size", profile.pointer, byref(size))
    saved = ctypes.create_string_buffer(size.value)
    library.call("kakeya_profile_save", profile.pointer, saved, size, byref(written))
    shapes = enumerate(([HEAD_DIM] * len(joined), [HEAD_DIM] * len(alone)))
    codecs = [capi.ProfileCodec(library, profile, i, b"mid", dims, ROWS) for i, dims in shapes]
    return saved.raw[: written.value], [(joined, rdo), (alone, turbo)], codecs


def reading(library, report):
    """All that the profile says, and blocks of its codecs decoded with it."""
    generator = np.random.default_rng(11)
    views = generator.standard_normal((8, ROWS, HEAD_DIM)).astype(np.float32)
    views *= np.geomspace(4.0, 0.25, HEAD_DIM, dtype=np.float32)
    data = capi.Data(list(views), np.arange(ROWS, dtype=np.int32))
    saved, made, codecs = _made(library, data)
    profile = profiles.parse(saved)
    expected = {
        "model": bytes(range(32)), "default_step": STEP, "description": "größer", "n_tables": 1, "n_skeletons": 1,
        "qualities": [("mid", QUALITY_STEP, 0.125, 1.5)], "n_sinks": 4, "n_recent": 32, "raw_layers": [9, 11],
    }  # fmt: skip
    failures = [name for name, value in expected.items() if getattr(profile, name) != value]
    order = [(layer, kind, head) for layer in LAYERS for kind in "kv" for head in HEADS]
    if [stream.tensors for stream in profile.streams] != [order, [(9, "k", head) for head in HEADS]]:
        failures.append("order of segments")
    steps = [profile.step(profile.streams[0], name) for name in (None, "mid")]
    if steps != [STEP * FACTOR, QUALITY_STEP * FACTOR]:
        failures.append(f"steps {steps}")
    worst = 0.0
    for stream, codec, (segments, params) in zip(profile.streams, codecs, made):
        defaults = library.params(**params)
        failures += [name for name, value in stream.params.items() if value != getattr(defaults, name)]
        failures += ["a segment" for own, other in zip(stream.segments, segments) if not _alike(own, other)]
        rows = capi.Data(data.segments[: len(segments)], data.positions)
        block = codec.encode(rows)
        parsed = blocks.parse_block(block)
        if parsed.runs and parsed.runs.step != steps[1]:
            failures.append(f"step {parsed.runs.step} of a block")
        step = {"step": steps[1]} if parsed.runs else {}
        own = decoder.Codec.of(stream.segments, stream.skeleton, **{**stream.params, **step}).decode(block, data.positions)
        backs = codec.decode(block, ROWS, data.positions)
        worst = max([worst, *(deviation(x, *pair) for x, *pair in zip(rows.segments, backs, own))])
    if not worst <= DECODE_LIMIT:
        failures.append(f"decoded rows: {worst:.2g} of a row's norm")
    report.line("profiles", f"{len(saved)} bytes, blocks apart by {worst:.1e} of a row's norm", failures)


def _alike(own, other):
    fields = ("dim", "gain", "raw_dtype", "rope")
    same = all(getattr(own, field) == getattr(other, field) for field in fields)
    return same and np.array_equal(own.inv_freq, other.inv_freq)
