"""Structures of the source among those of the target: a fixed share of every batch, whatever the sizes of the two sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atomgraph.data.packing import Sizes, assign, n_buckets
from atomgraph.data.sampler import EdgeBudgetSampler, label_counts
from atomgraph.data.shuffle import shuffled
from atomgraph.errors import DataError
from atomgraph.graph.structure import AtomicGraph


class ReplaySampler(EdgeBudgetSampler):
    r"""Batches of which a share ``ratio`` are replayed structures; an epoch is one pass over the target.

    Of n targets in an epoch, :math:`n\,\rho/(1-\rho)` replayed structures go along (rounded, at least one), dealt so that the
    share of every batch is ρ to within one structure. Where the replay set is larger, an epoch sees a part of it and the
    next one goes on from there; where it is smaller, it is gone through again in another order. Nothing is copied.

    Indices count the target first, then the replay. ``counts`` are (n_heads, 3), since heads are normalised one by one. The
    budget of edges is held on average: a batch of large replayed structures may exceed it.

    Other arguments as ``EdgeBudgetSampler`` takes them.

    Args:
        target, replay: The structures.
        ratio: ρ.
        n_heads: Of the potential; every structure says which it belongs to.

    Raises:
        DataError: Without structures on either side, or for a ratio outside 0 … 1.
    """

    def __init__(
        self,
        target: Sequence[AtomicGraph],
        replay: Sequence[AtomicGraph],
        edge_budget: int,
        *,
        ratio: float,
        n_heads: int,
        atom_budget: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
    ):
        if not len(target) or not len(replay) or not 0 < ratio < 1:
            raise DataError(
                f"replay needs structures of both sets and a ratio in 0 … 1, but has {len(target)}, {len(replay)} and {ratio}"
            )
        every = [*target, *replay]
        super().__init__(
            every,
            edge_budget,
            atom_budget=atom_budget,
            seed=seed,
            rank=rank,
            world_size=world_size,
            accumulate=accumulate,
        )
        self.n_labels = label_counts(every, n_heads)
        self.n_target, self.n_replay = len(target), len(replay)
        self.n_replayed = max(1, round(self.n_target * ratio / (1.0 - ratio)))
        n = self.n_target
        edges = self.sizes.n_edges
        share = edges[:n].sum() / max(edges[:n].sum() + self.n_replayed * edges[n:].mean(), 1.0)
        self._target = Sizes(
            edges[:n],
            self.sizes.n_atoms[:n],
            max(1, int(self.sizes.edge_budget * share)),
            max(1, int(self.sizes.atom_budget * share)),
        )
        self.n_batches = n_buckets(self._target)

    def replayed(self, epoch: int) -> np.ndarray:
        """(n_replayed,) indices of the structures that an epoch replays: the next ones of an endless row of shuffled passes."""
        first = epoch * self.n_replayed
        passes = range(first // self.n_replay, (first + self.n_replayed - 1) // self.n_replay + 1)
        row = np.concatenate([shuffled(self.n_replay, self.seed, number, 2) for number in passes])
        start = first - passes.start * self.n_replay
        return self.n_target + row[start : start + self.n_replayed]

    def _pack(self, epoch: int) -> list[list[int]]:
        order = shuffled(self.n_target, self.seed, epoch)
        packed = assign(order, self._target, self.n_batches)
        batches = [list(packed[number]) for number in shuffled(len(packed), self.seed, epoch, 1)]
        ends = np.cumsum([len(batch) for batch in batches])
        left = np.diff(np.round(ends * (self.n_replayed / ends[-1])).astype(int), prepend=0)
        replayed = self.replayed(epoch)
        fullness = np.array([self.sizes.n_edges[batch].sum() for batch in batches])
        for index in replayed[np.argsort(-self.sizes.n_edges[replayed], kind="stable")].tolist():
            number = int(np.where(left > 0, fullness, np.iinfo(np.int64).max).argmin())
            batches[number].append(index)
            left[number] -= 1
            fullness[number] += self.sizes.n_edges[index]
        return batches
