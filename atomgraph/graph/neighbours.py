"""Who is near whom: the one door to neighbour lists. Another list stands in by having the same signature."""

from __future__ import annotations

from typing import Protocol

import ase
import numpy as np
from matscipy.neighbours import neighbour_list

from atomgraph.errors import GraphError


class NeighbourList(Protocol):
    """What every neighbour list is: a full directed list, each pair in both directions, sorted by centre.

    Returns ``centre`` (n_edges,), ``neighbour`` (n_edges,) and ``shift`` (n_edges, 3), all int64, with the neighbour's image
    at ``positions[neighbour] + shift @ cell``. Pairs at a distance below the cutoff are listed, an atom's own images too.
    """

    def __call__(self, atoms: ase.Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


def matscipy_neighbours(atoms: ase.Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """matscipy's cell list behind the door."""
    if not cutoff > 0:
        raise GraphError(f"cutoff must be positive, in Å, but is {cutoff}")
    if len(atoms) == 0:
        raise GraphError("the structure has no atoms")
    cell = atoms.cell.complete().array
    centre, neighbour, shift = neighbour_list("ijS", positions=atoms.positions, cell=cell, pbc=atoms.pbc, cutoff=cutoff)
    order = np.argsort(centre, kind="stable")
    return centre[order].astype(np.int64), neighbour[order].astype(np.int64), shift[order].astype(np.int64)
