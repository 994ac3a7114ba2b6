"""LAMMPS's data files, through ASE, with elements that are named, stated, or derived from masses."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.data import atomic_masses

from atomgraph.data.formats.element_names import numbers_of_types, refuse_types
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import lines_of, open_unpacked
from atomgraph.errors import DataError

NEAR, SHARE = 0.05, 0.005  # u, and of the mass: nearer than both to that of one element, a mass names it; 1.0 does not


def _read_data(path: Path, options: Options) -> Iterator[ase.Atoms]:
    with open_unpacked(path) as file:
        atoms = ase.io.read(io.TextIOWrapper(file, encoding="ascii"), format="lammps-data")
    if not _has_labels(path):
        masses = _masses(path)
        if options.types is None and masses:
            atoms.numbers = _numbers_of_masses(path, atoms.arrays["type"], masses)
        else:
            _name(atoms, options, f"{path} (a LAMMPS data file)")
    elif options.types is not None:
        named = atoms.numbers.copy()
        _name(atoms, options, str(path))
        if not np.array_equal(named, atoms.numbers):
            refuse_types(options.types, f"{path} (by its type labels)")
    yield atoms


def _has_labels(path: Path) -> bool:
    """Whether the file has a section of type labels; ASE takes those that are elements, and refuses others."""
    return any(line.startswith("Atom Type Labels") for line in lines_of(path))


def _masses(path: Path) -> dict[int, float]:
    """Mass of each type, u, from the section of masses; empty where there is none."""
    masses: dict[int, float] = {}
    inside = False
    for line in lines_of(path):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words == ["Masses"]:
            inside = True
        elif inside and words[0].isascii() and words[0].isdigit() and len(words) == 2:
            masses[int(words[0])] = float(words[1])
        elif inside:
            break
    return masses


def _numbers_of_masses(path: Path, kinds: np.ndarray, masses: dict[int, float]) -> np.ndarray:
    """Elements by masses, where each is that of one element."""
    numbers = {}
    for kind in sorted(set(kinds.tolist())):
        mass = masses.get(kind, np.nan)
        near = np.flatnonzero(np.abs(atomic_masses[1:] - mass) < min(NEAR, SHARE * mass)) + 1
        if len(near) != 1:
            numbers_of_types(
                [kind], None, 1, f"{path} (a LAMMPS data file; mass {mass:g} of type {kind} is no element's)"
            )
        numbers[kind] = int(near[0])
    return np.array([numbers[kind] for kind in kinds.tolist()])


def _name(atoms: ase.Atoms, options: Options, what: str) -> None:
    if "type" not in atoms.arrays:
        raise DataError(f"{what} has no column of types")
    kinds = [int(kind) for kind in atoms.arrays["type"]]
    atoms.numbers = np.array(numbers_of_types(kinds, options.types, 1, what))
    atoms.set_masses("defaults")


LAMMPS_DATA = Format(
    name="lammps-data",
    title="LAMMPS data file (positions)",
    endings=(".lmp", ".data"),
    read=_read_data,
    recognise=lambda path, head: re.search(rb"^\s*\d+\s+atom types\s*$", head, re.MULTILINE) is not None,
    units={"energy": "eV", "length": "Å"},
    types=True,
    compared="read through ASE",
)
