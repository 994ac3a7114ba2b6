"""QM9's ``.xyz`` files: a molecule, its properties in the second line, frequencies and SMILES after its atoms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.element_names import symbol_of
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import lines_of
from atomgraph.errors import DataError

# Of the second line, after the tag and number of the molecule, as the data set has them (GHz, Debye, Bohr³, Hartree, ...).
PROPERTIES = ("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv")


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    lines = lines_of(path)
    for first in lines:
        if not first.strip():
            continue
        count = first.strip()
        if not (count.isascii() and count.isdigit() and 0 < len(count) < 6):
            raise DataError(f"{path}: a number of atoms should begin a molecule, but here is {count[:40]!r}")
        rows = list(islice(lines, int(count) + 4))  # properties, atoms, frequencies, SMILES, InChI
        if len(rows) < int(count) + 1:
            raise DataError(f"{path} is cut short: {count} atoms are announced, {len(rows) - 1} are there")
        yield _molecule(rows[0], rows[1 : int(count) + 1], rows[int(count) + 1 :], path)


def _molecule(comment: str, rows: list[str], rest: list[str], path: Path) -> ase.Atoms:
    words = comment.split()
    try:
        values = [_number(word) for word in words[2:]]
        table = np.array([[_number(word) for word in row.split()[1:5]] for row in rows])
        symbols = [symbol_of(row.split()[0]) for row in rows]
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
    if len(rest) > 1 and rest[1].split():
        atoms.info["smiles"] = rest[1].split()[-1]
    return atoms


def _number(word: str) -> float:
    return float(word.replace("*^", "e"))


QM9 = Format(
    name="qm9",
    title="QM9 `.xyz` (energy: U0)",
    endings=(".xyz",),
    read=_read,
    recognise=lambda path, head: head.split(b"\n")[1:2] != [] and head.split(b"\n")[1].startswith(b"gdb "),
    units={"energy": "Hartree", "length": "Å"},
    fixed=True,
)
