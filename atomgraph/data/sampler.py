"""Sampler of batches with a limited number of edges; the batches are the same for any number of processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler

from atomgraph.data.packing import StructureSizes, count_buckets, pack_in_order, pack_structures
from atomgraph.data.shuffle import shuffled
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute


class EdgeBudgetSampler(Sampler[list[int]]):
    r"""Batches of at most ``edge_budget`` edges and ``atom_budget`` atoms, for all processes and accumulation steps.

    The batches of an epoch depend only on sizes, budgets, seed and epoch. Every process computes all batches and uses its
    share. An optimiser step (a *window*) has ``world_size × accumulate`` consecutive batches. In a window, micro-batch ``a`` of
    process ``r`` is batch number ``a × world_size + r``. Each structure occurs once per epoch.

    The last window is completed with padding structures, so that all processes make the same number of steps and Lightning
    never makes a step with an incomplete window. A padding structure is the smallest structure, with weight zero and no
    labels. Its index is yielded as ``~index`` (a negative number), which ``GraphDataset`` understands. Padding structures
    do not contribute to gradients and counts.

    The numbers by which a loss is divided need no communication: ``window(step)`` gives the structures of one optimiser step
    over all processes and micro-batches, ``counts(step)`` their label counts. ``GraphLoader`` stores these counts in each
    batch as ``batch.window_counts``. If the loss of each process is sum / counts, gradients must be *summed* over processes
    and micro-batches. DDP and Lightning's accumulation average gradients; the loss must then be multiplied by
    ``window_size``, which is ``world_size × accumulate``.

    The number of batches is the same in every epoch, so that learning-rate schedules have a fixed length. Structures are
    shuffled in every epoch, and each is put into the emptiest batch. Batches therefore have similar sizes, which keeps
    processes busy, and random content, which reduces the noise of gradients. If the budget is tight, large structures are
    packed first (see ``packing.pack_structures``).

    A structure above the budget is a batch of its own, with one warning for all of these structures.

    Args:
        graphs: Graphs, read for sizes and label masks only.
        edge_budget: Edges per batch.
        atom_budget: Atoms per batch; the edge budget if None.
        shuffle: Whether structures are shuffled; if False, batches are filled in the order of the graphs.
        seed: Seed of the shuffling.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        accumulate: Micro-batches per optimiser step.

    Raises:
        DataError: If there are no structures, or if a budget or the rank is out of range.
    """

    def __init__(
        self,
        graphs: Sequence[AtomicGraph],
        edge_budget: int,
        *,
        atom_budget: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
    ):
        if len(graphs) == 0:
            raise DataError("batches need at least one structure, but got none")
        for name, value in {"edge_budget": edge_budget, "atom_budget": atom_budget, "accumulate": accumulate}.items():
            if value is not None and value < 1:
                raise DataError(f"{name} should be a positive number, but is {value}")
        if not 0 <= rank < world_size:
            raise DataError(f"rank should lie in 0 ... {world_size - 1} for {world_size} processes, but is {rank}")
        self.shuffle, self.seed = shuffle, int(seed)
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.sizes = StructureSizes(
            n_edges=np.array([graph.n_edges for graph in graphs], dtype=np.int64),
            n_atoms=np.array([graph.n_atoms for graph in graphs], dtype=np.int64),
            edge_budget=int(edge_budget),
            atom_budget=int(edge_budget if atom_budget is None else atom_budget),
        )
        self.n_labels = label_counts(graphs)
        self.epoch, self._start = 0, 0
        self._plans: dict[int, list[list[int]]] = {}
        self._warn_oversized()
        self.n_batches = count_buckets(self.sizes) if shuffle else len(pack_in_order(self.sizes))

    @property
    def sampler(self) -> EdgeBudgetSampler:
        """The sampler itself, because Lightning calls ``sampler.set_epoch``."""
        return self

    @property
    def window_size(self) -> int:
        """Number of batches per optimiser step, over all processes: ``world_size × accumulate``."""
        return self.world_size * self.accumulate

    @property
    def n_steps(self) -> int:
        """Number of optimiser steps per epoch, the same on every process and in every epoch."""
        return -(-self.n_batches // self.window_size)

    def __len__(self) -> int:
        """Return the number of micro-batches per epoch of this process."""
        return self.n_steps * self.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of this process in the current epoch, from ``start`` on; indices of padding are negative."""
        start, self._start = self._start, 0
        plan = self.plan(self.epoch)
        for micro_batch in range(start, len(self)):
            number = micro_batch * self.world_size + self.rank
            yield list(plan[number]) if number < len(plan) else [~self.padding_structure]

    def plan(self, epoch: int) -> list[list[int]]:
        """Return all batches of an epoch, of all processes, as lists of indices; each structure occurs once."""
        if epoch not in self._plans:
            self._plans = {epoch: self._pack(epoch)}  # only one epoch is stored
        return self._plans[epoch]

    def window(self, step: int, epoch: int | None = None) -> list[int]:
        """Return the indices of the structures of one optimiser step, over all processes, without padding.

        Args:
            step: Number of the optimiser step in the epoch.
            epoch: Number of the epoch; the current epoch if None.

        Raises:
            DataError: If the epoch has no such step.
        """
        if not 0 <= step < self.n_steps:
            raise DataError(f"step should lie in 0 ... {self.n_steps - 1}, but is {step}")
        plan = self.plan(self.epoch if epoch is None else epoch)
        batches = plan[step * self.window_size : (step + 1) * self.window_size]
        return [index for batch in batches for index in batch]

    def counts(self, step: int, epoch: int | None = None) -> np.ndarray:
        """Return the numbers of energies, force components and stress components in one optimiser step.

        Args:
            step: Number of the optimiser step in the epoch.
            epoch: Number of the epoch; the current epoch if None.

        Returns:
            Counts, (3,); (n_heads, 3) if ``n_labels`` are counted per head.
        """
        return self.n_labels[self.window(step, epoch)].sum(0)

    @property
    def padding_structure(self) -> int:
        """Index of the smallest structure, which completes the last window."""
        return int(np.lexsort((self.sizes.n_atoms, self.sizes.n_edges))[0])

    def largest_batch(self) -> list[int]:
        """Return the batch of the current epoch with most edges, as a list of indices."""
        return max(
            self.plan(self.epoch), key=lambda batch: (self.sizes.n_edges[batch].sum(), self.sizes.n_atoms[batch].sum())
        )

    largest = OldAttribute("largest_batch")

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the shuffling; a position that ``load_state_dict`` set in another epoch is dropped."""
        if epoch != self.epoch:
            self.epoch, self._start = epoch, 0

    def state_dict(self, position: int = 0) -> dict[str, int]:
        """Return the epoch, and ``position``, the number of batches of this epoch that this process has done."""
        return {"epoch": self.epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after the batches that are done."""
        self.epoch, self._start = int(state["epoch"]), int(state["position"])

    @property
    def start(self) -> int:
        """Number of the first batch of the next iteration: 0, except for a resumed epoch."""
        return self._start

    def _pack(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch, in random order if the sampler shuffles."""
        if not self.shuffle:
            return pack_in_order(self.sizes)
        order = shuffled(len(self.sizes.n_edges), self.seed, epoch)
        batches = pack_structures(order, self.sizes, self.n_batches)
        return [batches[number] for number in shuffled(len(batches), self.seed, epoch, 1)]

    def _warn_oversized(self) -> None:
        oversized = np.flatnonzero(self.sizes.oversized)
        if len(oversized):
            largest = oversized[np.argmax(self.sizes.n_edges[oversized])]
            warnings.warn(
                f"{len(oversized)} of {len(self.sizes.n_edges)} structures exceed the budget of {self.sizes.edge_budget} edges "
                f"and {self.sizes.atom_budget} atoms per batch and are batches of their own; the largest (number "
                f"{largest}) has "
                f"{self.sizes.n_edges[largest]} edges and {self.sizes.n_atoms[largest]} atoms",
                stacklevel=3,
            )

    ghost = OldAttribute("padding_structure")


def label_counts(graphs: Sequence[AtomicGraph], n_heads: int | None = None) -> np.ndarray:
    """Return the numbers of energies, force components and stress components of each structure.

    Args:
        graphs: Graphs with label masks.
        n_heads: Number of heads, to count per head; None counts all heads together.

    Returns:
        Counts, (n_structures, 3); (n_structures, n_heads, 3) per head, with zeros for other heads than the structure's.
    """
    components = np.array([quantity.n_components for quantity in QUANTITIES.values()])
    masks = [[graph[quantity.mask].sum() for quantity in QUANTITIES.values()] for graph in graphs]
    counts = torch.tensor(masks, dtype=torch.int64).reshape(-1, len(QUANTITIES)).numpy() * components
    if n_heads is None:
        return counts
    head_counts = np.zeros((len(counts), n_heads, len(QUANTITIES)), dtype=counts.dtype)
    head_counts[np.arange(len(counts)), [int(graph.head) for graph in graphs]] = counts
    return head_counts
