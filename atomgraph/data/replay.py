"""Sampler for fine-tuning with replay: a fixed share of each batch are structures of the earlier training data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atomgraph.data.packing import StructureSizes, count_buckets, pack_structures
from atomgraph.data.sampler import EdgeBudgetSampler, label_counts
from atomgraph.data.shuffle import shuffled
from atomgraph.errors import DataError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute


class ReplaySampler(EdgeBudgetSampler):
    r"""Batches with a share ρ of replayed structures; an epoch is one pass over the target structures.

    An epoch with n target structures has :math:`n\,\rho/(1-\rho)` replayed structures (rounded, at least one). In each
    batch their share is ρ to within one structure. If the replay set is larger than this number, the next epoch continues with
    the following structures. If the set is smaller, it is repeated in another order.

    Indices count the target structures first, then the replay structures. ``counts`` has shape (n_heads, 3), because each
    head is normalised separately. A batch of large replayed structures may exceed the edge budget.

    Args:
        target: Structures of the new data.
        replay: Structures of the earlier training data.
        edge_budget: Edges per batch.
        ratio: Share ρ of replayed structures, between 0 and 1.
        n_heads: Number of heads of the potential; the field ``head`` of each structure selects one.
        atom_budget: Atoms per batch; the edge budget if None.
        seed: Seed of the shuffling.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        accumulate: Micro-batches per optimiser step.

    Attributes:
        n_target: Number of target structures.
        n_replay: Number of structures in the replay set.
        n_replayed: Number of replayed structures per epoch.

    Raises:
        DataError: If there is no target or no replay structure, or if the ratio is not between 0 and 1.
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
                f"replay needs target structures, replay structures and a ratio between 0 and 1, but there are "
                f"{len(target)} target "
                f"structures, {len(replay)} replay structures and the ratio {ratio}"
            )
        graphs = [*target, *replay]
        super().__init__(
            graphs,
            edge_budget,
            atom_budget=atom_budget,
            seed=seed,
            rank=rank,
            world_size=world_size,
            accumulate=accumulate,
        )
        self.n_labels = label_counts(graphs, n_heads)
        self.n_target, self.n_replay = len(target), len(replay)
        self.n_replayed = max(1, round(self.n_target * ratio / (1.0 - ratio)))
        target_edges, replay_edges = np.split(self.sizes.n_edges, [self.n_target])
        target_share = target_edges.sum() / max(target_edges.sum() + self.n_replayed * replay_edges.mean(), 1.0)
        self._target_sizes = StructureSizes(
            target_edges,
            self.sizes.n_atoms[: self.n_target],
            max(1, int(self.sizes.edge_budget * target_share)),
            max(1, int(self.sizes.atom_budget * target_share)),
        )
        self.n_batches = count_buckets(self._target_sizes)

    def replay_indices(self, epoch: int) -> np.ndarray:
        """Return the indices of the replayed structures of an epoch, (n_replayed,), from consecutive shuffled passes."""
        n_earlier = epoch * self.n_replayed  # number of replayed structures in all earlier epochs
        passes = range(n_earlier // self.n_replay, (n_earlier + self.n_replayed - 1) // self.n_replay + 1)
        indices = np.concatenate([shuffled(self.n_replay, self.seed, number, 2) for number in passes])
        start = n_earlier - passes.start * self.n_replay
        return self.n_target + indices[start : start + self.n_replayed]

    replayed = OldAttribute("replay_indices")

    def _pack(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch: packed target structures, to which replayed structures are added, largest first."""
        order = shuffled(self.n_target, self.seed, epoch)
        target_batches = pack_structures(order, self._target_sizes, self.n_batches)
        batches = [list(target_batches[number]) for number in shuffled(len(target_batches), self.seed, epoch, 1)]
        ends = np.cumsum([len(batch) for batch in batches])
        # replayed structures that each batch still needs; rounding the cumulative sums gives the exact total
        n_replay_left = np.diff(np.round(ends * (self.n_replayed / ends[-1])).astype(int), prepend=0)
        replay_indices = self.replay_indices(epoch)
        n_edges = np.array([self.sizes.n_edges[batch].sum() for batch in batches])
        for index in replay_indices[np.argsort(-self.sizes.n_edges[replay_indices], kind="stable")].tolist():
            # the batch with fewest edges among those that still need replayed structures
            number = int(np.where(n_replay_left > 0, n_edges, np.iinfo(np.int64).max).argmin())
            batches[number].append(index)
            n_replay_left[number] -= 1
            n_edges[number] += self.sizes.n_edges[index]
        return batches
