"""BLAKE3 as its paper describes it, for short inputs: hashes of sessions without the library's own code."""

import struct

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)  # of the words of a block, from round to round
COLUMNS_AND_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
CHUNK, BLOCK, MASK = 1024, 64, 0xFFFFFFFF


def _turn(word, count):
    return (word >> count | word << (32 - count)) & MASK


def _compress(chain, block, counter, flags):
    """The next chaining value: eight words from eight words and a block of at most 64 bytes."""
    words = struct.unpack("<16I", block.ljust(BLOCK, b"\0"))
    v = [*chain, *IV[:4], counter & MASK, counter >> 32, len(block), flags]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            for word, first, second in ((words[2 * i], 16, 12), (words[2 * i + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & MASK
                v[d] = _turn(v[d] ^ v[a], first)
                v[c] = (v[c] + v[d]) & MASK
                v[b] = _turn(v[b] ^ v[c], second)
        words = [words[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def _chunk(data, counter, last_flags):
    """The chaining value of a chunk; `last_flags` are those of its last block beside CHUNK_END."""
    chain = IV
    blocks = [data[at : at + BLOCK] for at in range(0, max(len(data), 1), BLOCK)]
    for i, block in enumerate(blocks):
        flags = CHUNK_START * (i == 0) | (CHUNK_END | last_flags) * (i == len(blocks) - 1)
        chain = _compress(chain, block, counter, flags)
    return chain


def _tree(data, first, flags):
    """The chaining value of the chunks of `data`, the first of which has the number `first`."""
    if len(data) <= CHUNK:
        return _chunk(data, first, flags)
    # The left half has the largest power of two of chunks that leaves something to the right one.
    left = 1 << ((len(data) - 1) // CHUNK).bit_length() - 1
    halves = _tree(data[: left * CHUNK], first, 0) + _tree(data[left * CHUNK :], first + left, 0)
    return _compress(IV, struct.pack("<16I", *halves), 0, PARENT | flags)


def hash_of(data):
    """The 32 bytes of the hash."""
    return struct.pack("<8I", *_tree(bytes(data), 0, ROOT))
