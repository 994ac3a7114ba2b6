"""Packing structures of known size into buckets of limited size."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

import numpy as np

FULL = 0.9  # mean share of the capacity of buckets in use, so that there are several choices


@dataclass(frozen=True)
class Sizes:
    """Edges and atoms of each structure, (n_structures,), and how many of them a bucket takes."""

    n_edges: np.ndarray
    n_atoms: np.ndarray
    edge_budget: int
    atom_budget: int

    @property
    def oversized(self) -> np.ndarray:
        """(n_structures,) bool: larger than a bucket."""
        return (self.n_edges > self.edge_budget) | (self.n_atoms > self.atom_budget)


def n_buckets(sizes: Sizes) -> int:
    """Buckets that are enough in every epoch: those of best fit, largest first, or as many as leave a tenth of them empty."""
    ordinary = ~sizes.oversized
    least = max(
        sizes.n_edges[ordinary].sum() / (FULL * sizes.edge_budget),
        sizes.n_atoms[ordinary].sum() / (FULL * sizes.atom_budget),
    )
    n_expected = int(np.ceil(least)) + int(sizes.oversized.sum())
    return max(len(fill(_largest_first(np.arange(len(ordinary)), sizes), sizes)), min(n_expected, len(ordinary)))


def assign(order: np.ndarray, sizes: Sizes, n_wanted: int) -> list[list[int]]:
    """Structures into ``n_wanted = n_buckets(sizes)`` buckets, as evenly as possible, and depending on the order of structures.

    Tried in turn: levelling in the order given; the same with large structures before small ones, ever more strictly; best
    fit in the order given; best fit with the largest first, which always succeeds. Buckets are halved where there are less.
    """
    for n_classes in (1, 4, 16):
        buckets = level(_by_class(order, sizes, n_classes), sizes, n_wanted)
        if buckets is not None:
            return buckets
    buckets = fill(order, sizes)
    if len(buckets) > n_wanted:
        buckets = fill(_largest_first(order, sizes), sizes)
    return _halved(buckets, n_wanted)


def fill(order: np.ndarray, sizes: Sizes) -> list[list[int]]:
    """Best fit: structures, in this order, each into the fullest bucket with enough capacity, or else into a new one.

    A structure larger than a bucket gets one of its own.

    Returns:
        Lists of indices; each index of ``order`` is in one.

    Source: Johnson et al., SIAM J. Comput. 3, 299 (1974).
    """
    buckets: list[list[int]] = []
    atoms_left: list[int] = []
    free: list[tuple[int, int]] = []  # (edges left, bucket), sorted
    for index in order.tolist():
        edges, atoms = int(sizes.n_edges[index]), int(sizes.n_atoms[index])
        place = bisect_left(free, (edges, -1))
        while place < len(free) and atoms_left[free[place][1]] < atoms:
            place += 1
        if place < len(free):
            edges_left, bucket = free.pop(place)
        else:
            edges_left, bucket = sizes.edge_budget, len(buckets)
            buckets.append([])
            atoms_left.append(sizes.atom_budget)
        buckets[bucket].append(index)
        atoms_left[bucket] -= atoms
        if edges_left >= edges and atoms_left[bucket] > 0:
            insort(free, (edges_left - edges, bucket))
    return buckets


def level(order: np.ndarray, sizes: Sizes, n_buckets: int) -> list[list[int]] | None:
    """Structures, in this order, each into the emptiest of ``n_buckets``, so that all end about equally full.

    None where that overfills a bucket. A structure larger than a bucket gets one of its own.
    """
    is_oversized = sizes.oversized
    buckets = [[index] for index in order.tolist() if is_oversized[index]]
    rest = [index for index in order.tolist() if not is_oversized[index]]
    n_left = n_buckets - len(buckets)
    if n_left < 1:
        return buckets if n_left == 0 and not rest else None
    levelled: list[list[int]] = [[] for _ in range(n_left)]
    heap = [(0, bucket, 0, 0) for bucket in range(n_left)]  # (fullness, bucket, edges, atoms)
    for index in rest:
        _, bucket, edges, atoms = heappop(heap)
        edges, atoms = edges + int(sizes.n_edges[index]), atoms + int(sizes.n_atoms[index])
        if edges > sizes.edge_budget or atoms > sizes.atom_budget:
            return None
        levelled[bucket].append(index)
        heappush(heap, (max(edges * sizes.atom_budget, atoms * sizes.edge_budget), bucket, edges, atoms))
    return buckets + levelled if all(levelled) else None


def runs(sizes: Sizes) -> list[list[int]]:
    """Structures in their own order, cut where the next one does not fit."""
    buckets: list[list[int]] = []
    edges_left = atoms_left = -1
    for index in range(len(sizes.n_edges)):
        edges_left, atoms_left = edges_left - int(sizes.n_edges[index]), atoms_left - int(sizes.n_atoms[index])
        if not buckets or edges_left < 0 or atoms_left < 0:
            buckets.append([])
            edges_left = sizes.edge_budget - int(sizes.n_edges[index])
            atoms_left = sizes.atom_budget - int(sizes.n_atoms[index])
        buckets[-1].append(index)
    return buckets


def _largest_first(order: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Equals stay in the order given, so the number of buckets that best fit needs depends on sizes alone."""
    return order[np.lexsort((-sizes.n_atoms[order], -sizes.n_edges[order]))]


def _by_class(order: np.ndarray, sizes: Sizes, n_classes: int) -> np.ndarray:
    """Classes of size from large to small, in the order given within each."""
    share = np.maximum(sizes.n_edges / sizes.edge_budget, sizes.n_atoms / sizes.atom_budget)
    kind = np.floor(n_classes * np.minimum(share, 1 - 1e-9)).astype(int)
    return order[np.argsort(-kind[order], kind="stable")]


def _halved(buckets: list[list[int]], n_wanted: int) -> list[list[int]]:
    """As many buckets as wanted, by halving those of most structures."""
    heap = [(-len(bucket), number, bucket) for number, bucket in enumerate(buckets)]
    heapify(heap)
    for number in range(len(buckets), n_wanted):
        _, place, bucket = heap[0]
        half = len(bucket) // 2
        heapreplace(heap, (half - len(bucket), place, bucket[half:]))
        heappush(heap, (-half, number, bucket[:half]))
    return [bucket for _, _, bucket in sorted(heap, key=lambda entry: entry[1])]
