"""The part of the C API that the checks need, through ctypes."""

import ctypes
import dataclasses
import weakref
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_size_t, c_ssize_t, c_uint8, c_uint32, c_uint64, c_void_p

import numpy as np

DTYPES = {"f32": 0, "f16": 1, "bf16": 2}
ROPES = {"none": 0, "neox": 1, "interleaved": 2}


class Params(ctypes.Structure):
    """`kakeya_params`"""

    _fields_ = [
        ("struct_size", c_size_t), ("preset", c_uint32), ("distortion", c_uint32), ("rate_control", c_uint32),
        ("bits", c_float), ("step", c_float), ("rows_per_run", c_uint32), ("max_bytes", c_size_t), ("max_abs_error", c_float),
        ("variance_ratio", c_float), ("max_rank", c_uint32), ("kmeans_k", c_uint32), ("kmeans_iters", c_uint32), ("effort", c_uint32),
        ("max_protected", c_size_t), ("seed", c_uint64), ("nan_policy", c_uint32), ("checksum", c_uint32),
        ("cpu_tier", c_uint32), ("reserved", c_uint32),
    ]  # fmt: skip


class Segment(ctypes.Structure):
    """`kakeya_segment`"""

    _fields_ = [
        ("struct_size", c_size_t), ("dim", c_size_t), ("gain", c_float), ("raw_dtype", c_uint32),
        ("rope", c_uint32), ("n_rot", c_size_t), ("inv_freq", c_void_p),
    ]  # fmt: skip


class Layout(ctypes.Structure):
    """`kakeya_layout`"""

    _fields_ = [("struct_size", c_size_t), ("n_segments", c_size_t), ("segments", POINTER(Segment))]


class View(ctypes.Structure):
    """`kakeya_view` and `kakeya_view_mut`"""

    _fields_ = [
        ("struct_size", c_size_t), ("data", c_void_p), ("dtype", c_uint32), ("row_stride", c_ssize_t),
        ("col_stride", c_ssize_t),
    ]  # fmt: skip


class Rows(ctypes.Structure):
    """`kakeya_rows`"""

    _fields_ = [
        ("struct_size", c_size_t), ("n_rows", c_size_t), ("views", POINTER(View)), ("positions", c_void_p),
        ("weights", c_void_p), ("protect", c_void_p),
    ]  # fmt: skip


class RowsMut(ctypes.Structure):
    """`kakeya_rows_mut`"""

    _fields_ = [("struct_size", c_size_t), ("n_rows", c_size_t), ("views", POINTER(View)), ("positions", c_void_p)]


class FitReport(ctypes.Structure):
    """`kakeya_fit_report`"""

    _fields_ = [
        ("n_rows", c_uint64), ("rank", c_size_t), ("captured_variance", c_double), ("coding_gain", c_double),
        ("n_centres", c_size_t), ("predicted_bpv", c_double), ("predicted_error", c_double),
        ("skeleton_bytes", c_uint64),
    ]  # fmt: skip


class StreamKey(ctypes.Structure):
    """`kakeya_stream_key`"""

    _fields_ = [
        ("struct_size", c_size_t), ("n_layers", c_size_t), ("layers", POINTER(c_uint32)), ("n_heads", c_size_t),
        ("heads", POINTER(c_uint32)), ("part", c_uint32), ("reserved", c_uint32),
    ]  # fmt: skip


class Quality(ctypes.Structure):
    """`kakeya_quality`"""

    _fields_ = [
        ("struct_size", c_size_t), ("name", c_char * 32), ("step", c_float), ("reserved", c_uint32),
        ("mean_kld", c_double), ("bpv", c_double),
    ]  # fmt: skip


class Policy(ctypes.Structure):
    """`kakeya_policy`"""

    _fields_ = [
        ("struct_size", c_size_t), ("n_sinks", c_uint32), ("n_recent", c_uint32), ("n_raw_layers", c_size_t),
        ("raw_layers", POINTER(c_uint32)),
    ]  # fmt: skip


class CodecOptions(ctypes.Structure):
    """`kakeya_profile_codec_options`"""

    _fields_ = [
        ("struct_size", c_size_t), ("quality", c_char_p), ("step", c_float), ("bits", c_float),
        ("max_bytes", c_size_t), ("cpu_tier", c_uint32), ("reserved", c_uint32),
    ]  # fmt: skip


class Failed(Exception):
    """A call returned a status other than `KAKEYA_OK`."""


def _pointer(array):
    return None if array is None else array.ctypes.data


def _views(arrays):
    views = (View * len(arrays))()
    for view, array in zip(views, arrays):
        strides = [stride // array.itemsize for stride in array.strides]
        dtype = {"float32": 0, "float16": 1}[array.dtype.name]
        fields = (ctypes.sizeof(View), array.ctypes.data, dtype, *strides)
        for (name, _), value in zip(View._fields_, fields):
            setattr(view, name, value)
    return views


class Library:
    """The shared library."""

    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        self.c.kakeya_version_string.restype = ctypes.c_char_p
        for free in ("codec", "workspace", "fitter", "skeleton", "profile", "profile_builder"):
            function = getattr(self.c, f"kakeya_{free}_free")
            function.argtypes, function.restype = [c_void_p], None

    def version(self):
        """Version of the library."""
        return self.c.kakeya_version_string().decode()

    def call(self, name, *arguments):
        """Calls a function that returns a status; raises `Failed`."""
        status = getattr(self.c, name)(*arguments)
        if status != 0:
            text, length = ctypes.create_string_buffer(512), c_size_t()
            self.c.kakeya_last_error_message(text, c_size_t(len(text)), byref(length))
            raise Failed(f"{name}: status {status}: {text.value.decode()}")

    def created(self, kind, name, *arguments):
        """The object that a function makes, freed with it."""
        handle = c_void_p()
        self.call(name, *arguments, byref(handle))
        return Handle(getattr(self.c, f"kakeya_{kind}_free"), handle)

    def params(self, **changes):
        """The default parameters with changes."""
        params = Params()
        self.call("kakeya_params_init", byref(params), c_size_t(ctypes.sizeof(params)))
        for name, value in changes.items():
            setattr(params, name, value)
        return params

    def layout(self, segments):
        """A layout of `blocks.Segment`s. It points to their `inv_freq`."""
        array = (Segment * len(segments))()
        for to, segment in zip(array, segments):
            self.call("kakeya_segment_init", byref(to), c_size_t(ctypes.sizeof(to)))
            to.dim, to.gain, to.raw_dtype = segment.dim, segment.gain, DTYPES[segment.raw_dtype]
            to.rope, to.n_rot = ROPES[segment.rope], 2 * len(segment.inv_freq)
            to.inv_freq = _pointer(segment.inv_freq)
        return Layout(ctypes.sizeof(Layout), len(segments), array)


class Handle:
    """An object of the library."""

    def __init__(self, free, pointer):
        self.pointer = pointer
        weakref.finalize(self, free, pointer)


@dataclasses.dataclass
class Data:
    """The rows of a block: float32 or float16 arrays `[n, dim]`, one per segment, of any strides."""

    segments: list
    positions: np.ndarray = None  # int32 [n]
    weights: np.ndarray = None  # float32 [n]
    protect: np.ndarray = None  # uint8 [n]

    def rows(self):
        """The C struct; valid while this object is."""
        optional = map(_pointer, (self.positions, self.weights, self.protect))
        return Rows(ctypes.sizeof(Rows), len(self.segments[0]), _views(self.segments), *optional)


class Codec:
    """A codec and a workspace for blocks of up to `max_rows` rows."""

    def __init__(self, library, segments, max_rows, skeleton=None, **params):
        arguments = (byref(library.params(**params)), byref(library.layout(segments)))
        pointer = skeleton.pointer if skeleton else None
        codec = library.created("codec", "kakeya_codec_create", *arguments, pointer)
        self._keep(library, codec, [segment.dim for segment in segments], max_rows)

    def _keep(self, library, codec, dims, max_rows):
        self.library, self.codec, self.dims = library, codec, dims
        rows = c_size_t(max_rows)
        self.workspace = library.created("workspace", "kakeya_workspace_create", self.codec.pointer, rows)

    def fingerprint(self):
        """The fingerprint that its blocks carry, 32 bytes."""
        out = (c_uint8 * 32)()
        self.library.call("kakeya_codec_fingerprint", self.codec.pointer, out)
        return bytes(out)

    def encode(self, data):
        """The block of `Data`, as bytes."""
        rows, bound, written = data.rows(), c_size_t(), c_size_t()
        self.library.call("kakeya_encode_bound", self.codec.pointer, c_size_t(rows.n_rows), byref(bound))
        block = ctypes.create_string_buffer(bound.value)
        handles = (self.codec.pointer, self.workspace.pointer)
        self.library.call("kakeya_encode", *handles, byref(rows), block, bound, byref(written))
        return block.raw[: written.value]

    def decode(self, block, n, positions=None):
        """The `n` rows of a block: float32 `[n, dim]`, one per segment."""
        result = [np.empty((n, dim), np.float32) for dim in self.dims]
        rows = RowsMut(ctypes.sizeof(RowsMut), n, _views(result), _pointer(positions))
        handles = (self.codec.pointer, self.workspace.pointer)
        self.library.call("kakeya_decode", *handles, block, c_size_t(len(block)), byref(rows))
        return result


class ProfileCodec(Codec):
    """The codec of stream `stream` of a profile for a quality; `dims` are those of its segments."""

    def __init__(self, library, profile, stream, quality, dims, max_rows):
        options = CodecOptions(ctypes.sizeof(CodecOptions), quality)
        arguments = (profile.pointer, c_size_t(stream), byref(options))
        codec = library.created("codec", "kakeya_profile_codec", *arguments)
        self._keep(library, codec, dims, max_rows)


def stream_key(layers, heads, part):
    """A `StreamKey`."""
    layers, heads = (c_uint32 * len(layers))(*layers), (c_uint32 * len(heads))(*heads)
    return StreamKey(ctypes.sizeof(StreamKey), len(layers), layers, len(heads), heads, part, 0)


def fit(library, segments, data, **params):
    """A skeleton for `Data`: its handle, its saved form and the report."""
    arguments = (byref(library.params(**params)), byref(library.layout(segments)))
    fitter = library.created("fitter", "kakeya_fitter_create", *arguments)
    rows = data.rows()
    library.call("kakeya_fitter_add_rows", fitter.pointer, byref(rows))
    report = FitReport()
    size = c_size_t(ctypes.sizeof(report))
    finish = (fitter.pointer, byref(report), size)
    skeleton = library.created("skeleton", "kakeya_fitter_finish", *finish)
    size, written = c_size_t(), c_size_t()
    library.call("kakeya_skeleton_size", skeleton.pointer, byref(size))
    saved = ctypes.create_string_buffer(size.value)
    library.call("kakeya_skeleton_save", skeleton.pointer, saved, size, byref(written))
    return skeleton, saved.raw[: written.value], report
