"""Check of formats with atom names instead of elements; ASE would read CA of a protein as calcium."""

from __future__ import annotations

from pathlib import Path

from ase.data import atomic_numbers

from atomgraph.data.formats.text import read_lines
from atomgraph.errors import DataError

RECORDS = ("ATOM  ", "HETATM")
ELEMENT_COLUMNS = slice(76, 78)  # columns 77 and 78 of an atom's line in a PDB file
FORMATS_WITHOUT_ELEMENTS = {
    "gromacs": "a GROMACS .gro file",
    "gromos": "a GROMOS .g96 file",
    "netcdftrajectory": "an AMBER NetCDF trajectory",
    "lammps-dump-binary": "a binary LAMMPS dump",
}


def check_names_elements(path: Path, name: str) -> None:
    """Check that a file contains elements, so that ASE does not guess them from names of atoms.

    Args:
        path: The file.
        name: ASE's name of the format.

    Raises:
        DataError: If the file, or an atom of it, has no element.
    """
    if name in FORMATS_WITHOUT_ELEMENTS:
        raise DataError(
            f"{path} is {FORMATS_WITHOUT_ELEMENTS[name]}, which contains no elements; write extended XYZ, a text "
            f"dump, or a PDB file with "
            f"elements in columns 77 and 78"
        )
    if name != "proteindatabank":
        return
    for number, line in enumerate(read_lines(path), 1):
        if line.startswith(RECORDS):
            word = line.rstrip("\n")[ELEMENT_COLUMNS].strip()
            if atomic_numbers.get(word.capitalize(), 0) <= 0:
                content = repr(word) if word else "nothing"
                raise DataError(
                    f"{path}, line {number}: columns 77 and 78 should hold the element of atom {line[12:16].strip()!r}, but "
                    f"hold {content}; names of atoms are not used as elements (CA is carbon in a protein). Add the elements, "
                    f"or write extended XYZ"
                )
