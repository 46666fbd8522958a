"""Compressed sessions of llama.cpp, version 0, read with what docs/FORMAT.md says of them and nothing else."""

import dataclasses
import struct

import blake3
import blocks
from malformed import TRUNCATED, UNSUPPORTED, WRONG_VERSION, require

MAGIC = b"kktsess\0"
HEAD = struct.Struct("<8sIIffQ32s32s32sQQQQ")
HASH = 32


@dataclasses.dataclass
class Session:
    """A parsed session. `holes` are pairs: the first byte and the number of bytes that blocks restore."""

    step: float
    bits: float
    max_bytes: int
    profile: bytes
    model: bytes
    restored: bytes
    state_bytes: int
    holes: list
    rest: bytes
    blocks: list
    parsed: list  # blocks.Block, one for each

    def state(self):
        """The state with zeros where the blocks belong."""
        state, at = b"", 0
        for first, count in self.holes:
            known = first - len(state)
            state += self.rest[at : at + known] + bytes(count)
            at += known
        return state + self.rest[at:]


def parse(data):
    """The session that `data` is."""
    require(len(data) >= 8, "the magic", TRUNCATED)
    require(data[:8] == MAGIC, "another magic", UNSUPPORTED)
    require(len(data) >= 12, "the version", TRUNCATED)
    require(struct.unpack_from("<I", data, 8)[0] == 0, "version", WRONG_VERSION)
    require(len(data) >= HEAD.size, "the head", TRUNCATED)
    _, _, reserved, step, bits, max_bytes, profile, model, restored, *counts = HEAD.unpack_from(data)
    total, state_bytes, n_blocks, n_holes = counts
    require(total <= len(data), "the session", TRUNCATED)
    require(total == len(data) and total >= HEAD.size + HASH, "size")
    require(blake3.hash_of(data[:-HASH]) == data[-HASH:], "hash")
    require(reserved == 0, "reserved")

    at, end = HEAD.size + 8 * n_blocks + 16 * n_holes, total - HASH
    require(at <= end, "counts")
    sizes = struct.unpack_from(f"<{n_blocks}Q", data, HEAD.size)
    numbers = struct.unpack_from(f"<{2 * n_holes}Q", data, HEAD.size + 8 * n_blocks)
    holes = list(zip(numbers[::2], numbers[1::2]))
    free = 0
    for first, count in holes:
        require(free <= first and first + count <= state_bytes, "a hole")
        free = first + count
    missing = sum(count for _, count in holes)
    require(end - at - sum(sizes) == state_bytes - missing, "sizes of the parts")
    rest = data[at : at + state_bytes - missing]
    at += len(rest)
    coded = []
    for size in sizes:
        coded.append(data[at : at + size])
        at += size
    parsed = [blocks.parse_block(block) for block in coded]
    values = sum(block.n_rows * block.dim for block in parsed)
    require(missing // 4 <= values, "blocks smaller than what they restore")
    return Session(step, bits, max_bytes, profile, model, restored, state_bytes, holes, rest, coded, parsed)
