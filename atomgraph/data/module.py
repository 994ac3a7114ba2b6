"""GraphDataModule: the data loaders of training, validation and test structures for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning

from atomgraph.data.data_loaders import GraphLoader, collate
from atomgraph.data.replay import ReplaySampler
from atomgraph.data.sampler import EdgeBudgetSampler
from atomgraph.errors import DataError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.old_names import OldAttribute, with_old_arguments


class GraphDataModule(lightning.LightningDataModule):
    """Data loaders with edge-budget batches of training, validation and test structures.

    Rank, number of processes and accumulation steps are read from the trainer. The sampler distributes the batches to
    processes, so the trainer needs ``use_distributed_sampler=False``.

    Args:
        train: Training graphs, at least one.
        valid: Validation graphs.
        test: Test graphs.
        replay: Graphs of earlier training data that are added to the batches (``ReplaySampler``).
        ratio: Share of replay graphs in a batch, between 0 and 1.
        n_heads: Number of heads of the potential; needed with replay.
        edge_budget: Edges per batch; ``auto_budget`` of the training graphs if None.
        atom_budget: Atoms per batch; the edge budget if None.
        seed: Seed of the shuffling.
        num_workers: Number of processes that collate batches.
        pin_memory: Whether batches are in pinned memory, for faster copies to a GPU.

    Raises:
        DataError: If there is no training graph.
    """

    def __init__(
        self,
        train: Sequence[AtomicGraph],
        valid: Sequence[AtomicGraph] = (),
        test: Sequence[AtomicGraph] = (),
        *,
        replay: Sequence[AtomicGraph] = (),
        ratio: float = 0.5,
        n_heads: int = 1,
        edge_budget: int | None = None,
        atom_budget: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
    ):
        super().__init__()
        if len(train) == 0:
            raise DataError("the training part has no structures")
        self.parts = {"train": list(train), "valid": list(valid), "test": list(test)}
        self.replay, self.ratio, self.n_heads = list(replay), ratio, n_heads
        self.edge_budget = auto_budget(train) if edge_budget is None else edge_budget
        if replay and edge_budget is None:
            mean_train_edges = sum(graph.n_edges for graph in train) / len(train)
            mean_replay_edges = sum(graph.n_edges for graph in replay) / len(replay)
            replay_edges = ratio / (1 - ratio) * mean_replay_edges  # replay edges per training graph
            self.edge_budget = int(self.edge_budget * (1 + replay_edges / max(mean_train_edges, 1)))
        self.atom_budget, self.seed = atom_budget, seed
        self.num_workers, self.pin_memory = num_workers, pin_memory

    def train_dataloader(self) -> GraphLoader:
        graphs = [*self.parts["train"], *self.replay]
        return self._loader(graphs, self.sampler("train"))

    def val_dataloader(self) -> GraphLoader | list[Any]:
        return self.loader("valid") if self.parts["valid"] else []

    def test_dataloader(self) -> GraphLoader | list[Any]:
        return self.loader("test") if self.parts["test"] else []

    def loader(self, part: str, *, shuffle: bool = False) -> GraphLoader:
        """Return the data loader of a part.

        Args:
            part: ``train``, ``valid`` or ``test``.
            shuffle: Whether the structures are shuffled in every epoch.

        Raises:
            DataError: If the part is empty.
        """
        return self._loader(self.parts[part], self.sampler(part, shuffle=shuffle))

    def _loader(self, graphs: Sequence[AtomicGraph], sampler: EdgeBudgetSampler) -> GraphLoader:
        """Return the data loader of a sampler, with the settings of this module."""
        return GraphLoader(
            graphs,
            sampler,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            persistent_workers=self.num_workers > 0,
        )

    def sampler(self, part: str = "train", *, shuffle: bool = True) -> EdgeBudgetSampler:
        """Return the sampler of a part, for the trainer of this module; for one process if there is no trainer."""
        trainer = self.trainer
        options: dict[str, Any] = {
            "atom_budget": self.atom_budget,
            "seed": self.seed,
            "rank": trainer.global_rank if trainer else 0,
            "world_size": trainer.world_size if trainer else 1,
            "accumulate": trainer.accumulate_grad_batches if trainer and shuffle else 1,
        }
        graphs = self.parts[part]
        if part == "train" and shuffle and self.replay:
            options |= {"ratio": self.ratio, "n_heads": self.n_heads}
            return ReplaySampler(graphs, self.replay, self.edge_budget, **options)
        return EdgeBudgetSampler(graphs, self.edge_budget, shuffle=shuffle, **options)

    def largest_batch(self) -> AtomicGraph:
        """Return the largest training batch of the first epoch, to measure memory and time."""
        graphs = [*self.parts["train"], *self.replay]
        return collate([graphs[index] for index in self.sampler("train").largest_batch()])

    dry_run = OldAttribute("largest_batch")


@with_old_arguments
def auto_budget(graphs: Sequence[AtomicGraph], *, max_edges: int = 100_000, n_batches: int = 50) -> int:
    """Return a number of edges per batch that gives about ``n_batches`` batches per epoch and is enough for each structure.

    Args:
        graphs: Training graphs.
        max_edges: Largest edge budget, unless one structure has more edges.
        n_batches: Number of batches per epoch.
    """
    n_edges = [graph.n_edges for graph in graphs]
    return max(1, max(n_edges), max(graph.n_atoms for graph in graphs), min(max_edges, sum(n_edges) // n_batches))
