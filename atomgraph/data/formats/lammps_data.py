"""Reader of LAMMPS data files, with ASE; elements are read from type labels, stated by the user, or found from masses."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.data import atomic_masses

from atomgraph.data.formats.element_names import refuse_types, types_to_numbers
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import open_unpacked, read_lines
from atomgraph.errors import DataError

# Largest difference between a mass in the file and the mass of its element; the smaller of the two limits is used.
MASS_TOLERANCE = 0.05  # u
RELATIVE_TOLERANCE = 0.005  # relative to the mass in the file


def _read_data(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structure of the file."""
    with open_unpacked(path) as file:
        atoms = ase.io.read(io.TextIOWrapper(file, encoding="ascii"), format="lammps-data")
    if not _has_type_labels(path):
        masses = _masses(path)
        if options.types is None and masses:
            atoms.numbers = _elements_from_masses(path, atoms.arrays["type"], masses)
        else:
            _set_elements(atoms, options, f"{path} (a LAMMPS data file)")
    elif options.types is not None:
        numbers_in_file = atoms.numbers.copy()
        _set_elements(atoms, options, str(path))
        if not np.array_equal(numbers_in_file, atoms.numbers):
            refuse_types(options.types, f"{path} (by its type labels)")
    yield atoms


def _has_type_labels(path: Path) -> bool:
    """Return whether the file has type labels; ASE reads labels that are elements, and raises an error for other labels."""
    return any(line.startswith("Atom Type Labels") for line in read_lines(path))


def _masses(path: Path) -> dict[int, float]:
    """Return the mass of each type, u; empty if the file has no masses."""
    masses: dict[int, float] = {}
    in_section = False
    for line in read_lines(path):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words == ["Masses"]:
            in_section = True
        elif in_section and words[0].isascii() and words[0].isdigit() and len(words) == 2:
            masses[int(words[0])] = float(words[1])
        elif in_section:
            break
    return masses


def _elements_from_masses(path: Path, types: np.ndarray, masses: dict[int, float]) -> np.ndarray:
    """Return atomic numbers of the atoms, (n_atoms,), from the masses of their types.

    Args:
        path: The file, for messages.
        types: Type of each atom, (n_atoms,).
        masses: Mass of each type, u.

    Raises:
        DataError: If a mass is not that of exactly one element.
    """
    numbers = {}
    for atom_type in sorted(set(types.tolist())):
        mass = masses.get(atom_type, np.nan)
        candidates = (
            np.flatnonzero(np.abs(atomic_masses[1:] - mass) < min(MASS_TOLERANCE, RELATIVE_TOLERANCE * mass)) + 1
        )
        if len(candidates) != 1:  # raises an error, because types are not stated
            types_to_numbers(
                [atom_type],
                None,
                1,
                f"{path} (a LAMMPS data file; mass {mass:g} of type {atom_type} is not the mass of exactly one element)",
            )
        numbers[atom_type] = int(candidates[0])
    return np.array([numbers[atom_type] for atom_type in types.tolist()])


def _set_elements(atoms: ase.Atoms, options: Options, what: str) -> None:
    """Set elements and masses of the atoms from the elements of types that the user stated."""
    if "type" not in atoms.arrays:
        raise DataError(f"{what} has no column of types")
    types = [int(atom_type) for atom_type in atoms.arrays["type"]]
    atoms.numbers = np.array(types_to_numbers(types, options.types, 1, what))
    atoms.set_masses("defaults")


LAMMPS_DATA = Format(
    name="lammps-data",
    title="LAMMPS data file (positions)",
    endings=(".lmp", ".data"),
    read=_read_data,
    recognise=lambda path, head: re.search(rb"^\s*\d+\s+atom types\s*$", head, re.MULTILINE) is not None,
    units={"energy": "eV", "length": "Å"},
    may_lack_elements=True,
    compared_with="read through ASE",
)
