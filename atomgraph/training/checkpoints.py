"""Checkpoints for resuming: after every epoch, never half written, read without unpickling anything but tensors."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from atomgraph.errors import ConfigError, FormatError, TrainingError
from atomgraph.training.average import WeightAverage
from atomgraph.training.errors import validated
from atomgraph.training.randomness import random_state, set_random_state
from atomgraph.writing import write_bytes

LAST, BEST = "last.ckpt", "best.ckpt"


class CheckpointFile(TorchCheckpointIO):
    """Writes beside the file and renames, so that a checkpoint is whole or not there; reads with ``weights_only``."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()  # torch, writing by itself, has no clear words for a full disk
        torch.save(checkpoint, content)
        write_bytes(path, content.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Any = lambda storage, _: storage, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path), map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint's contents: tensors and plain values, nothing is executed. FormatError where it cannot be read."""
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise FormatError(f"there is no checkpoint {path}") from None
    except Exception as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(f"{path} is not a checkpoint of atomgraph: {first_line}") from error


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt`` after every epoch and ``best.ckpt`` whenever the monitored figure falls; stops where it stays.

    folder: where.  monitor: ``loss`` or an error such as ``forces_mae``; of the validation, or, without one, ``loss`` of the
    training.  patience: validations without a better figure after which training stops (None: never).
    identity: plain values that a resumed run must share (fingerprint of the data, say).
    Raises TrainingError rather than keep weights that are not finite.
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
            set_random_state(self._random)
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

    prefix: take what is below it (``potential.``), and leave it off.
    """
    state: dict[str, Tensor] = dict(checkpoint["state_dict"])
    for key, callback_state in checkpoint["callbacks"].items():
        if key.startswith(WeightAverage.__name__):
            state.update(callback_state["average"])
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
