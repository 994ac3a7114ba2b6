"""A short fit with everything on that has a state; as a script it kills itself in the middle of an epoch."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import lightning.pytorch as pl
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from atomgraph.data import GraphDataModule
from atomgraph.training import (
    Checkpoints,
    LearningRate,
    Phase,
    PotentialTask,
    Ramp,
    Term,
    WeightAverage,
    fit,
    make_trainer,
)
from atomgraph.training.metrics_table import MetricsTable
from atomgraph.training.randomness import use_seed
from helpers.training_data import graphs, potential

PHASES = [Phase("warmup", epochs=1), Phase("plateau", factor=0.5, patience=0, threshold=0.5)]


class Jitter(pl.Callback):
    """Draws from the global generator in every batch, as dropout would."""

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        batch.pos = batch.pos + 1e-3 * torch.randn_like(batch.pos)


class Kill(pl.Callback):
    """A power cut, or Ctrl-C, in an epoch."""

    def __init__(self, epoch: int, by: int):
        self.epoch, self.by = epoch, by

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            os.kill(os.getpid(), self.by)


def run(folder, *, dtype=torch.float64, epochs=4, resume=False, callbacks=()) -> PotentialTask:
    torch.rand(3)  # whatever the process did before
    with use_seed(11):
        data = GraphDataModule(graphs(8), graphs(3, seed=1), edge_budget=40, atom_budget=1000, seed=5)
        terms = [Term("energy", weight=Ramp(1.0, 3.0, from_epoch=1, n_epochs=2)), Term("forces", weight=10.0)]
        task = PotentialTask(potential(dtype=dtype), terms, {"kind": "AdamW", "lr": 1e-2, "weight_decay": 0.1})
        parts = [LearningRate(PHASES, max_epochs=epochs), WeightAverage(0.9), Jitter(), MetricsTable(folder / "m.csv")]
        checkpoints = Checkpoints(folder)
        trainer = make_trainer(
            checkpoints,
            [*parts, *callbacks],
            max_epochs=epochs,
            accelerator="cpu",
            devices=1,
            accumulate_grad_batches=2,
            gradient_clip_val=1.0,
        )
        fit(trainer, task, data, resume=checkpoints.last_path if resume else None)
    return task


if __name__ == "__main__":
    run(Path(sys.argv[1]), callbacks=[Kill(int(sys.argv[2]), signal.SIGKILL)])
