"""Which structures make up which batch: filled to a budget of edges, seeded by epoch, the same for any number of processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler

from atomgraph.data.packing import Sizes, assign, n_buckets, runs
from atomgraph.data.shuffle import shuffled
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph


class EdgeBudgetSampler(Sampler[list[int]]):
    r"""Batches of at most ``edge_budget`` edges and ``atom_budget`` atoms, dealt to processes and accumulation steps.

    The list of batches of an epoch is a function of (sizes, budgets, seed, epoch) alone: every process computes the whole
    list and takes its share. An optimiser step (a *window*) is ``world_size × accumulate`` consecutive batches; inside it,
    micro-batch ``a`` of process ``r`` is the batch number ``a × world_size + r``. Each structure occurs once an epoch.

    The last window is filled up with padding structures, so that all processes take equally many steps and Lightning never
    steps on a window that is not full. Padding is the smallest structure without weight and labels. It is yielded as
    ``~index`` (a negative number), which ``GraphDataset`` understands. They change no gradient and are not counted.

    Because all of this is known without communication, so are the numbers that a loss is divided by: ``window(step)``
    gives the structures of one optimiser step over all processes and micro-batches, ``counts(step)`` its label counts.
    A ``GraphLoader`` puts the same counts on each batch as ``batch.window_counts``. With a loss
    of sum / counts on every process, gradients have to be *summed* over processes and micro-batches; where they are averaged
    (DDP, Lightning's accumulation) the loss is to be multiplied by ``world_size × accumulate``, which is ``window_size``.

    The number of batches is the same in every epoch, so that schedules know their length. In every epoch structures are
    shuffled, and each goes into the emptiest of so many buckets: batches are about equally full, which keeps processes in
    step, and random in what they hold; batches of structures of one size would often be of one kind, and their gradients
    noisier. Only where budgets are tight, large structures go first (see ``packing.assign``).

    Args:
        graphs: The structures, for their sizes and masks; they are not kept.
        edge_budget: Edges a batch.
        atom_budget: Atoms a batch; the edge budget if None.
        shuffle: False keeps the order of the structures, in runs filled to the budget.
        seed: Of the shuffling.
        rank, world_size: This process and how many there are.
        accumulate: Micro-batches a step.

    Raises:
        DataError: Without structures, or for budgets and ranks that make no sense. A structure above the budget makes
            a batch of its own, which is warned of once.
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
            raise DataError("there is no structure to make batches of")
        for name, value in {"edge_budget": edge_budget, "atom_budget": atom_budget, "accumulate": accumulate}.items():
            if value is not None and value < 1:
                raise DataError(f"{name} should be a positive number, but is {value}")
        if not 0 <= rank < world_size:
            raise DataError(f"rank should lie in 0 ... {world_size - 1} for {world_size} processes, but is {rank}")
        self.shuffle, self.seed = shuffle, int(seed)
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.sizes = Sizes(
            n_edges=np.array([graph.n_edges for graph in graphs], dtype=np.int64),
            n_atoms=np.array([graph.n_atoms for graph in graphs], dtype=np.int64),
            edge_budget=int(edge_budget),
            atom_budget=int(edge_budget if atom_budget is None else atom_budget),
        )
        self.n_labels = label_counts(graphs)
        self.epoch, self._start = 0, 0
        self._plans: dict[int, list[list[int]]] = {}
        self._warn_oversized()
        self.n_batches = n_buckets(self.sizes) if shuffle else len(runs(self.sizes))

    @property
    def sampler(self) -> EdgeBudgetSampler:
        """Itself: Lightning looks here for ``set_epoch``."""
        return self

    @property
    def window_size(self) -> int:
        """Batches of one optimiser step, over all processes: ``world_size × accumulate``."""
        return self.world_size * self.accumulate

    @property
    def n_steps(self) -> int:
        """Optimiser steps an epoch, the same on every process and in every epoch."""
        return -(-self.n_batches // self.window_size)

    def __len__(self) -> int:
        """Micro-batches an epoch on this process."""
        return self.n_steps * self.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        """This process' batches of the current epoch, from where a resumed epoch stopped: padding structures are negative."""
        start, self._start = self._start, 0
        plan = self.plan(self.epoch)
        for micro in range(start, len(self)):
            number = micro * self.world_size + self.rank
            yield list(plan[number]) if number < len(plan) else [~self.padding_structure]

    def plan(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch, of all processes; each structure once."""
        if epoch not in self._plans:
            self._plans = {epoch: self._pack(epoch)}  # one epoch is remembered
        return self._plans[epoch]

    def window(self, step: int, epoch: int | None = None) -> list[int]:
        """The structures of one optimiser step of an epoch (the current one if None), over all processes, without padding."""
        if not 0 <= step < self.n_steps:
            raise DataError(f"step should lie in 0 ... {self.n_steps - 1}, but is {step}")
        plan = self.plan(self.epoch if epoch is None else epoch)
        batches = plan[step * self.window_size : (step + 1) * self.window_size]
        return [index for batch in batches for index in batch]

    def counts(self, step: int, epoch: int | None = None) -> np.ndarray:
        """(3,) numbers of labels (energies, force components, stress components) in one optimiser step.

        (n_heads, 3) where ``n_labels`` are counted by head.
        """
        return self.n_labels[self.window(step, epoch)].sum(0)

    @property
    def padding_structure(self) -> int:
        """The smallest structure, which fills up the last window."""
        return int(np.lexsort((self.sizes.n_atoms, self.sizes.n_edges))[0])

    def largest(self) -> list[int]:
        """The batch of the current epoch with most edges: what a dry run should take."""
        return max(
            self.plan(self.epoch), key=lambda batch: (self.sizes.n_edges[batch].sum(), self.sizes.n_atoms[batch].sum())
        )

    def set_epoch(self, epoch: int) -> None:
        """Shuffle as in this epoch. A start inside another epoch (``load_state_dict``) is forgotten."""
        if epoch != self.epoch:
            self.epoch, self._start = epoch, 0

    def state_dict(self, position: int = 0) -> dict[str, int]:
        """Where an epoch stands: its number and how many of this process' batches are done."""
        return {"epoch": self.epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on behind the batches that are done already."""
        self.epoch, self._start = int(state["epoch"]), int(state["position"])

    @property
    def start(self) -> int:
        """The first batch that the next iteration yields; not 0 only when an epoch is resumed."""
        return self._start

    def _pack(self, epoch: int) -> list[list[int]]:
        if not self.shuffle:
            return runs(self.sizes)
        order = shuffled(len(self.sizes.n_edges), self.seed, epoch)
        batches = assign(order, self.sizes, self.n_batches)
        return [batches[number] for number in shuffled(len(batches), self.seed, epoch, 1)]

    def _warn_oversized(self) -> None:
        oversized = np.flatnonzero(self.sizes.oversized)
        if len(oversized):
            worst = oversized[np.argmax(self.sizes.n_edges[oversized])]
            warnings.warn(
                f"{len(oversized)} of {len(self.sizes.n_edges)} structures exceed the budget of {self.sizes.edge_budget} edges "
                f"and {self.sizes.atom_budget} atoms a batch and make batches of their own; the largest (number {worst}) has "
                f"{self.sizes.n_edges[worst]} edges and {self.sizes.n_atoms[worst]} atoms",
                stacklevel=3,
            )


def label_counts(graphs: Sequence[AtomicGraph], n_heads: int | None = None) -> np.ndarray:
    """(n_structures, 3) numbers of labels that each structure carries: energies, force components, stress components.

    Args:
        n_heads: Counted by head, (n_structures, n_heads, 3), zero but for the structure's own.
    """
    components = np.array([quantity.n_components for quantity in QUANTITIES.values()])
    masks = [[graph[quantity.mask].sum() for quantity in QUANTITIES.values()] for graph in graphs]
    numbers = torch.tensor(masks, dtype=torch.int64).reshape(-1, len(QUANTITIES)).numpy() * components
    if n_heads is None:
        return numbers
    by_head = np.zeros((len(numbers), n_heads, len(QUANTITIES)), dtype=numbers.dtype)
    by_head[np.arange(len(numbers)), [int(graph.head) for graph in graphs]] = numbers
    return by_head
