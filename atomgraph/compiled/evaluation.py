"""The data that all kernels of one evaluation share: the graph, and runs of atoms that use the same weights."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from atomgraph.compiled.function_pointers import integers
from atomgraph.compiled.kernel_graph import KernelGraph

MOST_KINDS = 256  # tables of addresses that are cached, one for each set of elements


class Runs:
    """Consecutive atoms of one kind.

    Args:
        kinds: The kind of each run.
        counts: The number of atoms of each run.
    """

    def __init__(self, kinds: Sequence[int], counts: Sequence[int]):
        self.kinds = tuple(kinds)
        self._first = integers(list(accumulate(counts, initial=0)))
        self.first = ctypes.addressof(self._first)  # address of (n_runs + 1,): the first atom of each run
        self.n_atoms = sum(counts)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Data of one evaluation.

    Attributes:
        kernel_graph: Atoms and edges.
        alike: One run of all atoms.
        by_element: One run for each element.
        dtype: Of the kernels.
    """

    kernel_graph: KernelGraph
    alike: Runs
    by_element: Runs
    dtype: torch.dtype

    @classmethod
    def of(cls, kernel_graph: KernelGraph, dtype: torch.dtype) -> Evaluation:
        """The evaluation of a graph."""
        return cls(
            kernel_graph, Runs([0], [kernel_graph.n_atoms]), Runs(kernel_graph.present, kernel_graph.counts), dtype
        )
