"""What may become a graph: structures with finite numbers, real cells, and atoms that do not sit on one another."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.errors import GraphError

CLOSEST = 1e-3  # Å; nearer than this two atoms are on one spot
_FARTHEST = (
    1e7  # periods; to wrap an atom back from further away takes forever, and leaves too few digits of a distance
)
_LONGEST = 1e10  # Å; beyond, positions in the cell have too few digits
FLATTEST = 1e-8  # volume of a cell over the product of its edges; below, it has none


def positions_of(atoms: ase.Atoms) -> np.ndarray:
    """Positions, (n_atoms, 3), Å, as float64 in this machine's byte order, whatever numbers the structure holds.

    Raises:
        GraphError: For positions that are no real numbers.
    """
    positions = atoms.arrays["positions"]
    if positions.dtype == np.float64 and positions.dtype.isnative and positions.flags.c_contiguous:
        return positions
    if not (np.issubdtype(positions.dtype, np.number) and np.isrealobj(positions)):
        raise GraphError(f"positions should be real numbers, but are {positions.dtype}")
    return np.ascontiguousarray(positions, dtype=np.float64)


def check_structure(atoms: ase.Atoms, cutoff: float) -> None:
    """GraphError unless the structure has atoms, finite numbers, and a periodic cell that the cutoff can be seen in."""
    if not (cutoff > 0 and np.isfinite(cutoff)):
        raise GraphError(f"cutoff must be positive, in Å, but is {cutoff}")
    if len(atoms) == 0:
        raise GraphError("the structure has no atoms")
    positions = positions_of(atoms)
    if not np.isfinite(positions).all():
        strange = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        raise GraphError(
            f"positions hold NaN or infinite numbers, first at {_name(atoms, strange[0])} "
            f"({len(strange)} of {len(atoms)} atoms); remove or mend the structure"
        )
    if not np.isfinite(atoms.cell.array).all():
        raise GraphError(f"the cell holds NaN or infinite numbers: {atoms.cell.array.tolist()}")
    if atoms.pbc.any():
        _check_periods(atoms, cutoff)


def check_contacts(
    atoms: ase.Atoms, centre: np.ndarray, neighbour: np.ndarray, shift: np.ndarray, length: np.ndarray
) -> None:
    """GraphError that names both atoms if two of them, images included, are nearer than 0.001 Å."""
    if len(length) == 0 or length.min() >= CLOSEST:
        return
    closest = int(length.argmin())
    image = " (a periodic image)" if shift[closest].any() else ""
    raise GraphError(
        f"{_name(atoms, centre[closest])} and {_name(atoms, neighbour[closest])}{image} are on one spot, "
        f"{length[closest]:.1e} Å apart; remove one of them, or the structure"
    )


def _check_periods(atoms: ase.Atoms, cutoff: float) -> None:
    periods = atoms.cell.array[atoms.pbc]
    lengths = np.linalg.norm(periods, axis=1)
    if lengths.min() < CLOSEST:
        direction = "abc"[np.flatnonzero(atoms.pbc)[lengths.argmin()]]
        raise GraphError(
            f"the structure is periodic along {direction}, but that cell vector has no length; "
            f"give the vector, or set pbc to False there"
        )
    if lengths.max() > _LONGEST:
        raise GraphError(f"a cell vector is {lengths.max():.0e} Å long; is the cell in Å? It is {periods.tolist()}")
    reach = np.abs(positions_of(atoms)).max()
    if reach > _FARTHEST * lengths.min():
        raise GraphError(
            f"positions reach {reach:.0e} Å, with a period of {lengths.min():.3g} Å; are they in Å? "
            f"Wrap the atoms into the cell, or remove the structure"
        )
    measure = np.sqrt(max(np.linalg.det(periods @ periods.T), 0.0))  # length, area or volume
    if measure < FLATTEST * lengths.prod():
        raise GraphError(f"the periodic cell has zero volume, its vectors are parallel: {periods.tolist()}")


def _name(atoms: ase.Atoms, row: int) -> str:
    return f"atom {row} ({atoms.symbols[row]})"
