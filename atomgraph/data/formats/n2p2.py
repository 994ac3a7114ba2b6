"""Reader of ``input.data`` of n2p2 and RuNNer: structures between begin and end; the default units are atomic units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.element_names import parse_symbol
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import read_lines
from atomgraph.errors import DataError

# Default fields of an atom after position and element, with their numbers of columns; a line ``begin`` may list others.
DEFAULT_FIELDS = (("atomic_charges", 1), ("atomic_energies", 1), ("forces", 3))
FIELD = re.compile(r"(\w+)(?:\((\d{1,3})\))?")


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of the file, in the units of the file."""
    block: list[list[str]] | None = None
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words:
            continue
        if words[0] == "begin":
            if block is not None:
                raise DataError(f"{path}, line {number}: a structure begins before the structure above has ended")
            block = [words]
        elif words[0] == "end":
            if block is None:
                raise DataError(f"{path}, line {number}: end without begin")
            location = f"{path}, the structure that ends in line {number}"
            try:
                yield _frame(block)
            except DataError as error:
                raise DataError(f"{location}: {error}") from error
            except (ValueError, IndexError) as error:
                raise DataError(f"{location}, cannot be read: {error}") from error
            block = None
        elif block is not None:
            block.append(words)
    if block is not None:
        raise DataError(f"{path} is cut short: its last structure has no end")


def _frame(block: list[list[str]]) -> ase.Atoms:
    """Return the structure of a block: the words of each line, from ``begin`` to the line before ``end``."""
    fields = _parse_fields(block[0][1:])
    n_columns = 4 + sum(width for _, width in fields)
    rows, lattice, info = [], [], {}  # type: tuple[list[list[str]], list[list[float]], dict[str, object]]
    for words in block[1:]:
        match words[0]:
            case "atom":
                if len(words) - 1 < n_columns:
                    raise DataError(
                        f"an atom should have {n_columns} columns, but has {len(words) - 1}: {' '.join(words)[:60]}"
                    )
                rows.append(words[1:])
            case "lattice":
                lattice.append([float(word) for word in words[1:4]])
            case "energy" | "charge":
                info[words[0]] = float(words[1])
            case "comment":
                info["comment"] = " ".join(words[1:])
    if not rows or len(lattice) not in (0, 3) or np.array(lattice).size not in (0, 9):
        raise DataError(
            f"a structure should have atoms, and zero or three lattice vectors, but has {len(rows)} atoms and "
            f"{len(lattice)} vectors"
        )
    atoms = ase.Atoms(
        numbers=[atomic_numbers[parse_symbol(row[3])] for row in rows],
        positions=[[float(word) for word in row[:3]] for row in rows],
        cell=lattice or None,
        pbc=bool(lattice),
        info=info,
    )
    column = 4  # after x, y, z and the element
    for name, width in fields:
        values = np.array([[float(word) for word in row[column : column + width]] for row in rows])
        if name == "forces" or values.any():  # missing charges and energies of atoms are written as zeros
            atoms.arrays[name] = values[:, 0] if width == 1 else values
        column += width
    return atoms


def _parse_fields(words: list[str]) -> list[tuple[str, int]]:
    """Return names and numbers of columns of the fields after position and element, from the words after ``begin``."""
    if not words:
        return list(DEFAULT_FIELDS)
    fields = []
    for word in words:
        match = FIELD.fullmatch(word)
        if match is None:
            raise DataError(f"after begin there should be fields such as forces(3), but one is {word[:40]!r}")
        fields.append((match[1], int(match[2] or 1)))
    if fields[:2] != [("position", 3), ("element", 1)]:
        raise DataError(f"the first fields after begin should be position(3) element, but are {' '.join(words[:2])}")
    return fields[2:]


N2P2 = Format(
    name="n2p2",
    title="n2p2 and RuNNer `input.data`",
    endings=("input.data",),
    read=_read,
    recognise=lambda path, head: head.split()[:1] == [b"begin"],
    units={"energy": "Hartree", "length": "Bohr"},
    compared_with="ASE, dpdata",
)
