"""Gradients of one optimiser step, as the trainer makes them: alone, accumulated, or (under torchrun) in two processes."""

from __future__ import annotations

import sys
from pathlib import Path

import lightning.pytorch as pl
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from atomgraph.data import GraphDataModule
from atomgraph.editing import add_head
from atomgraph.training import Checkpoints, PotentialTask, Term, fit, make_trainer
from helpers.training_data import graphs, potential

TERMS = [
    Term("energy", weight=2.0),
    Term("forces", loss="huber", weight=10.0, delta=0.05),
    Term("stress", loss="mae", weight=100.0),
]


class Catch(pl.Callback):
    """Keeps the gradients of the first optimiser step."""

    def on_before_optimizer_step(self, trainer, task, optimizer):
        if not hasattr(self, "gradients"):
            self.gradients = {name: p.grad.clone() for name, p in task.named_parameters() if p.grad is not None}


def structures():
    """Of different sizes, some without stress, one without forces, with unequal weights."""
    result = graphs(7)
    result[1].forces_mask = torch.zeros_like(result[1].forces_mask)
    for i, graph in enumerate(result):
        graph.weight = torch.tensor([1.0 + 0.5 * i], dtype=torch.float64)
    return result


def data_of(edge_budget: int, replay: bool = False) -> GraphDataModule:
    """Batches of at most so many edges; with replay, of a second head's structures, too."""
    if not replay:
        return GraphDataModule(structures(), edge_budget=edge_budget, atom_budget=10_000)
    target, source = structures(), graphs(6, seed=9)
    for row, of_head in enumerate((target, source)):
        for graph in of_head:
            graph.head = torch.full_like(graph.head, row)
    return GraphDataModule(target, replay=source, ratio=0.4, n_heads=2, edge_budget=edge_budget, atom_budget=10_000)


def gradients_of_a_step(
    folder, edge_budget: int, accumulate: int = 1, *, replay: bool = False, **options
) -> dict[str, torch.Tensor]:
    """The gradients of the first step of an epoch whose batches have at most so many edges."""
    catch = Catch()
    trained = add_head(potential(), "source", like="default") if replay else potential()
    task = PotentialTask(trained, TERMS, {"kind": "SGD", "lr": 1e-30}, [1.0, 0.3] if replay else None)
    trainer = make_trainer(
        Checkpoints(folder),
        [catch],
        max_epochs=1,
        accelerator="cpu",
        limit_val_batches=0,
        accumulate_grad_batches=accumulate,
        **options,
    )
    fit(trainer, task, data_of(edge_budget, replay))
    return catch.gradients


def main(folder: Path, cases: list[str]) -> None:
    for case in cases:
        edge_budget, accumulate = map(int, case.removeprefix("replay-").split("x"))
        is_replay = case.startswith("replay-")
        result = gradients_of_a_step(folder / case, edge_budget, accumulate, replay=is_replay, devices=2)
        if torch.distributed.get_rank() == 0:
            torch.save(result, folder / f"{case}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
