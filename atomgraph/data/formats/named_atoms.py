"""Formats that name atoms, not elements: ASE guesses elements from such names, CA of a protein as calcium."""

from __future__ import annotations

from pathlib import Path

from ase.data import atomic_numbers

from atomgraph.data.formats.text import lines_of
from atomgraph.errors import DataError

RECORDS = ("ATOM  ", "HETATM")
ELEMENT = slice(76, 78)  # columns 77 and 78 of an atom's line in a PDB file
NAMELESS = {
    "gromacs": "a GROMACS .gro file",
    "gromos": "a GROMOS .g96 file",
    "netcdftrajectory": "an AMBER NetCDF trajectory",
    "lammps-dump-binary": "a binary LAMMPS dump",
}


def check_names_elements(path: Path, name: str) -> None:
    """DataError for a file whose elements would be guessed from the names of its atoms.

    Args:
        path: The file.
        name: ASE's name of its format.
    """
    if name in NAMELESS:
        raise DataError(
            f"{path} is {NAMELESS[name]}, which names no elements; write extended XYZ, a text dump, or a PDB file with "
            f"elements in columns 77 and 78"
        )
    if name != "proteindatabank":
        return
    for number, line in enumerate(lines_of(path), 1):
        if line.startswith(RECORDS):
            word = line.rstrip("\n")[ELEMENT].strip()
            if atomic_numbers.get(word.capitalize(), 0) <= 0:
                said = repr(word) if word else "nothing"
                raise DataError(
                    f"{path}, line {number}: columns 77 and 78 should hold the element of atom {line[12:16].strip()!r}, but "
                    f"hold {said}; names of atoms are not taken as elements (CA is carbon in a protein). Write the elements, "
                    f"or extended XYZ"
                )
