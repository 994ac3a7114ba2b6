"""The learning rate as a function of training time: phases one after another, each starting where the last one ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl

from atomgraph.errors import ConfigError, nearest

KINDS = ("warmup", "constant", "linear", "cosine", "exponential", "plateau")


@dataclass(frozen=True)
class Phase:
    r"""A stretch of the learning rate's schedule, as a factor on the peak learning rate.

    - ``warmup``: ``start`` + (1 − ``start``) s
    - ``constant``: 1
    - ``linear``: 1 − (1 − ``final``) s;  ``cosine``: ``final`` + (1 − ``final``)(1 + cos πs)/2
    - ``exponential``: ``final`` to the power s
    - ``plateau``: times ``factor`` whenever the validation loss has not fallen by a part ``threshold`` for ``patience``
      validations, down to ``final``

    Attributes:
        kind: With s going from 0 to 1 inside the phase, and factors relative to the end of the phase before it,
        epochs: How long, or None for the rest of the run (the last phase only).
    """

    kind: str
    epochs: float | None = None
    start: float = 0.0
    final: float = 0.01
    factor: float = 0.5
    patience: int = 10
    threshold: float = 1e-3

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"fit.schedule: no phase {self.kind!r}{nearest(self.kind, KINDS)}")
        if self.epochs is not None and self.epochs <= 0:
            raise ConfigError(f"fit.schedule: a phase needs more than zero epochs, but {self.kind} has {self.epochs}")
        if not (0 < self.factor < 1 and 0 <= self.start <= 1 and 0 <= self.final <= 1 and self.patience >= 0):
            raise ConfigError(
                f"fit.schedule: start, final in 0 … 1, factor below 1, patience ≥ 0, but the phase is {self}"
            )

    def at(self, progress: float) -> float:
        """The factor at a progress between 0 and 1; 1 for a plateau, whose drops are counted elsewhere."""
        if self.kind == "warmup":
            return self.start + (1.0 - self.start) * progress
        if self.kind == "linear":
            return 1.0 - (1.0 - self.final) * progress
        if self.kind == "cosine":
            return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * progress))
        if self.kind == "exponential":
            return max(self.final, 1e-12) ** progress
        return 1.0


class LearningRate(pl.Callback):
    """Sets the learning rate before every step, from the epoch, the batch and the validation losses so far.

    Nothing is counted up but the drops of plateaus, so a resumed run has the learning rates of one never stopped.
    """

    def __init__(self, phases: Sequence[Phase] = (), max_epochs: int = 100):
        self.phases = list(phases)
        open_ended = [i for i, phase in enumerate(self.phases) if phase.epochs is None]
        if open_ended and open_ended[0] != len(self.phases) - 1:
            raise ConfigError("fit.schedule: only the last phase may leave its epochs open")
        self.max_epochs = max_epochs
        self.best, self.waited, self.drops = math.inf, 0, 0
        self._base: list[float] | None = None

    def factor(self, epochs: float) -> float:
        """The factor on the peak learning rate after so many epochs (a fraction counts the batches)."""
        total, begin = 1.0, 0.0
        for phase in self.phases:
            length = max(self.max_epochs - begin, 1e-9) if phase.epochs is None else phase.epochs
            total *= phase.at(min((epochs - begin) / length, 1.0))
            if phase.kind == "plateau":
                total *= max(phase.factor**self.drops, phase.final)
            begin += length
            if epochs <= begin:
                break
        return total

    def phase_in(self, epochs: float) -> Phase | None:
        """The phase that runs after so many epochs."""
        begin = 0.0
        for phase in self.phases:
            begin += math.inf if phase.epochs is None else phase.epochs
            if epochs <= begin:
                return phase
        return None

    def saw(self, loss: float, epochs: float) -> None:
        """Tell the plateau, if one runs, the validation loss after so many epochs."""
        phase = self.phase_in(epochs)
        if phase is None or phase.kind != "plateau":
            return
        if loss < self.best * (1.0 - phase.threshold):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > phase.patience:
            self.waited, self.drops = 0, self.drops + 1

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if not self.phases:
            return
        groups = trainer.optimizers[0].param_groups
        if self._base is None:
            self._base = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        factor = self.factor(trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches)
        for group, base in zip(groups, self._base, strict=True):
            group["lr"] = base * factor

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        loss = getattr(task, "validation", {}).get("loss")
        if loss is not None:
            self.saw(loss, trainer.current_epoch + 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "drops": self.drops}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.waited, self.drops = state_dict["best"], state_dict["waited"], state_dict["drops"]
