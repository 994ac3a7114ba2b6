"""ANI's and torchani's HDF5 files: groups of conformers of one composition; ``h5py`` is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers

from atomgraph.data.formats.arrays import require_atoms
from atomgraph.data.formats.element_names import symbol_of
from atomgraph.data.formats.format import Format, Options
from atomgraph.data.formats.text import check_regular
from atomgraph.errors import DataError

SPECIES = ("species", "atomic_numbers", "numbers")
ENERGY = ("energies", "energy", "wb97x_dz.energy")
FORCES = ("forces", "force", "wb97x_dz.forces")


def _read(path: Path, options: Options) -> Iterator[ase.Atoms]:
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path} is an HDF5 file, and h5py reads those: pip install 'atomgraph[hdf5]'") from None
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
        raise DataError(f"{path} has no group with coordinates and species, as ANI's files have")


def _groups(node: Any, seen: set[int]) -> Iterator[Any]:
    """Groups of conformers, each once, however many names lead to it.

    Args:
        seen: Addresses in the file of the groups that were visited.
    """
    if "coordinates" in node and any(name in node for name in SPECIES):
        yield node
        return
    for name in sorted(node.keys()):
        if node.get(name, getlink=True).__class__.__name__ == "HardLink" and hasattr(child := node[name], "keys"):
            address = hash(child.id)
            if address not in seen:
                seen.add(address)
                yield from _groups(child, seen)


def _conformers(group: Any, path: Path, options: Options) -> Iterator[ase.Atoms]:
    where = f"{path}, group {group.name}"
    positions = _array(group, "coordinates", path)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise DataError(f"{where}: coordinates should have shape (conformers, atoms, 3), but have {positions.shape}")
    n, n_atoms, _ = positions.shape
    require_atoms(n_atoms, where)
    species = next(name for name in SPECIES if name in group)
    numbers = _numbers(_bounded(group, species, path)[()], where)
    if numbers.shape not in ((n_atoms,), (n, n_atoms)):
        raise DataError(f"{where}: species of shape {numbers.shape} for coordinates of shape {positions.shape}")
    numbers = np.broadcast_to(numbers, (n, n_atoms))
    cells = _array(group, "cell", path) if "cell" in group and group["cell"].shape == (n, 3, 3) else None
    scalars, vectors = _properties(group, n, n_atoms, path) if options.labels else ({}, {})
    for conformer in range(n):
        real = numbers[conformer] > 0  # torchani fills up with −1
        atoms = ase.Atoms(numbers=numbers[conformer][real], positions=positions[conformer][real])
        if cells is not None and cells[conformer].any():
            atoms.set_cell(cells[conformer])
            atoms.pbc = True
        atoms.info.update({name: float(values[conformer]) for name, values in scalars.items()})
        for name, rows in vectors.items():
            atoms.arrays[name] = rows[conformer][real]
        atoms.info["group"] = str(group.name)
        yield atoms


def _properties(group: Any, n: int, n_atoms: int, path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Numbers of conformers and vectors of atoms, under their own names; the first energy and forces under the label's."""
    scalars, vectors = {}, {}
    for name, data in group.items():
        if name in SPECIES or not hasattr(data, "dtype") or data.dtype.kind not in "fiu":
            continue
        if data.shape in ((n,), (n, 1)):
            scalars[name] = _array(group, name, path).reshape(n)
        elif data.shape == (n, n_atoms, 3) and name != "coordinates":
            vectors[name] = _array(group, name, path)
    for label, table, names in (("energy", scalars, ENERGY), ("forces", vectors, FORCES)):
        first = next((name for name in names if name in table), None)
        if first is not None:
            table[label] = table.pop(first) if first in ("energies", "energy", "force", "forces") else table[first]
    return scalars, vectors


def _array(group: Any, name: str, path: Path) -> np.ndarray:
    return np.asarray(_bounded(group, name, path)[()], dtype=np.float64)


def _bounded(group: Any, name: str, path: Path) -> Any:
    """A data set; DataError if it needs far more memory than the file, which has no space for parts never written."""
    data = group[name]
    if data.size * max(data.dtype.itemsize, 8) > 200 * path.stat().st_size + 100_000_000:
        raise DataError(f"{path}: {group.name}/{name} of shape {data.shape} is far larger than the file")
    return data


def _numbers(species: np.ndarray, where: str) -> np.ndarray:
    species = np.asarray(species)
    if species.dtype.kind in "iu":
        return species.astype(int)
    try:
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in species.ravel().tolist()]
        return np.array([atomic_numbers[symbol_of(word)] for word in words]).reshape(species.shape)
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: {error}") from error


ANI = Format(
    name="ani-h5",
    title="ANI and torchani HDF5",
    endings=(".h5", ".hdf5"),
    read=_read,
    recognise=lambda path, head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    units={"energy": "Hartree", "length": "Å"},
    packed=False,
    compared="torchani",
)
