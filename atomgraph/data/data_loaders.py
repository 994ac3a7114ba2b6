"""From a list of graphs to batches: for training (a loader over a sampler) and for prediction (in order)."""

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
    """One graph of many that do not touch: a PyG batch, with ``batch`` (n_atoms,) saying which structure an atom is in."""
    if len(graphs) == 0:
        raise DataError("a batch needs one structure at least, but none came")
    return Batch.from_data_list(list(graphs))


def budget_batches(
    graphs: Iterable[AtomicGraph], edge_budget: int, atom_budget: int | None = None
) -> Iterator[AtomicGraph]:
    """Batches in the order of the graphs, each filled to a budget of edges and atoms; a larger structure comes alone.

    The graphs are taken one by one, so they may be built while they are asked for.
    """
    run: list[AtomicGraph] = []
    edges = atoms = 0
    for graph in graphs:
        full = edges + graph.n_edges > edge_budget or atoms + graph.n_atoms > (atom_budget or edge_budget)
        if run and full:
            yield collate(run)
            run, edges, atoms = [], 0, 0
        run.append(graph)
        edges, atoms = edges + graph.n_edges, atoms + graph.n_atoms
    if run:
        yield collate(run)


class GraphDataset(Dataset[AtomicGraph]):
    """A list of graphs; ``dataset[~i]`` is structure ``i`` as padding: with weight zero and no labels."""

    def __init__(self, graphs: Sequence[AtomicGraph]):
        self.graphs = list(graphs)

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, index: int) -> AtomicGraph:
        return self.graphs[index] if index >= 0 else padding_structure(self.graphs[~index])


def padding_structure(graph: AtomicGraph) -> AtomicGraph:
    """The same structure without weight and without labels; it goes through a model and changes no loss."""
    copy = graph.shallow_copy()
    copy.weight = torch.zeros_like(graph.weight)
    for quantity in QUANTITIES.values():
        copy[quantity.mask] = torch.zeros_like(graph[quantity.mask])
    return copy


class GraphLoader(DataLoader[AtomicGraph]):
    """Batches of an EdgeBudgetSampler, each with the label counts of its whole optimiser step.

    Every batch carries ``batch.window_counts`` (3,) float64: how many labels there are (energies, force components, stress
    components), summed over the batches of all processes and accumulation steps that belong to the same optimiser step.

    The loader remembers where in an epoch it is (``state_dict``, ``load_state_dict``: Lightning stores both in its
    checkpoints), so that a run resumed inside an epoch sees the batches that it had not seen yet, and no other.
    num_workers, pin_memory and further keywords are those of ``torch.utils.data.DataLoader``; batches are the same for any
    number of workers.
    """

    batch_sampler: EdgeBudgetSampler

    def __init__(self, graphs: Sequence[AtomicGraph], sampler: EdgeBudgetSampler, **keywords: Any):
        if len(graphs) != len(sampler.n_labels):
            raise DataError(f"the sampler was made for {len(sampler.n_labels)} structures, but {len(graphs)} came")
        self._position = 0
        keywords.setdefault("collate_fn", collate)
        keywords.setdefault("generator", torch.Generator())  # of workers' seeds: not the run's own random numbers
        super().__init__(GraphDataset(graphs), batch_sampler=sampler, **keywords)

    def __iter__(self) -> Any:
        return self._batches()

    def _batches(self) -> Iterator[AtomicGraph]:
        """A generator, so that the epoch is read when the first batch is asked for, not when Lightning prepares."""
        sampler = self.batch_sampler
        self._position = sampler.start
        epoch = sampler.epoch
        for batch in super().__iter__():
            step = self._position // sampler.accumulate
            batch.window_counts = torch.from_numpy(sampler.counts(step, epoch).astype(np.float64))
            self._position += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Epoch, and batches of it that were handed out."""
        return self.batch_sampler.state_dict(self._position)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where the state was taken."""
        self.batch_sampler.load_state_dict(state)
        self._position = self.batch_sampler.start
