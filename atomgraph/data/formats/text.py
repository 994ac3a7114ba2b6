"""Reading of text files line by line, compressed or not, with limits on the decompressed size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from atomgraph.errors import DataError
from atomgraph.old_names import old_names_of

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# First bytes of compressed files.
MAGIC: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# Byte order marks; a longer mark precedes a shorter one with the same first bytes.
ENCODINGS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
MAX_LINE_LENGTH = 16_000_000  # characters
MIN_UNPACKED_LIMIT = 10_000_000  # bytes; decompressed size that is always allowed
MAX_UNPACKED_RATIO = 30  # largest decompressed size, as a multiple of the file size


def check_regular(path: Path) -> None:
    """Raise DataError for a pipe, a device or a socket, because reading may never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path} is a pipe, a device or a socket; structures are read from regular files only")


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a text file, each with its ``\n``; compressed files are decompressed.

    Only ``\n``, ``\r\n`` and ``\r`` end a line, because comments may contain other line separators of Unicode. A byte order
    mark is left out.

    Raises:
        DataError: If the file is not text, is damaged, cut short or not a regular file; if it decompresses to more than 30
            times its size, or a line has more than 16 million characters.
    """
    check_regular(path)
    with open_unpacked(path) as file:
        check_encoding(path, file.peek(4))
        text = io.TextIOWrapper(file, encoding="utf-8-sig")
        number = 0
        while line := text.readline(MAX_LINE_LENGTH):
            number += 1
            if len(line) >= MAX_LINE_LENGTH:
                raise DataError(f"{path}, line {number} has more than {MAX_LINE_LENGTH} characters")
            yield line


@contextmanager
def open_unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file to read bytes; compressed files are decompressed.

    Raises:
        DataError: If the file is damaged or not a regular file, or decompresses to more than 30 times its size.
    """
    check_regular(path)
    with _as_data_error(path), _open(path) as file:
        yield file


def check_encoding(path: Path, head: bytes) -> None:
    """Raise DataError if the first bytes are those of UTF-16 or UTF-32."""
    for mark, name in ENCODINGS.items():
        if head.startswith(mark):
            raise DataError(f"{path} is not a text file in UTF-8, but in {name}: iconv -f {name} -t UTF-8 converts it")


def is_packed(path: Path) -> bool:
    """Return whether a file is compressed, by its name or its first bytes."""
    return path.is_file() and _opener(path) is not None


def read_beginning(path: Path, n_bytes: int = 4096) -> bytes:
    """Return the first bytes of a file, decompressed; empty if the file cannot be read."""
    try:
        with _as_data_error(path), _open(path) as file:
            return file.read(n_bytes)
    except DataError:
        return b""


def check_unpacked(path: Path) -> None:
    """Check a compressed file before a reader decompresses it in one step.

    Raises:
        DataError: If the file is damaged, or decompresses to more than 30 times its size.
    """
    check_regular(path)
    if is_packed(path):
        with open_unpacked(path) as file:
            while file.read(1_000_000):
                pass


def unpacked_name(path: Path) -> str:
    """Return the name of a file without the ending of the compression, such as ``.gz``."""
    return path.stem if path.suffix.lower() in OPENERS else path.name


def _opener(path: Path) -> Callable[..., Any] | None:
    """Return the function that opens a compressed file; None if the file is not compressed."""
    if path.suffix.lower() in OPENERS:
        return OPENERS[path.suffix.lower()]
    with path.open("rb") as file:
        head = file.read(max(map(len, MAGIC)))
    return next((opener for mark, opener in MAGIC.items() if head.startswith(mark)), None)


@contextmanager
def _open(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file to read bytes, decompressed; a DataError ends the reading beyond the limit of the decompressed size."""
    opener = _opener(path)
    if opener is None:
        with path.open("rb") as file:
            yield file
        return
    with opener(path, "rb") as unpacked:
        max_bytes = max(MIN_UNPACKED_LIMIT, MAX_UNPACKED_RATIO * path.stat().st_size)
        yield io.BufferedReader(_LimitedStream(unpacked, path, max_bytes))


@contextmanager
def _as_data_error(path: Path) -> Iterator[None]:
    """Convert errors of reading to a DataError with the name of the file."""
    try:
        yield
    except EOFError as error:
        raise DataError(f"{path} is cut short: its compressed data end too early") from error
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} is not the compressed file that its name says, or is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error.reason}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


class _LimitedStream(io.RawIOBase):
    """A stream that raises an error after ``max_bytes`` bytes."""

    def __init__(self, stream: IO[bytes], path: Path, max_bytes: int):
        super().__init__()
        self._stream, self._path, self._bytes_left = stream, path, max_bytes
        self.name = str(path)  # some readers use the name of a stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise DataError(
                f"{self._path} unpacks to more than {MAX_UNPACKED_RATIO} times its size; if this is correct, "
                f"decompress it and read "
                f"the decompressed file"
            )
        buffer[: len(data)] = data
        return len(data)


__getattr__ = old_names_of(__name__)
