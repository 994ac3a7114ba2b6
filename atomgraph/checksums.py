"""A SHA-256 of a whole file that stands in the file itself: its own 64 digits count as zeros.

So every bit of the file is covered, headers and padding too, and the file stays readable for other programs.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

KEY = "sha256"  # of the JSON object in the header of a safetensors file
BLANK = "0" * 64
_MARK = rb"\"sha256\": \""  # how the key is written in JSON that is a string of another JSON
_LARGEST_HEADER = 100_000_000  # bytes; the limit of safetensors
_CHUNK = 1 << 20


def digest(file: BinaryIO, place: int) -> str:
    """SHA-256 of a file, hexadecimal, with 64 zeros at ``place`` whatever is there.

    Args:
        file: Open for reading, seekable.
        place: Offset in bytes of the digits that do not count.
    """
    sha = hashlib.sha256()
    file.seek(0)
    left = place
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        sha.update(chunk)
        left -= len(chunk)
    file.read(len(BLANK))
    sha.update(BLANK.encode())
    while chunk := file.read(_CHUNK):
        sha.update(chunk)
    return sha.hexdigest()


def seal(path: Path) -> None:
    """Write the checksum of a safetensors file into the place that its header left blank.

    Raises:
        ValueError: If the header has no such place.
    """
    with path.open("rb+") as file:
        place = place_in_header(file)
        if place is None:
            raise ValueError(f"the header of {path} has no place for a checksum")
        digits = digest(file, place)
        file.seek(place)
        file.write(digits.encode())


def is_intact(file: BinaryIO) -> bool:
    """Whether a safetensors file, open for reading, carries a checksum and that checksum is right."""
    place = place_in_header(file)
    if place is None:
        return False
    file.seek(place)
    return file.read(len(BLANK)) == digest(file, place).encode()


def place_in_header(file: BinaryIO) -> int | None:
    """Offset of the digits in a safetensors file, None where its header has none."""
    file.seek(0)
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    header = file.read(min(length, _LARGEST_HEADER))
    offset = header.find(_MARK)
    place = offset + len(_MARK)
    return None if offset < 0 or len(header) < place + len(BLANK) else 8 + place
