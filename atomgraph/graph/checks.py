"""Checks of structures before a graph is made: finite numbers, valid cells, atoms at different positions."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays, as_arrays

CLOSEST = 1e-3  # Å; nearer than this two atoms are on one spot
_FARTHEST = (
    1e7  # periods; to wrap an atom back from further away takes forever, and leaves too few digits of a distance
)
_LONGEST = 1e10  # Å; beyond, positions in the cell have too few digits
FLATTEST = 1e-8  # volume of a cell over the product of its edges; below, it has none


def check_structure(structure: ase.Atoms | StructureArrays, cutoff: float) -> None:
    """GraphError unless the structure has atoms, finite numbers, and a periodic cell that the cutoff can be seen in."""
    structure = as_arrays(structure)
    if not (cutoff > 0 and np.isfinite(cutoff)):
        raise GraphError(f"cutoff must be positive, in Å, but is {cutoff}")
    if len(structure) == 0:
        raise GraphError("the structure has no atoms")
    positions = structure.positions
    if not np.isfinite(positions).all():
        strange = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        raise GraphError(
            f"positions hold NaN or infinite numbers, first at {structure.name(strange[0])} "
            f"({len(strange)} of {len(structure)} atoms); remove or mend the structure"
        )
    if not np.isfinite(structure.cell).all():
        raise GraphError(f"the cell holds NaN or infinite numbers: {structure.cell.tolist()}")
    if structure.pbc.any():
        _check_periods(structure, cutoff)


def check_contacts(
    structure: ase.Atoms | StructureArrays,
    centre: np.ndarray,
    neighbour: np.ndarray,
    shift: np.ndarray,
    length: np.ndarray,
) -> None:
    """GraphError that names both atoms if two of them, images included, are nearer than 0.001 Å."""
    structure = as_arrays(structure)
    if len(length) == 0 or length.min() >= CLOSEST:
        return
    closest = int(length.argmin())
    image = " (a periodic image)" if shift[closest].any() else ""
    raise GraphError(
        f"{structure.name(centre[closest])} and {structure.name(neighbour[closest])}{image} are on one spot, "
        f"{length[closest]:.1e} Å apart; remove one of them, or the structure"
    )


def _check_periods(structure: StructureArrays, cutoff: float) -> None:
    periods = structure.cell[structure.pbc]
    lengths = np.linalg.norm(periods, axis=1)
    if lengths.min() < CLOSEST:
        direction = "abc"[np.flatnonzero(structure.pbc)[lengths.argmin()]]
        raise GraphError(
            f"the structure is periodic along {direction}, but that cell vector has no length; "
            f"give the vector, or set pbc to False there"
        )
    if lengths.max() > _LONGEST:
        raise GraphError(f"a cell vector is {lengths.max():.0e} Å long; is the cell in Å? It is {periods.tolist()}")
    reach = np.abs(structure.positions).max()
    if reach > _FARTHEST * lengths.min():
        raise GraphError(
            f"positions reach {reach:.0e} Å, with a period of {lengths.min():.3g} Å; are they in Å? "
            f"Wrap the atoms into the cell, or remove the structure"
        )
    measure = np.sqrt(max(np.linalg.det(periods @ periods.T), 0.0))  # length, area or volume
    if measure < FLATTEST * lengths.prod():
        raise GraphError(f"the periodic cell has zero volume, its vectors are parallel: {periods.tolist()}")
