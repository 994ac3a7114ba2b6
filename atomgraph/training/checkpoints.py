"""Checkpoints for resuming: after every epoch, never half written, read without unpickling anything but tensors."""

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
from atomgraph.training.error_sums import validated
from atomgraph.training.randomness import random_state, set_random_state

__all__ = ["BEST", "LAST", "CheckpointFile", "Checkpoints", "averaged_weights", "read_checkpoint"]


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt`` after every epoch and ``best.ckpt`` whenever the monitored figure falls; stops where it stays.

    Args:
        folder: Where.
        monitor: ``loss`` or an error such as ``forces_mae``; of the validation, or, without one, ``loss`` of the
            training.
        patience: Validations without a better figure after which training stops (None: never).
        identity: Plain values that a resumed run must share (fingerprint of the data, say).

    Raises:
        TrainingError: Rather than keep weights that are not finite.
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
        self.best, self.best_epoch, self.waited = math.inf, 0, 0
        self._random: dict[str, Any] | None = None
        self.has_begun = False  # all that a checkpoint holds was taken from it

    @property
    def last_path(self) -> Path:
        return self.folder / LAST

    @property
    def best_path(self) -> Path:
        return self.folder / BEST

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if self._random is None:
            trainer.save_checkpoint(self.last_path)  # all processes must come here together: it ends in a barrier
        else:
            for optimizer in trainer.optimizers:
                check_moments(self.last_path, optimizer, trainer.global_step)
            set_random_state(self._random)
        self.has_begun = True
        self._stop_where_patience_ended(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        strange = [name for name, parameter in task.named_parameters() if not bool(parameter.isfinite().all())]
        if strange:
            raise TrainingError(
                f"the weights are not finite after epoch {trainer.current_epoch + 1} ({', '.join(strange[:3])}); lower "
                f"fit.optimizer.lr, or clip gradients harder. The checkpoint of the epoch before is kept"
            )
        figure = self._figure(trainer, task)
        if figure is not None:
            is_better = figure < self.best
            if is_better:
                self.best, self.best_epoch, self.waited = figure, trainer.current_epoch + 1, 0
                trainer.save_checkpoint(self.best_path)
            else:
                self.waited += 1
        trainer.save_checkpoint(self.last_path)
        self._stop_where_patience_ended(trainer)

    def _figure(self, trainer: pl.Trainer, task: Any) -> float | None:
        """What is compared; None in an epoch without validation."""
        if not trainer.enable_validation:
            return task.training_loss
        if not validated(trainer):
            return None
        if self.monitor not in task.validation:
            raise TrainingError(
                f"fit.monitor is {self.monitor!r}, but validation gives {', '.join(task.validation) or 'nothing'}"
            )
        return task.validation[self.monitor]

    def _stop_where_patience_ended(self, trainer: pl.Trainer) -> None:
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
            raise ConfigError(f"the run cannot go on: {', '.join(changed)} changed since it was started")


def averaged_weights(checkpoint: dict[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """The state dict that a checkpoint stands for, with averaged weights where there is an average.

    Args:
        prefix: Take what is below it (``potential.``), and leave it off.
    """
    state: dict[str, Tensor] = dict(checkpoint["state_dict"])
    for key, callback_state in checkpoint["callbacks"].items():
        if key.startswith(WeightAverage.__name__):
            state.update(callback_state["average"])
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
