"""Batches of graphs: a data loader for training, and batches in the order of the graphs for prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torch_geometric.data import Batch

from atomgraph.data.sampler import EdgeBudgetSampler
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph


def collate(graphs: Sequence[AtomicGraph]) -> AtomicGraph:
    """Join graphs to one PyG batch, with the index of each atom's structure in ``batch``, (n_atoms,).

    Raises:
        DataError: If there is no graph.
    """
    if len(graphs) == 0:
        raise DataError("a batch needs at least one structure, but got none")
    return Batch.from_data_list(list(graphs))


def budget_batches(
    graphs: Iterable[AtomicGraph], edge_budget: int, atom_budget: int | None = None
) -> Iterator[AtomicGraph]:
    """Yield batches in the order of the graphs, filled to a budget; a structure above the budget is a batch of its own.

    Args:
        graphs: Graphs in any iterable; generators are read lazily.
        edge_budget: Edges per batch.
        atom_budget: Atoms per batch; the edge budget if None.
    """
    batch: list[AtomicGraph] = []
    n_edges = n_atoms = 0  # in the batch
    for graph in graphs:
        is_full = n_edges + graph.n_edges > edge_budget or n_atoms + graph.n_atoms > (atom_budget or edge_budget)
        if batch and is_full:
            yield collate(batch)
            batch, n_edges, n_atoms = [], 0, 0
        batch.append(graph)
        n_edges, n_atoms = n_edges + graph.n_edges, n_atoms + graph.n_atoms
    if batch:
        yield collate(batch)


class GraphDataset(Dataset[AtomicGraph]):
    """A list of graphs; a negative index ``~i`` gives structure ``i`` as padding, with weight zero and no labels."""

    def __init__(self, graphs: Sequence[AtomicGraph]):
        self.graphs = list(graphs)

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, index: int) -> AtomicGraph:
        return self.graphs[index] if index >= 0 else padding_structure(self.graphs[~index])


def padding_structure(graph: AtomicGraph) -> AtomicGraph:
    """Return a copy of the structure with weight zero and no labels, which does not contribute to a loss."""
    copy = graph.shallow_copy()
    copy.weight = torch.zeros_like(graph.weight)
    for quantity in QUANTITIES.values():
        copy[quantity.mask] = torch.zeros_like(graph[quantity.mask])
    return copy


class GraphLoader(DataLoader[AtomicGraph]):
    """Data loader of the batches of an ``EdgeBudgetSampler``, with the label counts of each optimiser step.

    Every batch has the field ``window_counts``, (3,) float64: the numbers of energies, force components and stress
    components in the optimiser step of this batch, summed over processes and accumulation steps. With a ``ReplaySampler``,
    the numbers are counted per head, (n_heads, 3).

    The position in the epoch is stored by ``state_dict`` and restored by ``load_state_dict``, so that a resumed run continues
    with the next batch. Lightning stores this state in its checkpoints. The batches do not depend on the number of workers.

    Args:
        graphs: Graphs of the sampler.
        sampler: Sampler of the batches.
        keywords: Further keyword arguments of ``torch.utils.data.DataLoader``, such as ``num_workers``.

    Raises:
        DataError: If the sampler was made for another number of graphs.
    """

    batch_sampler: EdgeBudgetSampler

    def __init__(self, graphs: Sequence[AtomicGraph], sampler: EdgeBudgetSampler, **keywords: Any):
        if len(graphs) != len(sampler.n_labels):
            raise DataError(f"the sampler was made for {len(sampler.n_labels)} structures, but got {len(graphs)}")
        self._position = 0
        keywords.setdefault("collate_fn", collate)
        # the loader draws the seeds of its workers from this generator, so that torch's global random state does not change
        keywords.setdefault("generator", torch.Generator())
        super().__init__(GraphDataset(graphs), batch_sampler=sampler, **keywords)

    def __iter__(self) -> Any:
        return self._batches()

    def _batches(self) -> Iterator[AtomicGraph]:
        """Yield batches; as a generator, it reads the epoch at the first batch, after Lightning has set the epoch."""
        sampler = self.batch_sampler
        self._position = sampler.start
        epoch = sampler.epoch
        for batch in super().__iter__():
            step = self._position // sampler.accumulate
            batch.window_counts = torch.from_numpy(sampler.counts(step, epoch).astype(np.float64))
            self._position += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, and the number of batches of this epoch that were yielded."""
        return self.batch_sampler.state_dict(self._position)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue at the stored position."""
        self.batch_sampler.load_state_dict(state)
        self._position = self.batch_sampler.start
