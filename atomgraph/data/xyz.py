"""Extended XYZ read strictly: every line is accounted for before ASE makes frames of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase
from ase.io.extxyz import key_val_str_to_dict, read_xyz

from atomgraph.errors import DataError

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def is_xyz(path: Path) -> bool:
    """By its name, packed or not."""
    suffixes = path.suffixes[:-1] if path.suffix in OPENERS else path.suffixes
    return bool(suffixes) and suffixes[-1].lower() in {".xyz", ".extxyz"}


def iread_xyz(path: Path, chosen: slice) -> Iterator[tuple[int, ase.Atoms]]:
    """(place, frame) of the chosen frames; DataError, with file, frame and line, where the text is not whole.

    ASE alone stops silently at a blank line and reports a cut file in many ways.
    """
    lines = _text(path).splitlines(keepends=True)
    frames = list(_scan(path, lines))
    for place in range(len(frames))[chosen]:
        first, last = frames[place]
        try:
            (atoms,) = read_xyz(io.StringIO("".join(lines[first:last])), index=slice(None))
        except Exception as error:  # ASE's reader raises many kinds
            raise DataError(f"{path}, frame {place} (line {first + 1}): {_reason(error)}") from error
        yield place, atoms


def _text(path: Path) -> str:
    opener = OPENERS.get(path.suffix, open)
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            return file.read()
    except EOFError as error:
        raise DataError(f"{path} is cut short: its compressed data end too early") from error
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} is not the compressed file that its name says, or is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _scan(path: Path, lines: list[str]) -> Iterator[tuple[int, int]]:
    """First and last line + 1 of each frame."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if not end:
        raise DataError(f"{path} is empty")
    line = place = 0
    while line < end:
        n_atoms = _header(path, lines, line, place)
        last = line + 2 + n_atoms
        if last > end:
            raise DataError(
                f"{path}, frame {place} (line {line + 1}) is cut short: {n_atoms} atoms are announced, "
                f"{max(0, end - line - 2)} are there"
            )
        _check_columns(path, lines, line, last, place)
        while last < end and lines[last].lstrip().startswith("VEC"):
            last += 1
        yield line, last
        line, place = last, place + 1


def _header(path: Path, lines: list[str], line: int, place: int) -> int:
    text = lines[line].strip()
    if text.isdigit() and int(text) > 0:
        return int(text)
    wrong = f"{path}, line {line + 1}: a number of atoms should begin frame {place}, but here is {text[:40]!r}"
    if place:
        wrong += f"; frame {place - 1} has more or fewer lines than its number of atoms"
    raise DataError(wrong)


def _check_columns(path: Path, lines: list[str], first: int, last: int, place: int) -> None:
    """Each atom's line has the columns that are announced, and a file that ends without a newline ends in a whole line."""
    wanted, exact = _columns(path, lines[first + 1], place)
    for number in range(first + 2, last):
        columns = len(lines[number].split())
        if columns < wanted or (exact and columns != wanted):
            raise DataError(
                f"{path}, frame {place}, line {number + 1}: each of {last - first - 2} atoms should have {wanted} columns, "
                f"but here are {columns}: {lines[number].strip()[:40]!r}"
            )
    ends = lines[last - 1]
    lengths = {len(text) for text in lines[first + 2 : last - 1]}
    if not ends.endswith("\n") and len(lengths) == 1 and len(ends) + 1 < min(lengths):
        raise DataError(f"{path}, frame {place}: the file is cut short within its last line, {ends.strip()[:60]!r}")


def _columns(path: Path, comment: str, place: int) -> tuple[int, bool]:
    if "Properties" not in comment:
        return 4, False  # symbol and position; a plain XYZ file may have more
    try:
        fields = str(key_val_str_to_dict(comment).get("Properties", "species:S:1:pos:R:3")).split(":")
        return sum(int(number) for number in fields[2::3]), True
    except Exception as error:
        raise DataError(f"{path}, frame {place}: its second line is not extended XYZ: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if "special 3x3" in text:
        name = "virial" if "virial" in text else "stress"
        return (
            f"{name} should be nine numbers (xx xy xz yx yy yz zx zy zz) in quotes; six numbers leave their order open"
        )
    return text.replace("ase.io.extxyz: ", "")
