"""Reader of MD17, rMD17 and sGDML ``.npz`` files, with many conformations of one molecule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase
import numpy as np

from atomgraph.data.formats.arrays import load_npz, numeric, require_atoms
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import unpacked_name
from atomgraph.errors import DataError

# Names of the arrays in rMD17, and in MD17 and sGDML.
ARRAY_NAMES = {
    "numbers": ("nuclear_charges", "z"),
    "positions": ("coords", "R"),
    "energy": ("energies", "E"),
    "forces": ("forces", "F"),
}
ENERGY_UNITS = {
    "kcal/mol": "kcal/mol",
    "kj/mol": "kJ/mol",
    "ev": "eV",
    "mev": "meV",
    "ha": "Hartree",
    "hartree": "Hartree",
}
LENGTH_UNITS = {"ang": "Å", "angstrom": "Å", "a": "Å", "å": "Å", "bohr": "Bohr", "au": "Bohr", "nm": "nm"}


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of the file, in the units of the file."""
    arrays = load_npz(path)
    table = {name: _first_array(arrays, keys) for name, keys in ARRAY_NAMES.items()}
    if table["numbers"] is None or table["positions"] is None:
        raise DataError(
            f"{path} should hold nuclear_charges and coords (rMD17), or z and R (MD17, sGDML), but holds "
            f"{', '.join(sorted(arrays)) or 'nothing'}"
        )
    numbers = numeric(table["numbers"], "nuclear charges", (-1,), path)
    if not ((numbers > 0) & (numbers < 119) & (numbers == numbers.round())).all():
        raise DataError(f"{path}: nuclear charges should be whole numbers from 1 to 118")
    n_frames, n_atoms = len(table["positions"]), len(numbers)
    require_atoms(n_atoms, path)
    positions = numeric(table["positions"], "coordinates", (n_frames, n_atoms, 3), path)
    energy = forces = None
    if options.labels and table["energy"] is not None:
        energy = numeric(table["energy"], "energies", (n_frames,), path)
    if options.labels and table["forces"] is not None:
        forces = numeric(table["forces"], "forces", (n_frames, n_atoms, 3), path)
    # sGDML has cell vectors as columns
    lattice = numeric(arrays["lattice"], "lattice", (3, 3), path).T if "lattice" in arrays else None
    for frame in range(n_frames):
        atoms = ase.Atoms(
            numbers=numbers.astype(int), positions=positions[frame], cell=lattice, pbc=lattice is not None
        )
        if energy is not None:
            atoms.info["energy"] = float(energy[frame])
        if forces is not None:
            atoms.arrays["forces"] = forces[frame]
        yield atoms


def _first_array(arrays: dict[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    """Return the array of the first key in the file; None if the file has no such key."""
    return next((arrays[key] for key in keys if key in arrays), None)


def _units_in(path: Path) -> dict[str, str]:
    """Return the units in ``e_unit`` and ``r_unit`` of sGDML files."""
    arrays, units = load_npz(path), {}
    for key, name, table in (("e_unit", "energy", ENERGY_UNITS), ("r_unit", "length", LENGTH_UNITS)):
        if key in arrays and arrays[key].size == 1:
            word = arrays[key].reshape(()).item()
            word = word.decode(errors="replace") if isinstance(word, bytes) else str(word)
            if word.lower() not in table:
                raise DataError(f"{path}: {key} is {word!r}; known are {', '.join(table)}")
            units[name] = table[word.lower()]
    return units


MD17 = Format(
    name="md17",
    title="rMD17, MD17 and sGDML `.npz`",
    endings=(".npz",),
    read=_read,
    recognise=lambda path, head: unpacked_name(path).lower().endswith(".npz"),
    units={"energy": "kcal/mol", "length": "Å"},
    units_in=_units_in,
    reads_compressed=False,
    compared_with="sgdml (arrays z, R, E, F); the arrays of rMD17 are not compared yet",
)
