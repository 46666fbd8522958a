"""The ChaCha stream cipher with 8 rounds (Bernstein 2008), as a source of 32-bit words."""

import struct

import numpy as np

CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
COLUMNS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
DIAGONALS = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]


def _rotate(word, count):
    return ((word << count) | (word >> (32 - count))) & 0xFFFFFFFF


def _quarter_round(state, a, b, c, d):
    state[a] = (state[a] + state[b]) & 0xFFFFFFFF
    state[d] = _rotate(state[d] ^ state[a], 16)
    state[c] = (state[c] + state[d]) & 0xFFFFFFFF
    state[b] = _rotate(state[b] ^ state[c], 12)
    state[a] = (state[a] + state[b]) & 0xFFFFFFFF
    state[d] = _rotate(state[d] ^ state[a], 8)
    state[c] = (state[c] + state[d]) & 0xFFFFFFFF
    state[b] = _rotate(state[b] ^ state[c], 7)


def block(key, counter, rounds=8):
    """The 16 words of block `counter` under a key of 32 bytes, with nonce 0."""
    start = [*CONSTANTS, *struct.unpack("<8I", key), counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    state = list(start)
    for _ in range(rounds // 2):
        for lanes in COLUMNS + DIAGONALS:
            _quarter_round(state, *lanes)
    return [(a + b) & 0xFFFFFFFF for a, b in zip(state, start)]


def words(seed, count):
    """The first `count` words (uint32) of the stream whose key is `seed` in 8 little-endian bytes, then zeros."""
    key = struct.pack("<Q24x", seed)
    blocks = (block(key, counter) for counter in range((count + 15) // 16))
    return np.array([word for group in blocks for word in group][:count], dtype=np.uint32)
