"""Packing: structures of known size into buckets of known room."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np


def pack(
    order: np.ndarray,
    n_edges: np.ndarray,
    n_atoms: np.ndarray,
    edge_budget: int,
    atom_budget: int,
    n_open: int | None = None,
) -> list[list[int]]:
    """Structures, in the order given, into buckets of limited edges and atoms: each into the fullest that has room.

    order: indices of structures.  n_edges, n_atoms: (n_structures,) sizes.  n_open: how many buckets stay open at a time
    (1: runs of the order, as for prediction), all if None.  A structure above the budget gets a bucket of its own.
    Returns lists of indices; every index of ``order`` is in one of them.
    Source: best fit, Johnson et al., SIAM J. Comput. 3, 299 (1974).
    """
    buckets: list[list[int]] = []
    room_for_atoms: list[int] = []
    open_buckets: list[tuple[int, int]] = []  # (room for edges, number of the bucket), sorted
    for index in order.tolist():
        edges, atoms = int(n_edges[index]), int(n_atoms[index])
        place = bisect_left(open_buckets, (edges, -1))
        while place < len(open_buckets) and room_for_atoms[open_buckets[place][1]] < atoms:
            place += 1
        if place < len(open_buckets):
            room, number = open_buckets.pop(place)
        else:
            room, number = edge_budget, len(buckets)
            buckets.append([])
            room_for_atoms.append(atom_budget)
            if n_open is not None and len(open_buckets) >= n_open:
                open_buckets.pop(0)
        buckets[number].append(index)
        room_for_atoms[number] -= atoms
        if room - edges >= 0 and room_for_atoms[number] > 0:
            insort(open_buckets, (room - edges, number))
    return buckets
