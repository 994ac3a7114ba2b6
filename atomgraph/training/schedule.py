"""Schedule of the learning rate: a sequence of phases, each relative to the end of the previous phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl

from atomgraph.errors import ConfigError, nearest
from atomgraph.old_names import OldAttribute

KINDS = ("warmup", "constant", "linear", "cosine", "exponential", "plateau")


@dataclass(frozen=True)
class Phase:
    r"""Phase of the learning rate schedule.

    The phase is a factor on the learning rate at the end of the previous phase; in the first phase, on the peak learning
    rate. With s, which increases from 0 to 1 during the phase, the factors are

    - ``warmup``: ``start`` + (1 − ``start``) s
    - ``constant``: 1
    - ``linear``: 1 − (1 − ``final``) s;  ``cosine``: ``final`` + (1 − ``final``)(1 + cos πs)/2
    - ``exponential``: ``final`` to the power s
    - ``plateau``: multiplied by ``factor`` if the validation loss has not decreased by the fraction ``threshold`` for more than
      ``patience`` validations, down to ``final``

    Attributes:
        kind: Name in the list above.
        epochs: Number of epochs of the phase; None: all remaining epochs (last phase only).
        start: Factor at the start of ``warmup``.
        final: Factor at the end of ``linear``, ``cosine`` and ``exponential``; smallest factor of ``plateau``.
        factor: Factor on the learning rate at each reduction in ``plateau``.
        patience: Number of validations without improvement in ``plateau``.
        threshold: Smallest relative decrease of the validation loss that counts as improvement in ``plateau``.
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
                f"fit.schedule: a phase needs start and final from 0 to 1, 0 < factor < 1 and patience ≥ 0, but is {self}"
            )

    def factor_at(self, progress: float) -> float:
        """Return the factor for s = ``progress``, from 0 to 1; 1 for ``plateau``, as ``LearningRate`` counts reductions."""
        if self.kind == "warmup":
            return self.start + (1.0 - self.start) * progress
        if self.kind == "linear":
            return 1.0 - (1.0 - self.final) * progress
        if self.kind == "cosine":
            return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * progress))
        if self.kind == "exponential":
            return max(self.final, 1e-12) ** progress
        return 1.0

    at = OldAttribute("factor_at")


class LearningRate(pl.Callback):
    """Sets the learning rate before every step; it depends on the epoch, the batch and the validation losses.

    Only the reductions in plateaus are stored, so a resumed run has the same learning rates as an uninterrupted run.

    Args:
        phases: Phases of the schedule; without phases, the learning rate is constant.
        max_epochs: Number of epochs of the run.

    Raises:
        ConfigError: If a phase before the last one has no number of epochs.
    """

    def __init__(self, phases: Sequence[Phase] = (), max_epochs: int = 100):
        self.phases = list(phases)
        open_ended = [i for i, phase in enumerate(self.phases) if phase.epochs is None]
        if open_ended and open_ended[0] != len(self.phases) - 1:
            raise ConfigError("fit.schedule: only the last phase can be without epochs; set epochs of the other phases")
        self.max_epochs = max_epochs
        self.best = math.inf  # lowest validation loss in a plateau phase
        self.waited, self.drops = 0, 0  # validations since the lowest loss, reductions so far
        self._base_rates: list[float] | None = None  # peak learning rates of the parameter groups

    def factor(self, epochs: float) -> float:
        """Return the factor on the peak learning rate after a number of epochs, which may be fractional."""
        total, start = 1.0, 0.0
        for phase in self.phases:
            length = max(self.max_epochs - start, 1e-9) if phase.epochs is None else phase.epochs
            total *= phase.factor_at(min((epochs - start) / length, 1.0))
            if phase.kind == "plateau":
                total *= max(phase.factor**self.drops, phase.final)
            start += length
            if epochs <= start:
                break
        return total

    def phase_in(self, epochs: float) -> Phase | None:
        """Return the phase after a number of epochs; None after the last phase."""
        end = 0.0
        for phase in self.phases:
            end += math.inf if phase.epochs is None else phase.epochs
            if epochs <= end:
                return phase
        return None

    def update_plateau(self, loss: float, epochs: float) -> None:
        """Update the current plateau with a validation loss; do nothing in other phases.

        Args:
            loss: Validation loss.
            epochs: Number of finished epochs.
        """
        phase = self.phase_in(epochs)
        if phase is None or phase.kind != "plateau":
            return
        if loss < self.best * (1.0 - phase.threshold):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > phase.patience:
            self.waited, self.drops = 0, self.drops + 1

    saw = OldAttribute("update_plateau")

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if not self.phases:
            return
        groups = trainer.optimizers[0].param_groups
        if self._base_rates is None:
            self._base_rates = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        factor = self.factor(trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches)
        for group, base_rate in zip(groups, self._base_rates, strict=True):
            group["lr"] = base_rate * factor

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        loss = getattr(task, "validation", {}).get("loss")
        if loss is not None:
            self.update_plateau(loss, trainer.current_epoch + 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "drops": self.drops}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.waited, self.drops = state_dict["best"], state_dict["waited"], state_dict["drops"]
