"""Strict reader of extended XYZ: the lines of each frame are checked before ASE parses them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
from ase.io.extxyz import read_xyz

from atomgraph.data.formats.comment import (
    EXPONENT,
    PROPERTIES,
    RAW_PREFIX,
    Field,
    original_key,
    parse_comment,
    parse_fields,
)
from atomgraph.data.formats.text import OPENERS, is_packed, read_lines
from atomgraph.data.formats.xyz_elements import SPECIES_COLUMNS, check_elements, name_elements, read_symbol
from atomgraph.errors import DataError

ENDINGS = {".xyz", ".extxyz"}
MAX_PACKED_ATOMS = 2_000_000  # atoms per frame of a compressed file, which limits the memory for its lines


def is_xyz(path: Path) -> bool:
    """Return whether the name is that of an XYZ file, compressed or not."""
    suffixes = path.suffixes[:-1] if path.suffix.lower() in OPENERS else path.suffixes
    return bool(suffixes) and suffixes[-1].lower() in ENDINGS


def iread_xyz(path: Path, types: Sequence[str] | None = None) -> Iterator[Callable[[], ase.Atoms]]:
    """For each frame of a file, yield a function that parses and returns the frame; the file is read frame by frame.

    Blank lines between frames, Fortran's D exponents and atomic numbers in the column of species are supported. (ASE alone
    stops without an error at a blank line.)

    Args:
        path: The file, compressed or not.
        types: Chemical symbols of the LAMMPS types 1, 2, …, for files with types instead of elements (``dump xyz``, or a
            column ``type``).

    Raises:
        DataError: If the text is incomplete or damaged, or if ``types`` is given and the file has elements; the message has
            file, frame and line.
    """
    lines = _Lines(path)
    for frame in _frames(lines):
        yield _frame_parser(path, frame, types)
    if lines.frame_number == 0:
        raise DataError(f"{path} is empty")


@dataclass
class _Frame:
    """The lines of a frame.

    Attributes:
        number: Number of the frame, from 0.
        first_line: Number of the first line of the frame, from 1.
        comment: Second line.
        atoms: Lines of atoms.
        vectors: Lines of cell vectors.
    """

    number: int
    first_line: int
    comment: str
    atoms: list[str]
    vectors: list[str]


class _Lines:
    """Lines of a file, which are returned with ``peek`` and consumed with ``take``.

    Attributes:
        path: The file.
        number: Number of consumed lines.
        frame_number: Number of the current frame, from 0.
    """

    def __init__(self, path: Path):
        self.path, self.number, self.frame_number = path, 0, 0
        self._lines, self._next = read_lines(path), None  # type: tuple[Iterator[str], str | None]

    def peek(self) -> str | None:
        """Return the next line; None at the end of the file."""
        if self._next is None:
            self._next = next(self._lines, None)
        return self._next

    def take(self) -> str | None:
        """Return the next line and consume it; None at the end of the file."""
        line = self.peek()
        self._next = None
        self.number += line is not None
        return line


def _frames(lines: _Lines) -> Iterator[_Frame]:
    """Yield the frames of a file as text; DataError for an incomplete frame."""
    while True:
        while (line := lines.peek()) is not None and not line.strip():
            lines.take()
        if line is None:
            return
        lines.take()
        first_line = lines.number
        n_atoms = _n_atoms(lines, line)
        if n_atoms > MAX_PACKED_ATOMS and is_packed(lines.path):
            raise DataError(
                f"{lines.path}, frame {lines.frame_number} (line {first_line}): {n_atoms} atoms are too many for a "
                f"compressed file; "
                f"decompress it first"
            )
        comment = lines.take()
        atoms: list[str] = []
        while len(atoms) < n_atoms and (line := lines.take()) is not None:
            atoms.append(line)
        while atoms and len(atoms) < n_atoms and not atoms[-1].strip():
            atoms.pop()
        if comment is None or len(atoms) < n_atoms:
            raise DataError(
                f"{lines.path}, frame {lines.frame_number} (line {first_line}) is cut short: it should have {n_atoms} atoms, "
                f"but has {len(atoms)}"
            )
        frame = _Frame(lines.frame_number, first_line, comment, atoms, [])
        while (line := lines.peek()) is not None and line.lstrip().startswith("VEC"):
            frame.vectors.append(line)
            lines.take()
        _check_last_line(lines, frame)
        yield frame
        lines.frame_number += 1


def _n_atoms(lines: _Lines, line: str) -> int:
    """Return the number of atoms in the first line of a frame; DataError if the line is not a number."""
    text = line.strip()
    if text.isascii() and text.isdigit() and len(text) < 12 and int(text) > 0:
        return int(text)
    message = f"{lines.path}, line {lines.number}: frame {lines.frame_number} should begin with its number of atoms, "
    message += f"but begins with {text[:40]!r}"
    if lines.frame_number:
        message += f"; frame {lines.frame_number - 1} has more or fewer lines than its number of atoms"
    raise DataError(message)


def _check_last_line(lines: _Lines, frame: _Frame) -> None:
    """Raise DataError if the last line of the file ends without a newline and is shorter than the lines before it."""
    last_line = frame.atoms[-1]
    lengths = {len(text) for text in frame.atoms[:-1]}
    if not last_line.endswith("\n") and len(lengths) == 1 and len(last_line) + 1 < min(lengths):
        raise DataError(
            f"{lines.path}, frame {frame.number}: the file is cut short within its last line, {last_line.strip()[:60]!r}"
        )


def _frame_parser(path: Path, frame: _Frame, types: Sequence[str] | None) -> Callable[[], ase.Atoms]:
    """Return a function that parses a frame."""

    def parse() -> ase.Atoms:
        _check_columns(path, frame)
        location = f"{path}, frame {frame.number} (line {frame.first_line})"
        rows = _normalised_rows(path, frame, types)
        text = "".join([f"{len(rows)}\n", _with_newline(frame.comment), *rows, *frame.vectors])
        try:
            check_elements(rows, _fields(path, frame))
            (atoms,) = read_xyz(io.StringIO(text), index=slice(None), properties_parser=parse_comment)
        except DataError as error:
            raise DataError(f"{location}: {error}") from error
        except Exception as error:  # ASE's reader raises many types of errors
            reason = _describe_bad_number(path, frame) or f"{location}: {str(error) or type(error).__name__}"
            raise DataError(reason.replace("ase.io.extxyz: ", "")) from error
        try:
            name_elements(atoms, _fields(path, frame), types)
        except DataError as error:
            raise DataError(f"{location}: {error}") from error
        # parse_comment added a prefix to these keys, so that ASE does not check or transpose their values; remove the prefix
        for name in [name for name in atoms.info if isinstance(name, str) and name.startswith(RAW_PREFIX)]:
            atoms.info[original_key(name)] = atoms.info.pop(name)
        return atoms

    return parse


def _check_columns(path: Path, frame: _Frame) -> None:
    """Check that each atom has the stated number of columns; plain XYZ files may have more columns."""
    fields = _fields(path, frame)
    n_columns = sum(field.width for field in fields)
    columns_are_stated = PROPERTIES.search(frame.comment) is not None
    for number, line in enumerate(frame.atoms):
        n_words = len(line.split())
        if n_words < n_columns or (columns_are_stated and n_words != n_columns):
            raise DataError(
                f"{path}, frame {frame.number}, line {frame.first_line + 2 + number}: each of {len(frame.atoms)} atoms "
                f"should have {n_columns} columns, but this atom has {n_words}: {line.strip()[:40]!r}"
            )


def _fields(path: Path, frame: _Frame) -> list[Field]:
    """Return the columns of atoms that the second line states."""
    try:
        return parse_fields(frame.comment)
    except Exception as error:
        raise DataError(f"{path}, frame {frame.number}: the second line is not extended XYZ: {error}") from error


def _normalised_rows(path: Path, frame: _Frame, types: Sequence[str] | None) -> list[str]:
    """Return the lines of atoms with chemical symbols and E exponents; lines that have both are unchanged."""
    fields = _fields(path, frame)
    column, species_column = 0, None
    real_columns: list[int] = []  # columns of real numbers
    for field in fields:
        if field.name.lower() in SPECIES_COLUMNS:
            species_column = column
        if field.kind == "R":
            real_columns += range(column, column + field.width)
        column += field.width
    rows, symbols = [], {}  # type: tuple[list[str], dict[str, str]]
    for number, line in enumerate(frame.atoms):
        word = "" if species_column is None else line.split(None, species_column + 1)[species_column]
        if word and word not in symbols:
            try:
                symbols[word] = read_symbol(word, types, frame.comment)
            except DataError as error:
                raise DataError(
                    f"{path}, frame {frame.number}, line {frame.first_line + 2 + number}: {error}"
                ) from error
        if (not word or symbols[word] == word) and "d" not in line and "D" not in line:
            rows.append(line)
            continue
        words = line.split()
        if species_column is not None:
            words[species_column] = symbols[word]
        for index in real_columns:
            words[index] = EXPONENT.sub("e", words[index])
        rows.append(" ".join(words) + "\n")
    return rows


def _describe_bad_number(path: Path, frame: _Frame) -> str:
    """Return a message on the first word in a column of numbers that is not a number; empty if there is none."""
    kinds = [field.kind for field in _fields(path, frame) for _ in range(field.width)]
    for number, line in enumerate(frame.atoms):
        for word, kind in zip(line.split(), kinds, strict=False):
            try:
                {"R": float, "I": int}.get(kind, str)(EXPONENT.sub("e", word))
            except ValueError:
                location = f"{path}, frame {frame.number}, line {frame.first_line + 2 + number}"
                return f"{location}: expected a number, but got {word[:40]!r}"
    return ""


def _with_newline(comment: str) -> str:
    """Return a comment that ends with a newline."""
    return comment if comment.endswith("\n") else comment + "\n"
