"""GraphDataModule: what Lightning asks for batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning

from atomgraph.data.data_loaders import GraphLoader, collate
from atomgraph.data.replay import ReplaySampler
from atomgraph.data.sampler import EdgeBudgetSampler
from atomgraph.errors import DataError
from atomgraph.graph.structure import AtomicGraph


class GraphDataModule(lightning.LightningDataModule):
    """Training, validation and test structures as loaders of edge-budget batches.

    Rank, number of processes and accumulation steps are taken from the trainer. The sampler deals the batches to
    processes itself, so the trainer needs ``use_distributed_sampler=False``.

    Args:
        train, valid, test: Graphs.
        edge_budget, atom_budget: Largest size of a training batch; ``auto_budget`` of the training part if None.
        seed: Of the shuffling.
        num_workers: Processes that collate.
        pin_memory: For copies to a GPU.
        replay: Graphs that are trained beside the training part, ``ratio`` of every batch (``ReplaySampler``).
        n_heads: Of the potential, needed with replay.
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
            raise DataError("there is no structure to train on")
        self.parts = {"train": list(train), "valid": list(valid), "test": list(test)}
        self.replay, self.ratio, self.n_heads = list(replay), ratio, n_heads
        self.edge_budget = auto_budget(train) if edge_budget is None else edge_budget
        if replay and edge_budget is None:
            per_target = ratio / (1 - ratio) * sum(graph.n_edges for graph in replay) / len(replay)
            mean = sum(graph.n_edges for graph in train) / len(train)
            self.edge_budget = int(self.edge_budget * (1 + per_target / max(mean, 1)))
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
        """The loader of ``train``, ``valid`` or ``test``; DataError if that part is empty."""
        return self._loader(self.parts[part], self.sampler(part, shuffle=shuffle))

    def _loader(self, graphs: Sequence[AtomicGraph], sampler: EdgeBudgetSampler) -> GraphLoader:
        return GraphLoader(
            graphs,
            sampler,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            persistent_workers=self.num_workers > 0,
        )

    def sampler(self, part: str = "train", *, shuffle: bool = True) -> EdgeBudgetSampler:
        """The sampler of a part, for the trainer that this module is attached to (one process if to none)."""
        trainer = self.trainer
        words: dict[str, Any] = {
            "atom_budget": self.atom_budget,
            "seed": self.seed,
            "rank": trainer.global_rank if trainer else 0,
            "world_size": trainer.world_size if trainer else 1,
            "accumulate": trainer.accumulate_grad_batches if trainer and shuffle else 1,
        }
        graphs = self.parts[part]
        if part == "train" and shuffle and self.replay:
            words |= {"ratio": self.ratio, "n_heads": self.n_heads}
            return ReplaySampler(graphs, self.replay, self.edge_budget, **words)
        return EdgeBudgetSampler(graphs, self.edge_budget, shuffle=shuffle, **words)

    def dry_run(self) -> AtomicGraph:
        """The largest training batch of the first epoch; one pass of it says what memory and time an epoch takes."""
        graphs = [*self.parts["train"], *self.replay]
        return collate([graphs[index] for index in self.sampler("train").largest()])


def auto_budget(graphs: Sequence[AtomicGraph], *, most: int = 100_000, steps: int = 50) -> int:
    """A budget of edges that gives about ``steps`` batches an epoch, at most ``most`` edges, and enough for every structure."""
    n_edges = [graph.n_edges for graph in graphs]
    return max(1, max(n_edges), max(graph.n_atoms for graph in graphs), min(most, sum(n_edges) // steps))
