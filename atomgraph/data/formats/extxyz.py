"""Extended XYZ read strictly, frame by frame: every line is accounted for before ASE makes a frame of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
from ase.io.extxyz import read_xyz

from atomgraph.data.formats.comment import EXPONENT, PROPERTIES, RAW, Field, comment_of, fields_of, unguarded
from atomgraph.data.formats.text import OPENERS, is_packed, lines_of
from atomgraph.data.formats.xyz_elements import SPECIES, check_elements, name_elements, symbol
from atomgraph.errors import DataError

ENDINGS = {".xyz", ".extxyz"}
MOST_PACKED = 2_000_000  # atoms of a frame in a packed file: lines take far more memory than the file


def is_xyz(path: Path) -> bool:
    """By its name, packed or not."""
    suffixes = path.suffixes[:-1] if path.suffix.lower() in OPENERS else path.suffixes
    return bool(suffixes) and suffixes[-1].lower() in ENDINGS


def iread_xyz(path: Path, types: Sequence[str] | None = None) -> Iterator[Callable[[], ase.Atoms]]:
    """Functions that make the frames of a file, one after the other; the file is never in memory as a whole.

    Blank lines between frames, Fortran's D exponents and atomic numbers in the column of species are understood.

    Args:
        path: The file, packed or not.
        types: Elements of types, for files that name none (LAMMPS's ``dump xyz``, a column ``type``); refused by others.

    Raises:
        DataError: With file, frame and line, where the text is not whole. (ASE alone stops silently at a blank line, and
            reports a cut file in many ways.)
    """
    lines = _Lines(path)
    for frame in _frames(lines):
        yield _maker(path, frame, types)
    if lines.place == 0:
        raise DataError(f"{path} is empty")


@dataclass
class _Frame:
    """The lines of a frame: comment, atoms, cell vectors; ``line`` is the number of its first line, from 1."""

    place: int
    line: int
    comment: str
    atoms: list[str]
    vectors: list[str]


class _Lines:
    """Lines of a file, one of which can be looked at before it is taken."""

    def __init__(self, path: Path):
        self.path, self.number, self.place = path, 0, 0
        self._lines, self._next = lines_of(path), None  # type: tuple[Iterator[str], str | None]

    def peek(self) -> str | None:
        if self._next is None:
            self._next = next(self._lines, None)
        return self._next

    def take(self) -> str | None:
        line = self.peek()
        self._next = None
        self.number += line is not None
        return line


def _frames(lines: _Lines) -> Iterator[_Frame]:
    while True:
        while (line := lines.peek()) is not None and not line.strip():
            lines.take()
        if line is None:
            return
        lines.take()
        first = lines.number
        n_atoms = _n_atoms(lines, line)
        if n_atoms > MOST_PACKED and is_packed(lines.path):
            raise DataError(
                f"{lines.path}, frame {lines.place} (line {first}): {n_atoms} atoms are too many for a packed file; unpack it "
                f"and read the file itself"
            )
        comment = lines.take()
        atoms: list[str] = []
        while len(atoms) < n_atoms and (line := lines.take()) is not None:
            atoms.append(line)
        while atoms and len(atoms) < n_atoms and not atoms[-1].strip():
            atoms.pop()
        if comment is None or len(atoms) < n_atoms:
            raise DataError(
                f"{lines.path}, frame {lines.place} (line {first}) is cut short: {n_atoms} atoms are announced, "
                f"{len(atoms)} are there"
            )
        frame = _Frame(lines.place, first, comment, atoms, [])
        while (line := lines.peek()) is not None and line.lstrip().startswith("VEC"):
            frame.vectors.append(line)
            lines.take()
        _check_last_line(lines, frame)
        yield frame
        lines.place += 1


def _n_atoms(lines: _Lines, line: str) -> int:
    text = line.strip()
    if text.isascii() and text.isdigit() and len(text) < 12 and int(text) > 0:
        return int(text)
    wrong = f"{lines.path}, line {lines.number}: a number of atoms should begin frame {lines.place}, but here is {text[:40]!r}"
    if lines.place:
        wrong += f"; frame {lines.place - 1} has more or fewer lines than its number of atoms"
    raise DataError(wrong)


def _check_last_line(lines: _Lines, frame: _Frame) -> None:
    """A file that ends without a newline should end in a whole line."""
    last = frame.atoms[-1]
    lengths = {len(text) for text in frame.atoms[:-1]}
    if not last.endswith("\n") and len(lengths) == 1 and len(last) + 1 < min(lengths):
        raise DataError(
            f"{lines.path}, frame {frame.place}: the file is cut short within its last line, {last.strip()[:60]!r}"
        )


def _maker(path: Path, frame: _Frame, types: Sequence[str] | None) -> Callable[[], ase.Atoms]:
    def make() -> ase.Atoms:
        _check_columns(path, frame)
        where = f"{path}, frame {frame.place} (line {frame.line})"
        rows = _plain_rows(path, frame, types)
        text = "".join([f"{len(rows)}\n", _whole(frame.comment), *rows, *frame.vectors])
        try:
            check_elements(rows, _fields(path, frame))
            (atoms,) = read_xyz(io.StringIO(text), index=slice(None), properties_parser=comment_of)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        except Exception as error:  # ASE's reader raises many kinds
            reason = _bad_number(path, frame) or f"{where}: {str(error) or type(error).__name__}"
            raise DataError(reason.replace("ase.io.extxyz: ", "")) from error
        try:
            name_elements(atoms, _fields(path, frame), types)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        for name in [name for name in atoms.info if isinstance(name, str) and name.startswith(RAW)]:
            atoms.info[unguarded(name)] = atoms.info.pop(name)
        return atoms

    return make


def _check_columns(path: Path, frame: _Frame) -> None:
    """Each atom's line has the columns that are announced; a plain XYZ file may have more."""
    fields = _fields(path, frame)
    width = sum(field.width for field in fields)
    exact = PROPERTIES.search(frame.comment) is not None
    for number, line in enumerate(frame.atoms):
        columns = len(line.split())
        if columns < width or (exact and columns != width):
            raise DataError(
                f"{path}, frame {frame.place}, line {frame.line + 2 + number}: each of {len(frame.atoms)} atoms should have "
                f"{width} columns, but here are {columns}: {line.strip()[:40]!r}"
            )


def _fields(path: Path, frame: _Frame) -> list[Field]:
    try:
        return fields_of(frame.comment)
    except Exception as error:
        raise DataError(f"{path}, frame {frame.place}: its second line is not extended XYZ: {error}") from error


def _plain_rows(path: Path, frame: _Frame, types: Sequence[str] | None) -> list[str]:
    """The lines of atoms with chemical symbols and E exponents; those that have both already stay as they are."""
    fields = _fields(path, frame)
    column, species = 0, None
    numeric: list[int] = []
    for field in fields:
        if field.name.lower() in SPECIES:
            species = column
        if field.kind == "R":
            numeric += range(column, column + field.width)
        column += field.width
    rows, known = [], {}  # type: tuple[list[str], dict[str, str]]
    for number, line in enumerate(frame.atoms):
        word = "" if species is None else line.split(None, species + 1)[species]
        if word and word not in known:
            try:
                known[word] = symbol(word, types, frame.comment)
            except DataError as error:
                raise DataError(f"{path}, frame {frame.place}, line {frame.line + 2 + number}: {error}") from error
        if (not word or known[word] == word) and "d" not in line and "D" not in line:
            rows.append(line)
            continue
        words = line.split()
        if species is not None:
            words[species] = known[word]
        for place in numeric:
            words[place] = EXPONENT.sub("e", words[place])
        rows.append(" ".join(words) + "\n")
    return rows


def _bad_number(path: Path, frame: _Frame) -> str:
    """Where a word stands in a column of numbers; empty where none does."""
    kinds = [field.kind for field in _fields(path, frame) for _ in range(field.width)]
    for number, line in enumerate(frame.atoms):
        for word, kind in zip(line.split(), kinds, strict=False):
            try:
                {"R": float, "I": int}.get(kind, str)(EXPONENT.sub("e", word))
            except ValueError:
                place = f"{path}, frame {frame.place}, line {frame.line + 2 + number}"
                return f"{place}: a number should be here, but is {word[:40]!r}"
    return ""


def _whole(comment: str) -> str:
    return comment if comment.endswith("\n") else comment + "\n"
