"""Neighbour lists. Another list can be used if it has the same signature."""

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

_BINS, _BINS_PER_ATOM = 10_000, 4  # at most, in matscipy's cell list: empty bins, too, take memory and time


class NeighbourList(Protocol):
    """A full directed neighbour list, each pair in both directions, sorted by centre.

    Returns:
        ``centre`` (n_edges,), ``neighbour`` (n_edges,) int64 and ``shift`` (n_edges, 3) int32, with the neighbour's
        image at ``positions[neighbour] + shift @ cell``. Pairs at a distance below the cutoff are listed, an atom's
        own images too. The shift is 0 along open directions, whose cell vectors may be anything.

    Raises:
        GraphError: For structures that can be no graph (``graph/checks.py``).
    """

    def __call__(self, atoms: ase.Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


def neighbours_within(
    structure: ase.Atoms | StructureArrays, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The default neighbour list: of the compiled kernel, or of matscipy where there is no kernel."""
    (neighbour, centre), shift = _edges(as_arrays(structure), cutoff, 1)
    return centre, neighbour, shift


def edges_within(structure: ase.Atoms | StructureArrays, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """The same list in the form of a graph: ``edge_index`` (2, n_edges), ``cell_shift`` (n_edges, 3) of opposite sign."""
    return _edges(as_arrays(structure), cutoff, -1)


def _edges(structure: StructureArrays, cutoff: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
    check_crowding(structure, float(cutoff))
    if not kernel.available():
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
            f"positions are too far from the cell to be brought into it: {np.abs(structure.positions).max():.0e} Å"
        )
    if pairs.close:
        neighbour, centre = pairs.edge_index
        shift = sign * pairs.shift
        length = np.linalg.norm(vectors_to_neighbours(structure, centre, neighbour, shift), axis=1)
        check_contacts(structure, centre, neighbour, shift, length)
    return pairs.edge_index, pairs.shift


def _from_kernel(structure: StructureArrays, cutoff: float, sign: int, *, checked: bool = False) -> kernel.Pairs | None:
    return kernel.pairs(
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
    """matscipy's cell list, in a box that is little larger than the structure.

    matscipy needs three cell vectors, and a bin for every piece of the box: open directions get a vector that is as long as
    the atoms reach, and in a large and empty box the bins are made larger than the cutoff.
    """
    structure = as_arrays(structure)
    check_structure(structure, cutoff)
    box, origin = _box(structure)
    smallest_bin = abs(np.linalg.det(box)) / (_BINS + _BINS_PER_ATOM * len(structure))
    reach = max(float(cutoff), smallest_bin ** (1.0 / 3.0))
    centre, neighbour, shift, length = neighbour_list(
        "ijSd", positions=structure.positions, cell=box, pbc=structure.pbc, cutoff=reach, cell_origin=origin
    )
    if reach > cutoff:
        near = length < cutoff
        centre, neighbour, shift, length = centre[near], neighbour[near], shift[near], length[near]
    check_contacts(structure, centre, neighbour, shift, length)
    if (centre[1:] < centre[:-1]).any():
        order = np.argsort(centre, kind="stable")
        centre, neighbour, shift = centre[order], neighbour[order], shift[order]
    return centre.astype(np.int64), neighbour.astype(np.int64), shift.astype(np.int32)


def vectors_to_neighbours(
    structure: ase.Atoms | StructureArrays, centre: np.ndarray, neighbour: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """(n_edges, 3) in Å, from each centre to its neighbour's image; the opposite of ``geometry.edge_vectors``."""
    structure = as_arrays(structure)
    positions = structure.positions
    return positions[neighbour] - positions[centre] + shift @ structure.cell


def _box(structure: StructureArrays) -> tuple[np.ndarray, np.ndarray]:
    """Three cell vectors and an origin: the periodic vectors, and across them vectors as long as the atoms reach."""
    box, origin = structure.cell.copy(), np.zeros(3)
    if structure.pbc.all():
        return box, origin
    across = np.linalg.svd(box[structure.pbc])[2][structure.pbc.sum() :] if structure.pbc.any() else np.eye(3)
    height = structure.positions @ across.T  # (n_atoms, n_open)
    lowest, highest = height.min(axis=0), height.max(axis=0)
    margin = 1e-6 * (1.0 + np.abs(height).max())  # no atom on the box's face
    box[~structure.pbc] = (highest - lowest + 1.0 + 2.0 * margin)[:, None] * across
    return box, (lowest - margin) @ across
