"""Data that all kernels of one evaluation use: the graph, and runs of atoms that use the same weights."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from atomgraph.compiled.function_pointers import integers
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.old_names import OldAttribute, old_names_of

MAX_CACHED_TABLES = 256  # maximum number of cached tables of addresses; each set of elements has one table


class AtomRuns:
    """Runs of consecutive atoms with the same weights.

    Args:
        kinds: For each run, the row of the element of its atoms in the model's table, or 0 if all elements have the same
            weights.
        counts: Number of atoms of each run.

    Attributes:
        first_atoms: Address of an int64 array, (n_runs + 1,): the first atom of each run, then the number of atoms.
        n_atoms: Number of atoms of all runs.
    """

    def __init__(self, kinds: Sequence[int], counts: Sequence[int]):
        self.kinds = tuple(kinds)
        self._first_atoms_array = integers(list(accumulate(counts, initial=0)))
        self.first_atoms = ctypes.addressof(self._first_atoms_array)
        self.n_atoms = sum(counts)

    first = OldAttribute("first_atoms")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Data of one evaluation.

    Attributes:
        kernel_graph: Atoms and edges.
        all_atoms: One run of all atoms, for weights that are the same for all elements.
        by_element: One run for each element that occurs, in the order of ``kernel_graph.element_rows``.
        dtype: Dtype of the kernels.
    """

    kernel_graph: KernelGraph
    all_atoms: AtomRuns
    by_element: AtomRuns
    dtype: torch.dtype

    @classmethod
    def from_kernel_graph(cls, kernel_graph: KernelGraph, dtype: torch.dtype) -> Evaluation:
        """Return the data of the evaluation of a graph."""
        return cls(
            kernel_graph,
            AtomRuns([0], [kernel_graph.n_atoms]),
            AtomRuns(kernel_graph.element_rows, kernel_graph.counts),
            dtype,
        )


__getattr__ = old_names_of(__name__)
