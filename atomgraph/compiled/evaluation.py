"""What one evaluation tells all kernels: the frame, and runs of atoms that are treated alike."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from atomgraph.compiled.function_pointers import integers
from atomgraph.compiled.kernel_graph import KernelGraph

MOST_KINDS = 256  # sets of elements whose tables of addresses are kept, the last that were met


class Runs:
    """Atoms of one kind side by side.

    Args:
        kinds: Which kind each run is of.
        counts: How many atoms it has.
    """

    def __init__(self, kinds: Sequence[int], counts: Sequence[int]):
        self.kinds = tuple(kinds)
        self._first = integers(list(accumulate(counts, initial=0)))
        self.first = ctypes.addressof(self._first)  # (n_runs + 1,): where each run begins
        self.n_atoms = sum(counts)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """frame: the atoms and edges.

    Args:
        alike: All atoms in one run.
        by_element: A run for each element.
        dtype: Of the kernels.
    """

    frame: KernelGraph
    alike: Runs
    by_element: Runs
    dtype: torch.dtype

    @classmethod
    def of(cls, frame: KernelGraph, dtype: torch.dtype) -> Evaluation:
        """Of a frame."""
        return cls(frame, Runs([0], [frame.n_atoms]), Runs(frame.present, frame.counts), dtype)
