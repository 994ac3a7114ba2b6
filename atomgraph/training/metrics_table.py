"""metrics.csv: a row an epoch, units in the header."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from atomgraph.graph.quantities import QUANTITIES
from atomgraph.training.csv_table import read_table, write_table
from atomgraph.training.error_sums import column, validated


class MetricsTable(pl.Callback):
    """Writes a row after every epoch: losses, errors on the validation part, learning rate, seconds since the start.

    A resumed run goes on behind the last epoch of its checkpoint: rows beyond it are taken away first.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.rows: list[dict[str, Any]] = []
        self._began = self._seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.rows = [row for row in read_table(self.path) if int(row["epoch"]) <= trainer.current_epoch]
        self._seconds = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, task: Any) -> None:
        if not trainer.is_global_zero:
            return
        errors = task.validation if validated(trainer) else {}
        row: dict[str, Any] = {"epoch": trainer.current_epoch + 1, "train_loss": _short(task.training_loss)}
        if trainer.enable_validation:
            row["valid_loss"] = _short(errors["loss"]) if "loss" in errors else ""
            for term in task.terms:
                for kind in ("mae", "rmse"):
                    name = f"{term.property}_{kind}"
                    value = errors.get(name)
                    row[column(f"valid_{name}")] = (
                        "" if value is None else _short(value * QUANTITIES[term.property].factor)
                    )
        row["learning_rate"] = _short(trainer.optimizers[0].param_groups[0]["lr"])
        row["seconds"] = f"{self._seconds + time.perf_counter() - self._began:.2f}"
        self.rows.append(row)
        write_table(self.path, self.rows)


def _short(value: float) -> str:
    return f"{value:.6g}"
