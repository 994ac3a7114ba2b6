"""Checks of structures before a graph is made: finite numbers, valid cells, atoms at different positions."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays, as_arrays
from atomgraph.old_names import old_names_of

MIN_DISTANCE = 1e-3  # Å; atoms at a smaller distance are treated as atoms at the same position
# largest coordinate in cell lengths; farther atoms are slow to wrap and leave too few digits of distances
_MAX_PERIODS = 1e7
_MAX_CELL_LENGTH = 1e10  # Å; in longer cells, positions have too few digits
MIN_RELATIVE_VOLUME = 1e-8  # volume over the product of the cell lengths; a flatter cell has no volume


def check_structure(structure: ase.Atoms | StructureArrays, cutoff: float) -> None:
    """Check cutoff, number of atoms, positions and periodic cell.

    Args:
        structure: The structure, positions and cell in Å.
        cutoff: Cutoff radius, Å.

    Raises:
        GraphError: If the cutoff is not positive, the structure has no atoms, numbers are not finite, or the periodic cell
            has no volume.
    """
    structure = as_arrays(structure)
    if not (cutoff > 0 and np.isfinite(cutoff)):
        raise GraphError(f"cutoff must be positive, in Å, but is {cutoff}")
    if len(structure) == 0:
        raise GraphError("the structure has no atoms")
    positions = structure.positions
    if not np.isfinite(positions).all():
        bad_atoms = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        raise GraphError(
            f"positions hold NaN or infinite numbers, first at {structure.atom_name(bad_atoms[0])} "
            f"({len(bad_atoms)} of {len(structure)} atoms); remove or repair the structure"
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
    """Check that no two atoms, images included, are nearer than 0.001 Å.

    Args:
        structure: The structure, positions and cell in Å.
        centre: Row of the centre of each edge, (n_edges,).
        neighbour: Row of the neighbour of each edge, (n_edges,).
        shift: Cell shift of the neighbour's image, (n_edges, 3).
        length: Distances, (n_edges,), Å.

    Raises:
        GraphError: If two atoms are too near; the message contains both atoms.
    """
    structure = as_arrays(structure)
    if len(length) == 0 or length.min() >= MIN_DISTANCE:
        return
    closest = int(length.argmin())
    image = " (a periodic image)" if shift[closest].any() else ""
    first_atom, second_atom = structure.atom_name(centre[closest]), structure.atom_name(neighbour[closest])
    raise GraphError(
        f"{first_atom} and {second_atom}{image} are at the same position, "
        f"{length[closest]:.1e} Å apart; remove one of them, or the structure"
    )


def _check_periods(structure: StructureArrays, cutoff: float) -> None:
    periods = structure.cell[structure.pbc]
    lengths = np.linalg.norm(periods, axis=1)
    if lengths.min() < MIN_DISTANCE:
        direction = "abc"[np.flatnonzero(structure.pbc)[lengths.argmin()]]
        raise GraphError(
            f"the structure is periodic along {direction}, but the cell vector {direction} has zero length; "
            f"set the cell vector, or set pbc to False along {direction}"
        )
    if lengths.max() > _MAX_CELL_LENGTH:
        raise GraphError(
            f"a cell vector is {lengths.max():.0e} Å long; is the cell in Å? The cell is {periods.tolist()}"
        )
    largest = np.abs(structure.positions).max()
    if largest > _MAX_PERIODS * lengths.min():
        raise GraphError(
            f"positions reach {largest:.0e} Å, but the shortest cell vector has {lengths.min():.3g} Å; are the positions in Å? "
            f"Wrap the atoms into the cell, or remove the structure"
        )
    size = np.sqrt(max(np.linalg.det(periods @ periods.T), 0.0))  # length, area or volume
    if size < MIN_RELATIVE_VOLUME * lengths.prod():
        raise GraphError(
            f"the periodic cell has zero volume, because its vectors are parallel or in one plane: {periods.tolist()}"
        )


__getattr__ = old_names_of(__name__)
