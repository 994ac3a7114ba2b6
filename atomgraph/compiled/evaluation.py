"""Data that all kernels of one evaluation use: the graph, and ranges of consecutive atoms with the same weights."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.kernels.function_pointers import integers
from atomgraph.old_names import OldAttribute, old_names_of

# Kernels of linear maps and of products read weights from a table of addresses, one table for each set of elements. Each part
# caches the tables that it used last, at most this number.
MAX_CACHED_TABLES = 256


class AtomRuns:
    """Runs: ranges of consecutive atoms with the same weights. Atoms are sorted by element.

    Args:
        kinds: Row of the weights of each run. It is the row of the run's element in the model's list of elements, or 0 if all
            elements share the weights.
        counts: Number of atoms of each run.

    Attributes:
        first_atoms: Address of an int64 array, (n_runs + 1,): index of the first atom of each run, then ``n_atoms``.
        n_atoms: Number of atoms of all runs together.
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
        all_atoms: A single run of all atoms, for weights that all elements share.
        by_element: One run for each element of the structure, in the order of ``kernel_graph.element_rows``.
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
