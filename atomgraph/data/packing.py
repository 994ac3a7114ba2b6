"""Packing of structures into buckets with a limited number of edges and atoms; a bucket becomes a batch."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

import numpy as np

from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments

MEAN_FILLING = 0.9  # used fraction of all buckets; the unused part allows different packings in every epoch


@dataclass(frozen=True)
class StructureSizes:
    """Edges and atoms of each structure, and of a full bucket.

    Attributes:
        n_edges: Edges of each structure, (n_structures,).
        n_atoms: Atoms of each structure, (n_structures,).
        edge_budget: Largest number of edges in a bucket.
        atom_budget: Largest number of atoms in a bucket.
    """

    n_edges: np.ndarray
    n_atoms: np.ndarray
    edge_budget: int
    atom_budget: int

    @property
    def oversized(self) -> np.ndarray:
        """Whether each structure is larger than a bucket, (n_structures,) bool."""
        return (self.n_edges > self.edge_budget) | (self.n_atoms > self.atom_budget)

    giants = OldAttribute("oversized")


def count_buckets(sizes: StructureSizes) -> int:
    """Return a number of buckets that is sufficient in every epoch.

    It is the larger of two numbers: buckets of the best-fit packing, and buckets that are filled to 90 % on average.
    """
    fits = ~sizes.oversized  # (n_structures,)
    n_filled = max(
        sizes.n_edges[fits].sum() / (MEAN_FILLING * sizes.edge_budget),
        sizes.n_atoms[fits].sum() / (MEAN_FILLING * sizes.atom_budget),
    )
    n_expected = int(np.ceil(n_filled)) + int(sizes.oversized.sum())
    return max(len(pack_best_fit(_largest_first(np.arange(len(fits)), sizes), sizes)), min(n_expected, len(fits)))


@with_old_arguments
def pack_structures(order: np.ndarray, sizes: StructureSizes, n_buckets: int) -> list[list[int]]:
    """Pack structures into exactly ``n_buckets`` buckets, as evenly as possible.

    The first successful method is used: even packing in the given order; even packing with larger structures first, sorted
    into 4 or 16 classes of size; best fit in the given order; best fit with the largest first, which always succeeds. If
    there are too few buckets, the largest are halved.

    Args:
        order: Indices of the structures, (n_structures,).
        sizes: Sizes of structures and buckets.
        n_buckets: Result of ``count_buckets``.

    Returns:
        Indices of the structures in each bucket.
    """
    for n_classes in (1, 4, 16):
        buckets = pack_evenly(_large_classes_first(order, sizes, n_classes), sizes, n_buckets)
        if buckets is not None:
            return buckets
    buckets = pack_best_fit(order, sizes)
    if len(buckets) > n_buckets:
        buckets = pack_best_fit(_largest_first(order, sizes), sizes)
    return _halve_largest(buckets, n_buckets)


def pack_best_fit(order: np.ndarray, sizes: StructureSizes) -> list[list[int]]:
    """Pack structures by best fit: each into the fullest bucket with enough capacity, or else into an empty bucket.

    A structure larger than a bucket gets its own bucket.

    Args:
        order: Indices of the structures, (n_structures,).
        sizes: Sizes of structures and buckets.

    Returns:
        Indices of the structures in each bucket.

    Source: Johnson et al., SIAM J. Comput. 3, 299 (1974).
    """
    buckets: list[list[int]] = []
    atoms_left: list[int] = []
    open_buckets: list[tuple[int, int]] = []  # (edges left, bucket), sorted
    for index in order.tolist():
        edges, atoms = int(sizes.n_edges[index]), int(sizes.n_atoms[index])
        position = bisect_left(open_buckets, (edges, -1))  # first bucket with enough edges left
        while position < len(open_buckets) and atoms_left[open_buckets[position][1]] < atoms:
            position += 1
        if position < len(open_buckets):
            edges_left, bucket = open_buckets.pop(position)
        else:
            edges_left, bucket = sizes.edge_budget, len(buckets)
            buckets.append([])
            atoms_left.append(sizes.atom_budget)
        buckets[bucket].append(index)
        atoms_left[bucket] -= atoms
        if edges_left >= edges and atoms_left[bucket] > 0:
            insort(open_buckets, (edges_left - edges, bucket))
    return buckets


def pack_evenly(order: np.ndarray, sizes: StructureSizes, n_buckets: int) -> list[list[int]] | None:
    """Pack structures evenly: each into the emptiest of ``n_buckets`` buckets.

    A structure larger than a bucket gets its own bucket.

    Args:
        order: Indices of the structures, (n_structures,).
        sizes: Sizes of structures and buckets.
        n_buckets: Number of buckets.

    Returns:
        Indices of the structures in each bucket; None if a bucket would be overfilled.
    """
    is_oversized = sizes.oversized
    buckets = [[index] for index in order.tolist() if is_oversized[index]]
    fitting = [index for index in order.tolist() if not is_oversized[index]]
    n_shared = n_buckets - len(buckets)
    if n_shared < 1:
        return buckets if n_shared == 0 and not fitting else None
    shared_buckets: list[list[int]] = [[] for _ in range(n_shared)]
    # (filling × edge_budget × atom_budget, bucket, edges, atoms)
    heap = [(0, bucket, 0, 0) for bucket in range(n_shared)]
    for index in fitting:
        _, bucket, edges, atoms = heappop(heap)
        edges, atoms = edges + int(sizes.n_edges[index]), atoms + int(sizes.n_atoms[index])
        if edges > sizes.edge_budget or atoms > sizes.atom_budget:
            return None
        shared_buckets[bucket].append(index)
        heappush(heap, (max(edges * sizes.atom_budget, atoms * sizes.edge_budget), bucket, edges, atoms))
    return buckets + shared_buckets if all(shared_buckets) else None


def pack_in_order(sizes: StructureSizes) -> list[list[int]]:
    """Pack structures in their order; a structure that does not fit starts the next bucket."""
    buckets: list[list[int]] = []
    edges_left = atoms_left = -1  # of the last bucket
    for index in range(len(sizes.n_edges)):
        edges_left, atoms_left = edges_left - int(sizes.n_edges[index]), atoms_left - int(sizes.n_atoms[index])
        if not buckets or edges_left < 0 or atoms_left < 0:
            buckets.append([])
            edges_left = sizes.edge_budget - int(sizes.n_edges[index])
            atoms_left = sizes.atom_budget - int(sizes.n_atoms[index])
        buckets[-1].append(index)
    return buckets


def _largest_first(order: np.ndarray, sizes: StructureSizes) -> np.ndarray:
    """Return the indices sorted by size, largest first; equal sizes keep their order."""
    return order[np.lexsort((-sizes.n_atoms[order], -sizes.n_edges[order]))]


def _large_classes_first(order: np.ndarray, sizes: StructureSizes, n_classes: int) -> np.ndarray:
    """Return the indices sorted into classes of size, largest class first; within a class they keep their order."""
    filling = np.maximum(sizes.n_edges / sizes.edge_budget, sizes.n_atoms / sizes.atom_budget)
    size_class = np.floor(n_classes * np.minimum(filling, 1 - 1e-9)).astype(int)
    return order[np.argsort(-size_class[order], kind="stable")]


def _halve_largest(buckets: list[list[int]], n_buckets: int) -> list[list[int]]:
    """Halve the buckets with most structures until there are ``n_buckets``."""
    heap = [(-len(bucket), number, bucket) for number, bucket in enumerate(buckets)]
    heapify(heap)
    for number in range(len(buckets), n_buckets):
        _, largest, bucket = heap[0]  # number of the largest bucket
        half_size = len(bucket) // 2
        heapreplace(heap, (half_size - len(bucket), largest, bucket[half_size:]))
        heappush(heap, (-half_size, number, bucket[:half_size]))
    return [bucket for _, _, bucket in sorted(heap, key=lambda entry: entry[1])]


__getattr__ = old_names_of(__name__)
