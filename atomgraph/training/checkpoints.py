"""Checkpoints for resuming a run, and early stopping."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from atomgraph.errors import ConfigError, TrainingError
from atomgraph.training.average import WeightAverage
from atomgraph.training.checkpoint_content import check_moments
from atomgraph.training.checkpoint_file import BEST, LAST, CheckpointFile, read_checkpoint
from atomgraph.training.error_sums import has_validation
from atomgraph.training.randomness import random_state, set_random_state

__all__ = ["BEST", "LAST", "CheckpointFile", "Checkpoints", "averaged_weights", "read_checkpoint"]


class Checkpoints(Checkpoint):
    """Writes ``last.ckpt`` after every epoch and ``best.ckpt`` after every improvement of the monitored metric.

    Training stops if the metric does not improve for ``patience`` validations.

    Args:
        folder: Folder of the checkpoints.
        monitor: Metric in validation, ``loss`` or an error such as ``forces_mae``. Without validation, the training loss is
            used.
        patience: Number of validations without improvement after which training stops; None: no early stop.
        identity: Plain values that must be equal in a resumed run, such as the fingerprint of the data.

    Raises:
        TrainingError: If weights are not finite after an epoch.
    """

    def __init__(
        self,
        folder: Path,
        *,
        monitor: str = "loss",
        patience: int | None = None,
        identity: dict[str, Any] | None = None,
    ):
        self.folder, self.monitor, self.patience = Path(folder), monitor, patience
        self.identity = dict(identity or {})
        self.best, self.best_epoch = math.inf, 0  # lowest monitored metric and its epoch, counted from 1; 0: none yet
        self.waited = 0  # number of validations since the last improvement
        self._random: dict[str, Any] | None = None  # random state of the loaded checkpoint; None: a new run
        self.has_begun = False  # whether the checkpoint was loaded completely and training started

    @property
    def last_path(self) -> Path:
        """Path of the checkpoint after the last epoch."""
        return self.folder / LAST

    @property
    def best_path(self) -> Path:
        """Path of the checkpoint after the best epoch."""
        return self.folder / BEST

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if self._random is None:
            trainer.save_checkpoint(self.last_path)  # called by all processes, because it ends with a barrier
        else:
            for optimizer in trainer.optimizers:
                check_moments(self.last_path, optimizer, trainer.global_step)
            set_random_state(self._random)
        self.has_begun = True
        self._stop_after_patience(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        not_finite = [name for name, parameter in task.named_parameters() if not bool(parameter.isfinite().all())]
        if not_finite:
            raise TrainingError(
                f"the weights are not finite after epoch {trainer.current_epoch + 1} ({', '.join(not_finite[:3])}); lower "
                f"fit.optimizer.lr, or reduce fit.gradient_clip_val. The checkpoint of the previous epoch is kept"
            )
        metric = self._metric(trainer, task)
        if metric is not None:
            is_better = metric < self.best
            if is_better:
                self.best, self.best_epoch, self.waited = metric, trainer.current_epoch + 1, 0
                trainer.save_checkpoint(self.best_path)
            else:
                self.waited += 1
        trainer.save_checkpoint(self.last_path)
        self._stop_after_patience(trainer)

    def _metric(self, trainer: pl.Trainer, task: Any) -> float | None:
        """Return the monitored metric; None in an epoch without validation."""
        if not trainer.enable_validation:
            return task.training_loss
        if not has_validation(trainer):
            return None
        if self.monitor not in task.validation:
            raise TrainingError(
                f"fit.monitor is {self.monitor!r}, but validation computes {', '.join(task.validation) or 'nothing'}"
            )
        return task.validation[self.monitor]

    def _stop_after_patience(self, trainer: pl.Trainer) -> None:
        if self.patience is not None and self.waited >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "identity": self.identity,
            "random": random_state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.waited, self._random = state_dict["waited"], state_dict["random"]
        changed = [key for key, value in self.identity.items() if state_dict["identity"].get(key) != value]
        if changed:
            raise ConfigError(
                f"the run cannot be resumed: {', '.join(changed)} changed since its start; start a new run"
            )


def averaged_weights(checkpoint: dict[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """Return the state dict of a checkpoint, with averaged weights if the checkpoint contains an average.

    Args:
        checkpoint: Content of the checkpoint.
        prefix: Return only names with this prefix, such as ``potential.``, and remove the prefix.
    """
    state: dict[str, Tensor] = dict(checkpoint["state_dict"])
    for key, callback_state in checkpoint["callbacks"].items():
        if key.startswith(WeightAverage.__name__):
            state.update(callback_state["average"])
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
