"""n2p2's and RuNNer's ``input.data``: begin ... end, in whatever units; atomic ones where nothing else is stated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.element_names import symbol_of
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import lines_of
from atomgraph.errors import DataError

# Columns of an atom after its position and element, with their widths; RuNNer may state others behind ``begin``.
LAYOUT = (("atomic_charges", 1), ("atomic_energies", 1), ("forces", 3))
FIELD = re.compile(r"(\w+)(?:\((\d{1,3})\))?")


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    block: list[list[str]] | None = None
    for number, line in enumerate(lines_of(path), 1):
        words = line.split()
        if not words:
            continue
        if words[0] == "begin":
            if block is not None:
                raise DataError(f"{path}, line {number}: a structure begins before the last one ended")
            block = [words]
        elif words[0] == "end":
            if block is None:
                raise DataError(f"{path}, line {number}: end without begin")
            where = f"{path}, the structure that ends in line {number}"
            try:
                yield _frame(block)
            except DataError as error:
                raise DataError(f"{where}: {error}") from error
            except (ValueError, IndexError) as error:
                raise DataError(f"{where}, cannot be read: {error}") from error
            block = None
        elif block is not None:
            block.append(words)
    if block is not None:
        raise DataError(f"{path} is cut short: its last structure has no end")


def _frame(block: list[list[str]]) -> ase.Atoms:
    layout = _layout(block[0][1:])
    width = 4 + sum(columns for _, columns in layout)
    rows, lattice, info = [], [], {}  # type: tuple[list[list[str]], list[list[float]], dict[str, object]]
    for words in block[1:]:
        match words[0]:
            case "atom":
                if len(words) - 1 < width:
                    raise DataError(
                        f"an atom should have {width} columns, but here are {len(words) - 1}: {' '.join(words)[:60]}"
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
            f"a structure has atoms, and no lattice vector or three; here are {len(rows)} and {len(lattice)}"
        )
    atoms = ase.Atoms(
        numbers=[atomic_numbers[symbol_of(row[3])] for row in rows],
        positions=[[float(word) for word in row[:3]] for row in rows],
        cell=lattice or None,
        pbc=bool(lattice),
        info=info,
    )
    column = 4
    for name, columns in layout:
        values = np.array([[float(word) for word in row[column : column + columns]] for row in rows])
        if name == "forces" or values.any():  # charges and energies of atoms are zeros if they are missing
            atoms.arrays[name] = values[:, 0] if columns == 1 else values
        column += columns
    return atoms


def _layout(fields: list[str]) -> list[tuple[str, int]]:
    """Columns after position and element, from the words after ``begin``."""
    if not fields:
        return list(LAYOUT)
    columns = []
    for field in fields:
        match = FIELD.fullmatch(field)
        if match is None:
            raise DataError(f"behind begin should be fields such as forces(3), but one is {field[:40]!r}")
        columns.append((match[1], int(match[2] or 1)))
    if columns[:2] != [("position", 3), ("element", 1)]:
        raise DataError(f"the first fields behind begin should be position(3) element, but are {' '.join(fields[:2])}")
    return columns[2:]


N2P2 = Format(
    name="n2p2",
    title="n2p2 and RuNNer `input.data`",
    endings=("input.data",),
    read=_read,
    recognise=lambda path, head: head.split()[:1] == [b"begin"],
    units={"energy": "Hartree", "length": "Bohr"},
    compared="ASE, dpdata",
)
