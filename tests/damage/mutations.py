"""Damage to the content of files: bits, blocks and tails of any file, words of a text, values in a header."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from atomgraph import checksums

WORDS = ("1e9", "-1", "0", "nan", "inf", "1e-300", "6.5", "9" * 25, "", "x", "-1e300", "T", "H", "{}", "100000", "7")
VALUES = (
    None,
    True,
    -1,
    0,
    7,
    10**6,
    10**9,
    10**30,
    1.5,
    1e-300,
    -1e300,
    "",
    "abc",
    "10000000x0e",
    [],
    [1],
    {},
    {"a": 1},
)


def flipped(content: bytes, random: Random) -> bytes:
    """One bit, some, or many."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 3, 30))):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def zeroed(content: bytes, random: Random) -> bytes:
    start, length = random.randrange(len(content)), random.choice((1, 16, 512, 4096))
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def shifted(content: bytes, random: Random) -> bytes:
    """A piece left out, doubled, or noise put between."""
    start, length = random.randrange(len(content)), random.choice((1, 8, 100))
    piece = content[start : start + length]
    middle = random.choice((b"", piece * 2, random.randbytes(length), piece * 50))
    return content[:start] + middle + content[start + length :]


def words_changed(content: bytes, random: Random) -> bytes:
    """Some words of a text replaced by absurd ones, or by others of its own."""
    text = content.decode("utf-8", errors="replace")
    places = [match.span() for match in re.finditer(r"[-+.\w]+", text)]
    for start, end in sorted(random.sample(places, min(len(places), random.choice((1, 2, 5)))), reverse=True):
        word = random.choice(WORDS) if random.random() < 0.7 else text[slice(*random.choice(places))]
        text = text[:start] + word + text[end:]
    return text.encode()


def lines_changed(content: bytes, random: Random) -> bytes:
    """Lines left out, doubled, exchanged."""
    lines = content.splitlines(keepends=True)
    for _ in range(random.choice((1, 3))):
        if len(lines) > 1:
            i, j = random.randrange(len(lines)), random.randrange(len(lines))
            lines = random.choice(
                (lines[:i] + lines[i + 1 :], lines[:i] + [lines[i]] * 3 + lines[i:], _swapped(lines, i, j))
            )
    return b"".join(lines)


def _swapped(lines: list[bytes], i: int, j: int) -> list[bytes]:
    lines = list(lines)
    lines[i], lines[j] = lines[j], lines[i]
    return lines


BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (flipped, cut, zeroed, shifted)
TEXT = (*BYTES, words_changed, words_changed, words_changed, lines_changed)


def header_changed(content: bytes, random: Random) -> bytes:
    """A potential or cache of ours with one to three other values in its header, and a checksum that is right."""
    length = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + length])
    header = json.loads(outer["__metadata__"]["atomgraph"])
    for _ in range(random.choice((1, 1, 3))):
        _change(header if random.random() < 0.8 else outer, random)
    if isinstance(outer.get("__metadata__"), dict) and random.random() < 0.95:
        if "sha256" in header:
            header["sha256"] = checksums.BLANK
        outer["__metadata__"]["atomgraph"] = json.dumps(header, ensure_ascii=False)
    words = json.dumps(outer, ensure_ascii=False).encode()
    return resealed(struct.pack("<Q", len(words)) + words + content[8 + length :])


def tensors_changed(content: bytes, random: Random) -> bytes:
    """Damage behind the header, and a checksum that is right."""
    length = struct.unpack("<Q", content[:8])[0]
    return resealed(content[: 8 + length] + random.choice(BYTES)(content[8 + length :] or b"\0", random))


def resealed(content: bytes) -> bytes:
    import io

    offset = checksums.checksum_offset(io.BytesIO(content))
    if offset is None:
        return content
    digits = checksums.digest(io.BytesIO(content), offset).encode()
    return content[:offset] + digits + content[offset + len(digits) :]


def _change(value: Any, random: Random) -> None:
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = random.choice(keys)
        if not isinstance(value[key], dict | list) or not value[key] or random.random() < 0.1:
            break
        value = value[key]
    if isinstance(value, dict) and random.random() < 0.15:
        del value[key]
    else:
        value[key] = _deep(random.choice((10, 300))) if random.random() < 0.03 else random.choice(VALUES)


def _deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value
