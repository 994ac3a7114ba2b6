"""Reader of HDF5 files of ANI and torchani: groups of conformers with one composition; needs h5py (extra ``hdf5``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.arrays import require_atoms
from atomgraph.data.formats.element_names import parse_symbol
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import check_regular
from atomgraph.errors import DataError

SPECIES = ("species", "atomic_numbers", "numbers")
ENERGY = ("energies", "energy", "wb97x_dz.energy")
FORCES = ("forces", "force", "wb97x_dz.forces")


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of the file, in the units of the file."""
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path} is an HDF5 file, which needs h5py: pip install 'atomgraph[hdf5]'") from None
    check_regular(path)
    try:
        with h5py.File(path, "r") as file:
            has_frames = False
            for group in _groups(file, set()):
                has_frames = True
                yield from _conformers(group, path, options)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as HDF5: {str(error) or type(error).__name__}") from error
    if not has_frames:
        raise DataError(f"{path} has no group with coordinates and species; is it a file of ANI?")


def _groups(node: Any, visited: set[int]) -> Iterator[Any]:
    """Yield the groups of conformers; a group with several names is yielded once.

    Args:
        node: File or group to search.
        visited: Hashes of the visited groups, from their addresses in the file; changed in place.
    """
    if "coordinates" in node and any(name in node for name in SPECIES):
        yield node
        return
    for name in sorted(node.keys()):
        if node.get(name, getlink=True).__class__.__name__ == "HardLink" and hasattr(child := node[name], "keys"):
            address = hash(child.id)
            if address not in visited:
                visited.add(address)
                yield from _groups(child, visited)


def _conformers(group: Any, path: Path, options: Options) -> Iterator[ase.Atoms]:
    """Yield the structures of a group."""
    location = f"{path}, group {group.name}"
    positions = _array(group, "coordinates", path)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise DataError(f"{location}: coordinates should have shape (conformers, atoms, 3), but have {positions.shape}")
    n_conformers, n_atoms, _ = positions.shape
    require_atoms(n_atoms, location)
    species = next(name for name in SPECIES if name in group)
    numbers = _numbers(_checked_dataset(group, species, path)[()], location)
    if numbers.shape not in ((n_atoms,), (n_conformers, n_atoms)):
        raise DataError(f"{location}: species of shape {numbers.shape} for coordinates of shape {positions.shape}")
    numbers = np.broadcast_to(numbers, (n_conformers, n_atoms))
    has_cells = "cell" in group and group["cell"].shape == (n_conformers, 3, 3)
    cells = _array(group, "cell", path) if has_cells else None
    scalars, vectors = _properties(group, n_conformers, n_atoms, path) if options.labels else ({}, {})
    for conformer in range(n_conformers):
        is_atom = numbers[conformer] > 0  # −1 is padding of torchani
        atoms = ase.Atoms(numbers=numbers[conformer][is_atom], positions=positions[conformer][is_atom])
        if cells is not None and cells[conformer].any():
            atoms.set_cell(cells[conformer])
            atoms.pbc = True
        atoms.info.update({name: float(values[conformer]) for name, values in scalars.items()})
        for name, rows in vectors.items():
            atoms.arrays[name] = rows[conformer][is_atom]
        atoms.info["group"] = str(group.name)
        yield atoms


def _properties(
    group: Any, n_conformers: int, n_atoms: int, path: Path
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return scalars of conformers and vectors of atoms, by name.

    The first name of ``ENERGY`` that is present becomes ``energy``, and the first name of ``FORCES`` becomes ``forces``.

    Returns:
        Scalars, (n_conformers,) each; vectors, (n_conformers, n_atoms, 3) each.
    """
    scalars, vectors = {}, {}
    for name, data in group.items():
        if name in SPECIES or not hasattr(data, "dtype") or data.dtype.kind not in "fiu":
            continue
        if data.shape in ((n_conformers,), (n_conformers, 1)):
            scalars[name] = _array(group, name, path).reshape(n_conformers)
        elif data.shape == (n_conformers, n_atoms, 3) and name != "coordinates":
            vectors[name] = _array(group, name, path)
    for label, table, names in (("energy", scalars, ENERGY), ("forces", vectors, FORCES)):
        key = next((name for name in names if name in table), None)
        if key is not None:
            table[label] = table.pop(key) if key in ("energies", "energy", "force", "forces") else table[key]
    return scalars, vectors


def _array(group: Any, name: str, path: Path) -> np.ndarray:
    return np.asarray(_checked_dataset(group, name, path)[()], dtype=np.float64)


def _checked_dataset(group: Any, name: str, path: Path) -> Any:
    """Return a data set; DataError if its shape is far larger than the file.

    HDF5 can declare a huge data set without storing it, and reading this data set would fill the memory.
    """
    data = group[name]
    if data.size * max(data.dtype.itemsize, 8) > 200 * path.stat().st_size + 100_000_000:
        raise DataError(f"{path}: {group.name}/{name} of shape {data.shape} is far larger than the file")
    return data


def _numbers(species: np.ndarray, location: str) -> np.ndarray:
    """Return atomic numbers from atomic numbers or chemical symbols, in the same shape."""
    species = np.asarray(species)
    if species.dtype.kind in "iu":
        return species.astype(int)
    try:
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in species.ravel().tolist()]
        return np.array([atomic_numbers[parse_symbol(word)] for word in words]).reshape(species.shape)
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{location}: {error}") from error


ANI = Format(
    name="ani-h5",
    title="ANI and torchani HDF5",
    endings=(".h5", ".hdf5"),
    read=_read,
    recognise=lambda path, head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    units={"energy": "Hartree", "length": "Å"},
    reads_compressed=False,
    compared_with="torchani",
)
