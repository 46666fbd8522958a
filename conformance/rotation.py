"""The random rotation: signs, then an orthonormal Walsh-Hadamard transform, as a plain matrix."""

import functools

import numpy as np

import chacha8


def hadamard(length):
    """The orthonormal Walsh-Hadamard matrix in natural order; `length` is a power of two."""
    matrix = np.ones((1, 1))
    while len(matrix) < length:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.sqrt(length)


def matrix(length, signs):
    """The rotation of `length` coordinates as `[length, length]`: `z = matrix @ x`.

    `signs` (1 or -1) are those of the first transform, then those of the second one, which there is if `length`
    is not a power of two: `2 * window` values, or `window`, with the largest power of two not above `length`.
    """
    if length == 0:
        return np.zeros((0, 0))
    window = 1 << (length.bit_length() - 1)
    whole = np.eye(length)
    for start, part in zip((0, length - window), np.split(signs, len(signs) // window)):
        step = np.eye(length)
        step[start : start + window, start : start + window] = hadamard(window) * part
        whole = step @ whole
    return whole


def sign_count(length):
    """How many signs the rotation of `length` coordinates takes."""
    window = 1 << (length.bit_length() - 1) if length else 0
    return window if window == length else 2 * window


@functools.lru_cache(maxsize=None)
def seeded(length, seed):
    """The rotation that a codec with this seed uses."""
    if length == 0:
        return matrix(0, np.zeros(0))
    window = 1 << (length.bit_length() - 1)
    transforms = sign_count(length) // window
    per_transform = (window + 31) // 32  # the second transform starts on a new word
    words = chacha8.words(seed, per_transform * transforms).reshape(transforms, per_transform, 1)
    bits = (words >> np.arange(32, dtype=np.uint32)) & 1
    signs = 1.0 - 2.0 * bits.reshape(transforms, -1)[:, :window]
    return matrix(length, signs.reshape(-1))


def random(length, generator):
    """A rotation with signs from a numpy generator: not the one of any codec."""
    return matrix(length, generator.choice([-1.0, 1.0], sign_count(length)))
