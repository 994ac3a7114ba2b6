"""Neighbour lists: the default list, matscipy's list, and the protocol of other lists."""

from __future__ import annotations

from typing import Protocol

import ase
import numpy as np
import torch
from matscipy.neighbours import neighbour_list

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays, as_arrays
from atomgraph.graph.checks import check_contacts, check_structure
from atomgraph.graph.crowding import check_crowding
from atomgraph.kernels import neighbour_kernel as kernel

# largest number of bins of matscipy's cell list: a constant, plus a number per atom; empty bins also take memory and time
_MAX_BINS, _MAX_BINS_PER_ATOM = 10_000, 4


class NeighbourList(Protocol):
    """A full directed neighbour list, each pair in both directions, sorted by centre.

    Returns:
        ``centre`` (n_edges,), ``neighbour`` (n_edges,) int64 and ``shift`` (n_edges, 3) int32, with the neighbour's
        image at ``positions[neighbour] + shift @ cell``. The list contains all pairs at a distance below the cutoff,
        also pairs of an atom and its own images. The shift is 0 along directions that are not periodic.

    Raises:
        GraphError: If the structure is not valid (``graph/checks.py``).
    """

    def __call__(self, atoms: ase.Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


def neighbours_within(
    structure: ase.Atoms | StructureArrays, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the neighbours within the cutoff, from the compiled kernel or, without a kernel, from matscipy.

    Args:
        structure: The structure, positions and cell in Å.
        cutoff: Cutoff radius, Å.

    Returns:
        Centre (n_edges,), neighbour (n_edges,), shift (n_edges, 3), as in ``NeighbourList``.

    Raises:
        GraphError: If the structure is not valid.
    """
    (neighbour, centre), shift = _edges(as_arrays(structure), cutoff, 1)
    return centre, neighbour, shift


def edges_within(structure: ase.Atoms | StructureArrays, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours within the cutoff in the form of ``AtomicGraph``.

    Args:
        structure: The structure, positions and cell in Å.
        cutoff: Cutoff radius, Å.

    Returns:
        ``edge_index`` (2, n_edges) and ``cell_shift`` (n_edges, 3), which is minus the shift of ``neighbours_within``.

    Raises:
        GraphError: If the structure is not valid.
    """
    return _edges(as_arrays(structure), cutoff, -1)


def _edges(structure: StructureArrays, cutoff: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``edge_index`` (2, n_edges) and cell shifts (n_edges, 3); sign 1: shifts of neighbours, −1: ``cell_shift``."""
    check_crowding(structure, float(cutoff))
    if not kernel.is_available():
        centre, neighbour, shift = matscipy_neighbours(structure, cutoff)
        return np.stack([neighbour, centre]), sign * shift
    cutoff = float(cutoff)
    try:
        pairs = _from_kernel(structure, cutoff, sign) if 0.0 < cutoff < np.inf else None
        if pairs is None:
            check_structure(structure, cutoff)
            pairs = _from_kernel(structure, cutoff, sign, checked=True)
    except MemoryError as error:
        raise GraphError(f"{error}; are positions and cell in Å?") from error
    if pairs is None:
        raise GraphError(
            f"positions are too far from the cell to be wrapped into it: {np.abs(structure.positions).max():.0e} Å"
        )
    if pairs.close:
        neighbour, centre = pairs.edge_index
        shift = sign * pairs.shift
        length = np.linalg.norm(vectors_to_neighbours(structure, centre, neighbour, shift), axis=1)
        check_contacts(structure, centre, neighbour, shift, length)
    return pairs.edge_index, pairs.shift


def _from_kernel(structure: StructureArrays, cutoff: float, sign: int, *, checked: bool = False) -> kernel.Pairs | None:
    """Return the pairs of the compiled kernel; None if the structure is not valid, or must be checked first.

    Args:
        structure: The structure.
        cutoff: Cutoff radius, Å.
        sign: Sign of the shifts, as in ``_edges``.
        checked: True if ``check_structure`` has accepted the structure.
    """
    return kernel.find_pairs(
        structure.positions,
        structure.cell,
        structure.pbc,
        cutoff,
        sign=sign,
        checked=checked,
        n_threads=torch.get_num_threads(),
    )


def matscipy_neighbours(
    structure: ase.Atoms | StructureArrays, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the neighbour list of matscipy, in a box that is slightly larger than the structure.

    matscipy needs three cell vectors and divides the box into bins. Directions that are not periodic get a vector as long
    as the extent of the atoms. In a large, almost empty box the bins are made larger than the cutoff.

    Args:
        structure: The structure, positions and cell in Å.
        cutoff: Cutoff radius, Å.

    Returns:
        Centre (n_edges,), neighbour (n_edges,), shift (n_edges, 3), as in ``NeighbourList``.

    Raises:
        GraphError: If the structure is not valid.
    """
    structure = as_arrays(structure)
    check_structure(structure, cutoff)
    box, origin = _box(structure)
    smallest_bin_volume = abs(np.linalg.det(box)) / (_MAX_BINS + _MAX_BINS_PER_ATOM * len(structure))
    search_radius = max(float(cutoff), smallest_bin_volume ** (1.0 / 3.0))
    centre, neighbour, shift, length = neighbour_list(
        "ijSd", positions=structure.positions, cell=box, pbc=structure.pbc, cutoff=search_radius, cell_origin=origin
    )
    if search_radius > cutoff:
        inside = length < cutoff
        centre, neighbour, shift, length = centre[inside], neighbour[inside], shift[inside], length[inside]
    check_contacts(structure, centre, neighbour, shift, length)
    if (centre[1:] < centre[:-1]).any():
        order = np.argsort(centre, kind="stable")
        centre, neighbour, shift = centre[order], neighbour[order], shift[order]
    return centre.astype(np.int64), neighbour.astype(np.int64), shift.astype(np.int32)


def vectors_to_neighbours(
    structure: ase.Atoms | StructureArrays, centre: np.ndarray, neighbour: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """Return the vectors from each centre to its neighbour's image, (n_edges, 3), Å: minus ``geometry.edge_vectors``.

    Args:
        structure: The structure, positions and cell in Å.
        centre: Row of the centre of each edge, (n_edges,).
        neighbour: Row of the neighbour of each edge, (n_edges,).
        shift: Cell shift of the neighbour's image, (n_edges, 3).
    """
    structure = as_arrays(structure)
    positions = structure.positions
    return positions[neighbour] - positions[centre] + shift @ structure.cell


def _box(structure: StructureArrays) -> tuple[np.ndarray, np.ndarray]:
    """Return three cell vectors and an origin: periodic vectors, and perpendicular vectors that enclose the atoms."""
    box, origin = structure.cell.copy(), np.zeros(3)
    if structure.pbc.all():
        return box, origin
    normals = np.linalg.svd(box[structure.pbc])[2][structure.pbc.sum() :] if structure.pbc.any() else np.eye(3)
    height = structure.positions @ normals.T  # (n_atoms, n_open)
    lowest, highest = height.min(axis=0), height.max(axis=0)
    margin = 1e-6 * (1.0 + np.abs(height).max())  # keeps atoms off the faces of the box
    box[~structure.pbc] = (highest - lowest + 1.0 + 2.0 * margin)[:, None] * normals
    return box, (lowest - margin) @ normals
