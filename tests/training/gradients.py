"""Gradients of one optimiser step, as the trainer makes them: alone, accumulated, or (under torchrun) in two processes."""

from __future__ import annotations

import sys
from pathlib import Path

import lightning.pytorch as pl
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from training.specimens import graphs, potential

from atomgraph.data import GraphDataModule
from atomgraph.training import Checkpoints, PotentialTask, Term, fit, make_trainer

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
    found = graphs(7)
    found[1].forces_mask = torch.zeros_like(found[1].forces_mask)
    for i, graph in enumerate(found):
        graph.weight = torch.tensor([1.0 + 0.5 * i], dtype=torch.float64)
    return found


def gradients_of_a_step(folder, edge_budget: int, accumulate: int = 1, **options) -> dict[str, torch.Tensor]:
    """The gradients of the first step of an epoch whose batches have at most so many edges."""
    data = GraphDataModule(structures(), edge_budget=edge_budget, atom_budget=10_000)
    catch = Catch()
    task = PotentialTask(potential(), TERMS, {"kind": "SGD", "lr": 1e-30})
    trainer = make_trainer(
        Checkpoints(folder),
        [catch],
        max_epochs=1,
        accelerator="cpu",
        limit_val_batches=0,
        accumulate_grad_batches=accumulate,
        **options,
    )
    fit(trainer, task, data)
    return catch.gradients


def main(folder: Path, cases: list[str]) -> None:
    for case in cases:
        edge_budget, accumulate = map(int, case.split("x"))
        found = gradients_of_a_step(folder / case, edge_budget, accumulate, devices=2)
        if torch.distributed.get_rank() == 0:
            torch.save(found, folder / f"{case}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
