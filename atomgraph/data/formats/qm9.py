"""Reader of QM9's ``.xyz`` files: properties in the second line; frequencies and SMILES after the atoms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.element_names import parse_symbol
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import read_lines
from atomgraph.errors import DataError

# Properties in the second line, after the tag and the number of the molecule, in QM9's units (GHz, Debye, Bohr³, Hartree, ...).
PROPERTIES = ("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv")


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    lines = read_lines(path)
    for line in lines:
        count = line.strip()
        if not count:
            continue
        if not (count.isascii() and count.isdigit() and 0 < len(count) < 6):
            raise DataError(f"{path}: a molecule should begin with its number of atoms, but begins with {count[:40]!r}")
        rows = list(islice(lines, int(count) + 4))  # properties, atoms, frequencies, SMILES, InChI
        if len(rows) < int(count) + 1:
            raise DataError(f"{path} is cut short: expected {count} atoms, but there are {len(rows) - 1}")
        yield _molecule(rows[0], rows[1 : int(count) + 1], rows[int(count) + 1 :], path)


def _molecule(comment: str, rows: list[str], last_lines: list[str], path: Path) -> ase.Atoms:
    """Return a molecule.

    Args:
        comment: Second line, with the properties.
        rows: Lines of atoms.
        last_lines: Lines after the atoms: frequencies, SMILES, InChI.
        path: The file, for messages.
    """
    words = comment.split()
    try:
        values = [_number(word) for word in words[2:]]
        table = np.array([[_number(word) for word in row.split()[1:5]] for row in rows])
        symbols = [parse_symbol(row.split()[0]) for row in rows]
    except (ValueError, IndexError) as error:
        raise DataError(f"{path} cannot be read as QM9: {error}") from error
    if words[:1] != ["gdb"] or len(values) != len(PROPERTIES) or table.shape != (len(rows), 4):
        raise DataError(
            f"{path} should have 'gdb', a number and {len(PROPERTIES)} properties in its second line, and 5 columns"
        )
    atoms = ase.Atoms(numbers=[atomic_numbers[symbol] for symbol in symbols], positions=table[:, :3])
    atoms.arrays["mulliken_charges"] = table[:, 3]
    properties = dict(zip(PROPERTIES, values, strict=True))
    atoms.info.update({name: value for name, value in properties.items() if name != "U0"})
    atoms.info.update(energy=properties["U0"], qm9_index=int(words[1]))
    if len(last_lines) > 1 and last_lines[1].split():
        atoms.info["smiles"] = last_lines[1].split()[-1]
    return atoms


def _number(word: str) -> float:
    """Return a number of QM9, which may be written as ``1.5*^-6``."""
    return float(word.replace("*^", "e"))


QM9 = Format(
    name="qm9",
    title="QM9 `.xyz` (energy: U0)",
    endings=(".xyz",),
    read=_read,
    recognise=lambda path, head: head.split(b"\n")[1:2] != [] and head.split(b"\n")[1].startswith(b"gdb "),
    units={"energy": "Hartree", "length": "Å"},
    has_fixed_units=True,
)
