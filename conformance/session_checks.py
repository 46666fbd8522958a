"""Sessions that the library wrote, through a reader that knows docs/FORMAT.md and nothing else; damaged ones, which
both refuse."""

import pathlib
import struct
import subprocess
import tempfile

import numpy as np

import blake3
import decoder
import profiles
import sessions
from malformed import CORRUPT, TRUNCATED, UNSUPPORTED, WRONG_VERSION, Malformed
from report import DECODE_LIMIT

ROOT = next(folder for folder in pathlib.Path(__file__).resolve().parents if (folder / "include").is_dir())
PROGRAM = ROOT / "ffi-tests" / "cpp" / "session_files.cpp"
# Step, bits and largest size that each case of the program was made with.
CASES = {"step": (0.02, 0.0, 0), "size": (0.001, 0.0, 900), "bits": (0.0, 2.0, 0)}
# The caches of the case "step", as its program makes them: layers and rows. A row of a tensor has 8 values of 16 bits.
CACHES, WIDTH = ((2, 40), (3, 17)), 8
SIZES, STATE_BYTES, N_BLOCKS, N_HOLES = 160, 136, 144, 152


def reading(library, report):
    """Everything that the sessions say, and that what is damaged is refused as the library refuses it."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = _compiled(pathlib.Path(library), folder)
        subprocess.run([program, "write", folder], check=True)
        failures, size = [], 0
        for case, wish in CASES.items():
            files = {end: (folder / f"{case}.{end}").read_bytes() for end in ("kkl", "kkp", "state", "restored")}
            size += len(files["kkl"])
            failures += [f"{case}: {what}" for what in _differences(files, wish)]
        worst = _decoded(folder, failures)
        figures = f"{len(CASES)} sessions, {size} bytes, keys apart by {worst:.1e} of their largest"
        report.line("sessions", figures, failures)
        _refused(program, folder, report)


def _compiled(library, folder):
    """The program, linked with the installed library."""
    lib, program = library.resolve().parent, folder / "session_files"
    headers = [f"-I{ROOT / where}" for where in ("ffi-tests/cpp", "tools/cpp")]
    flags = ["-std=c++17", "-DKAKEYA_CPP_EXCEPTIONS", f"-I{lib.parent / 'include'}", *headers]
    link = [f"-L{lib}", "-lkakeyaturbo", f"-Wl,-rpath,{lib}"]
    subprocess.run(["c++", *flags, str(PROGRAM), *link, "-o", str(program)], check=True)
    return program


def _differences(files, wish):
    """What a session says that is not so."""
    session, state, restored = sessions.parse(files["kkl"]), files["state"], files["restored"]
    figures = (session.step, session.bits, session.max_bytes)
    if not np.array_equal(np.array(figures, np.float32), np.array(wish, np.float32)):
        yield f"step, bits, largest size {figures}"
    if session.profile != blake3.hash_of(files["kkp"]):
        yield "fingerprint of the profile"
    if session.model != profiles.parse(files["kkp"]).model:
        yield "model"
    if session.restored != blake3.hash_of(restored):
        yield "hash of what is restored"
    if not len(state) == len(restored) == session.state_bytes == len(session.state()):
        yield "size of the state"
    if not session.holes or not session.blocks or state == restored:
        yield "nothing was coded"
    known = bytearray(b"\1" * len(state))
    for first, count in session.holes:
        known[first : first + count] = bytes(count)
    kept = np.frombuffer(known, bool)
    originals = (np.frombuffer(data, np.uint8)[kept] for data in (state, restored, session.state()))
    original, after, stored = (part.tobytes() for part in originals)
    if not original == after == stored == session.rest:
        yield "bytes that are not coded"
    # In these cases a stream of the profile is a cache, and every value of it takes 2 bytes.
    if 2 * sum(block.n_rows * block.dim for block in session.parsed) != sum(count for _, count in session.holes):
        yield "values of the blocks"


def _decoded(folder, failures):
    """The blocks of the case "step", decoded without the library: values to the last bit, keys up to their rotary
    embedding. Returns the largest difference of keys."""
    session = sessions.parse((folder / "step.kkl").read_bytes())
    profile = profiles.parse((folder / "step.kkp").read_bytes())
    restored = (folder / "step.restored").read_bytes()
    holes, worst = list(session.holes), 0.0
    for stream, block, (layers, rows) in zip(profile.streams, session.blocks, CACHES, strict=True):
        # A cache has the keys of its layers, then the values: a hole each.
        mine, holes = holes[: 2 * layers], holes[2 * layers :]
        stored = [restored[first : first + count] for first, count in mine]
        tensors = [np.frombuffer(data, np.float16).reshape(rows, WIDTH) for data in stored]
        step = profile.step(stream)
        codec = decoder.Codec.of(stream.segments, stream.skeleton, **{**stream.params, "step": step})
        own = codec.decode(block, np.arange(rows, dtype=np.int32))
        least = stream.tensors[0][0]
        for (layer, kind, head), segment, part in zip(stream.tensors, stream.segments, own, strict=True):
            tensor = tensors[layer - least + layers * (kind == "v")]
            theirs = tensor[:, head * segment.dim : (head + 1) * segment.dim]
            if kind == "v":
                if not np.array_equal(part.astype(np.float16), theirs):
                    failures.append(f"step: values of layer {layer}")
                continue
            apart = np.abs(part - theirs.astype(np.float64)).max() / np.abs(theirs).max()
            worst = max(worst, float(apart))
    if holes or not worst <= DECODE_LIMIT + 2.0**-11:  # half a unit in the last place of binary16
        failures.append(f"step: keys apart by {worst:.2g}")
    return worst


def _forged(session, at, form, *values):
    """The session with other numbers at an offset, and the hash of what it has become."""
    body = bytearray(session[: -sessions.HASH])
    struct.pack_into(form, body, at, *values)
    return bytes(body) + blake3.hash_of(body)


def _damages(session, folder):
    """Names of damages, what they make of a session, and the status of that."""
    parsed, size = sessions.parse(session), len(session)
    n_blocks, n_holes = len(parsed.blocks), len(parsed.holes)
    holes = SIZES + 8 * n_blocks
    block = holes + 16 * n_holes + len(parsed.rest)  # where the first one starts
    first, count = parsed.holes[-1]
    rest = holes + 16 * n_holes
    flipped = {"step": 16, "profile": 40, "restored": 100, "rest": rest, "block": block + 100, "hash": size - 1}
    for part, at in flipped.items():
        yield f"a flipped bit, {part}", session[:at] + bytes([session[at] ^ 1]) + session[at + 1 :], CORRUPT
    for cut in (0, 7, 11, 159, 160, size - 1):
        yield f"the first {cut} bytes", session[:cut], TRUNCATED
    yield "a byte more", session + b"\0", CORRUPT
    yield "another magic", b"K" + session[1:], UNSUPPORTED
    yield "a state", (folder / "step.state").read_bytes(), UNSUPPORTED
    yield "a profile", (folder / "step.kkp").read_bytes(), UNSUPPORTED
    yield "version 1", _forged(session, 8, "<I", 1), WRONG_VERSION
    forged = {
        "reserved": (12, "<I", 1),
        "size of a head": (128, "<Q", 160),
        "no size": (128, "<Q", 0),
        "size of the state": (STATE_BYTES, "<Q", parsed.state_bytes + 1),
        "many blocks": (N_BLOCKS, "<Q", 1 << 61),
        "many holes": (N_HOLES, "<Q", 1 << 60),
        "a block less": (N_BLOCKS, "<Q", n_blocks - 1),
        "a large block": (SIZES, "<Q", 1 << 63),
        "a hole before the one before it": (holes + 16, "<Q", parsed.holes[0][0]),
        "a hole beyond the state": (holes + 16 * (n_holes - 1), "<Q", parsed.state_bytes),
        "a hole that wraps": (holes + 16 * (n_holes - 1) + 8, "<Q", (1 << 64) - first),
        "a block without its magic": (block, "<B", 0),
        "a damaged block": (block + 100, "<B", session[block + 100] ^ 1),
    }
    for name, change in forged.items():
        yield f"forged: {name}", _forged(session, *change), CORRUPT
    yield "forged: a block of format 1", _forged(session, block + 4, "<H", 1), WRONG_VERSION
    # Both sizes grow alike, so only the values of the blocks tell.
    roomy = _forged(session, STATE_BYTES, "<Q", parsed.state_bytes + (1 << 40))
    yield "forged: a large hole", _forged(roomy, holes + 16 * (n_holes - 1) + 8, "<Q", count + (1 << 40)), CORRUPT
    # A byte of the block passes to what is not coded.
    shorter = _forged(session, SIZES, "<Q", len(parsed.blocks[0]) - 1)
    shorter = _forged(shorter, STATE_BYTES, "<Q", parsed.state_bytes + 1)
    body = shorter[:block] + b"\0" + shorter[block : block + len(parsed.blocks[0]) - 1]
    body += shorter[block + len(parsed.blocks[0]) : -sessions.HASH]
    yield "forged: a block cut short", body + blake3.hash_of(body), TRUNCATED


def _refused(program, folder, report):
    """Every damage has the status that it should have, from the library and from the reader here."""
    damages, failures = list(_damages((folder / "step.kkl").read_bytes(), folder)), []
    files = []
    for i, (_, data, _) in enumerate(damages):
        files.append(folder / f"damaged-{i}")
        files[-1].write_bytes(data)
    said = subprocess.run([program, "inspect", *files], check=True, capture_output=True, text=True).stdout.split()
    for (name, data, status), theirs in zip(damages, said, strict=True):
        try:
            sessions.parse(data)
            own = "OK"
        except Malformed as error:
            own = error.status
        if not own == status == theirs.removeprefix("KAKEYA_ERR_"):
            failures.append(f"{name}: {own} here, {theirs} from the library, expected {status}")
    report.line("damaged sessions", f"{len(damages)} files refused as they have to be", failures)
