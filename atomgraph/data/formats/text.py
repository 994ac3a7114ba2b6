"""Text files line by line, packed or not, with bounds on what a small file may unpack to."""

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

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# What packed files begin with, whatever they are called.
MAGIC: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# Byte order marks; the longer ones before those that they begin with.
ENCODINGS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
LONGEST_LINE = 16_000_000  # characters
UNPACKED_FREELY = 10_000_000  # bytes that any packed file may unpack to
MOST_UNPACKED = 30  # times its size, beyond that


def check_regular(path: Path) -> None:
    """DataError for a pipe, a device or a socket: reading one may never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path} is a pipe, a device or a socket; structures are read from regular files only")


def lines_of(path: Path) -> Iterator[str]:
    r"""The lines of a text file, each with its ``\n``; a byte order mark is left out, packed files are unpacked on the way.

    Only ``\n``, ``\r\n`` and ``\r`` end a line: other separators of Unicode may stand in a comment.

    Raises:
        DataError: For what is no text, cut short, damaged, no regular file, or unpacks to more than 30 times its size;
            for lines of more than 16 million characters.
    """
    check_regular(path)
    with open_unpacked(path) as file:
        check_encoding(path, file.peek(4))
        text = io.TextIOWrapper(file, encoding="utf-8-sig")
        number = 0
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) >= LONGEST_LINE:
                raise DataError(f"{path}, line {number} has more than {LONGEST_LINE} characters")
            yield line


@contextmanager
def open_unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked on the way.

    Raises:
        DataError: For what is damaged, no regular file, or unpacks to more than 30 times its size.
    """
    check_regular(path)
    with _explained(path), _opened(path) as file:
        yield file


def check_encoding(path: Path, head: bytes) -> None:
    """DataError for text in an encoding that is not read, from its first bytes."""
    for mark, name in ENCODINGS.items():
        if head.startswith(mark):
            raise DataError(f"{path} is not a text file in UTF-8, but in {name}: iconv -f {name} -t UTF-8 converts it")


def is_packed(path: Path) -> bool:
    """Whether a file is compressed, by its name or by its first bytes."""
    return path.is_file() and _opener(path) is not None


def beginning_of(path: Path, n_bytes: int = 4096) -> bytes:
    """The first bytes of a file, unpacked; what cannot be read has none."""
    try:
        with _explained(path), _opened(path) as file:
            return file.read(n_bytes)
    except DataError:
        return b""


def check_unpacked(path: Path) -> None:
    """DataError for a packed file that is damaged or unpacks to far more than its size; for readers that unpack as a whole."""
    check_regular(path)
    if is_packed(path):
        with open_unpacked(path) as file:
            while file.read(1_000_000):
                pass


def unpacked_name(path: Path) -> str:
    """The name of a file without the ending of its compression."""
    return path.stem if path.suffix.lower() in OPENERS else path.name


def _opener(path: Path) -> Callable[..., Any] | None:
    """What unpacks a file; None where it is not packed."""
    if path.suffix.lower() in OPENERS:
        return OPENERS[path.suffix.lower()]
    with path.open("rb") as file:
        head = file.read(max(map(len, MAGIC)))
    return next((opener for mark, opener in MAGIC.items() if head.startswith(mark)), None)


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    opener = _opener(path)
    if opener is None:
        with path.open("rb") as file:
            yield file
        return
    with opener(path, "rb") as unpacked:
        most = max(UNPACKED_FREELY, MOST_UNPACKED * path.stat().st_size)
        yield io.BufferedReader(_Bounded(unpacked, path, most))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What goes wrong in reading, as a DataError that names the file."""
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


class _Bounded(io.RawIOBase):
    """A stream that gives no more than ``most`` bytes; ``name`` is that of its file, for readers that ask a stream for it."""

    def __init__(self, inner: IO[bytes], path: Path, most: int):
        super().__init__()
        self._inner, self._path, self._left = inner, path, most
        self.name = str(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._path} unpacks to more than {MOST_UNPACKED} times its size; if that is meant, unpack it and read the "
                f"file itself"
            )
        buffer[: len(data)] = data
        return len(data)
