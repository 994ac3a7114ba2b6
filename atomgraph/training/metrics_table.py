"""Table of metrics during training, ``metrics.csv``: one row per epoch, with units in the header."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from atomgraph.graph.quantities import QUANTITIES
from atomgraph.training.csv_table import read_table, write_table
from atomgraph.training.error_sums import column_header, has_validation


class MetricsTable(pl.Callback):
    """Writes a row after every epoch: losses, validation errors, learning rate, and time since the start (s).

    A resumed run first removes the rows after the last epoch of its checkpoint.

    Args:
        path: Path of the table.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.rows: list[dict[str, Any]] = []
        self._start_time = self._seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.rows = [row for row in read_table(self.path) if int(row["epoch"]) <= trainer.current_epoch]
        self._seconds = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self._start_time = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, task: Any) -> None:
        if not trainer.is_global_zero:
            return
        errors = task.validation if has_validation(trainer) else {}
        row: dict[str, Any] = {"epoch": trainer.current_epoch + 1, "train_loss": _format(task.training_loss)}
        if trainer.enable_validation:
            row["valid_loss"] = _format(errors["loss"]) if "loss" in errors else ""
            for term in task.terms:
                for kind in ("mae", "rmse"):
                    name = f"{term.property}_{kind}"
                    value = errors.get(name)
                    row[column_header(f"valid_{name}")] = (
                        "" if value is None else _format(value * QUANTITIES[term.property].factor)
                    )
        row["learning_rate"] = _format(trainer.optimizers[0].param_groups[0]["lr"])
        row["seconds"] = f"{self._seconds + time.perf_counter() - self._start_time:.2f}"
        self.rows.append(row)
        write_table(self.path, self.rows)


def _format(value: float) -> str:
    """Return a number with six digits."""
    return f"{value:.6g}"
