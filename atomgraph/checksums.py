"""SHA-256 of a safetensors file, stored in the header of the same file.

The 64 digits of the checksum count as zeros when it is computed. The checksum covers all other bytes of the file, headers and
padding included, and other programs can still read the file.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

from atomgraph.old_names import old_names_of

KEY = "sha256"  # key of the checksum in atomgraph's metadata, a JSON object
BLANK = "0" * 64
# The header of a safetensors file is JSON, and its metadata are strings. Atomgraph's JSON object is one of these strings, so
# its quotation marks are escaped in the header: these bytes contain the backslashes.
_MARK = rb"\"sha256\": \""
_LARGEST_HEADER = 100_000_000  # bytes; the limit of safetensors
_CHUNK = 1 << 20  # bytes


def digest(file: BinaryIO, offset: int) -> str:
    """Compute the SHA-256 of a file, hexadecimal, as if the 64 bytes at ``offset`` were the digit 0.

    Args:
        file: Seekable file, open for reading.
        offset: Position of the 64 bytes in the file, bytes.
    """
    sha = hashlib.sha256()
    file.seek(0)
    n_remaining = offset
    while n_remaining > 0 and (chunk := file.read(min(_CHUNK, n_remaining))):
        sha.update(chunk)
        n_remaining -= len(chunk)
    file.read(len(BLANK))
    sha.update(BLANK.encode())
    while chunk := file.read(_CHUNK):
        sha.update(chunk)
    return sha.hexdigest()


def seal(path: Path) -> None:
    """Write the checksum of a safetensors file into its header, in place of ``BLANK``.

    Raises:
        ValueError: If the header has no key for the checksum.
    """
    with path.open("rb+") as file:
        offset = checksum_offset(file)
        if offset is None:
            raise ValueError(f"the header of {path} has no place for a checksum")
        digits = digest(file, offset)
        file.seek(offset)
        file.write(digits.encode())


def is_intact(file: BinaryIO) -> bool:
    """Whether the header of a safetensors file contains the right checksum of the file."""
    offset = checksum_offset(file)
    if offset is None:
        return False
    file.seek(offset)
    return file.read(len(BLANK)) == digest(file, offset).encode()


def checksum_offset(file: BinaryIO) -> int | None:
    """Return the position of the checksum in a safetensors file, bytes; None if its header contains no checksum."""
    file.seek(0)
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    header = file.read(min(length, _LARGEST_HEADER))
    start_of_key = header.find(_MARK)
    start_of_digits = start_of_key + len(_MARK)
    return None if start_of_key < 0 or len(header) < start_of_digits + len(BLANK) else 8 + start_of_digits


__getattr__ = old_names_of(__name__)
