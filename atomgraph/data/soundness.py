"""What a structure must be before anything can be computed on it."""

from __future__ import annotations

import ase
import numpy as np
from scipy.spatial.distance import pdist

from atomgraph.errors import DataError, GraphError
from atomgraph.graph.neighbours import matscipy_neighbours

ONE_SPOT = 0.01  # Å: nearer than this is one spot
REACH = 1.0  # Å: neighbours are sought this far, since cells with far more bins than atoms are slow


def check_frame(atoms: ase.Atoms) -> None:
    """DataError for a structure that is empty, not finite, flat where it is periodic, or has two atoms on one spot."""
    if len(atoms) == 0:
        raise DataError("the structure has no atoms")
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        raise DataError(f"the position of atom {bad[0]} is NaN or infinite")
    if not np.isfinite(atoms.cell.array).all():
        raise DataError("the cell holds NaN or infinite numbers")
    if (atoms.numbers <= 0).any():
        raise DataError(f"atom {int(np.argmin(atoms.numbers))} has no element: its symbol is 'X'")
    check_cell(atoms)
    check_spots(atoms)


def check_cell(atoms: ase.Atoms) -> None:
    """DataError for periodic directions that span nothing."""
    vectors = atoms.cell.array[atoms.pbc]
    if not len(vectors):
        return
    lengths = np.linalg.norm(vectors, axis=1)
    if (lengths < 1e-8).any():
        raise DataError("the cell has a periodic direction of length zero; give a cell vector or set pbc to F there")
    span = np.sqrt(abs(np.linalg.det((vectors / lengths[:, None]) @ (vectors / lengths[:, None]).T)))
    if span < 1e-6:
        raise DataError("the periodic cell has no volume: its vectors are parallel or lie in one plane")


def check_spots(atoms: ase.Atoms) -> None:
    """DataError for two atoms nearer than 0.01 Å, periodic images included."""
    if not atoms.pbc.any() and len(atoms) < 200:
        if len(atoms) > 1 and pdist(atoms.positions).min() < ONE_SPOT:
            distances = atoms.get_all_distances() + 10 * ONE_SPOT * np.eye(len(atoms))
            first, second = np.unravel_index(distances.argmin(), distances.shape)
            raise DataError(_on_one_spot(int(first), int(second)))
        return
    try:
        centre, neighbour, shift = matscipy_neighbours(atoms, REACH)
    except GraphError as error:
        raise DataError(str(error)) from error
    vector = atoms.positions[neighbour] - atoms.positions[centre] + shift @ atoms.cell.array
    near = np.flatnonzero(np.linalg.norm(vector, axis=1) < ONE_SPOT)
    if len(near):
        raise DataError(_on_one_spot(int(centre[near[0]]), int(neighbour[near[0]])))


def _on_one_spot(first: int, second: int) -> str:
    return f"atoms {min(first, second)} and {max(first, second)} are on one spot (nearer than {ONE_SPOT} Å)"
