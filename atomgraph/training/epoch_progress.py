"""What a user sees while a potential is trained: epoch, loss, errors with units, speed, time left."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atomgraph.progress import duration
from atomgraph.training.error_sums import in_words

LINES = 20  # about so many lines stay for a run
REFRESH = 0.2  # seconds


class TrainingProgress(pl.Callback):
    """A bar on a terminal with a line above it every so many epochs; only the lines where there is no terminal."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._began = self._shown = 0.0
        self._structures = self._first_epoch = 0
        self._errors = ""

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._began = time.perf_counter()
        self._structures, self._first_epoch = 0, trainer.current_epoch
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        self._live = Live(console=self.console, transient=True, refresh_per_second=5)
        self._live.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._structures += batch.n_graphs * trainer.world_size
        now = time.perf_counter()
        if self._live is None or now - self._shown < REFRESH:
            return
        self._shown = now
        done = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
        last = trainer.max_epochs or 1
        row = Table.grid(padding=(0, 2))
        row.add_row(
            Text(f"epoch {trainer.current_epoch + 1}/{last}", style="bold"),
            ProgressBar(total=float(last), completed=done, width=20),
            self._speed(),
            self._left(trainer, done),
        )
        self._live.update(Group(row, Text(self._errors, no_wrap=True, overflow="ellipsis")))

    def on_train_epoch_end(self, trainer: pl.Trainer, task: Any) -> None:
        epoch, last = trainer.current_epoch + 1, trainer.max_epochs or 1
        shown = [f"{term.property}_{term.metric}" for term in task.terms]
        errors = [in_words(name, task.validation[name]) for name in shown if name in task.validation]
        self._errors = ", ".join([f"loss {task.training_loss:.4g}", *errors])
        if trainer.is_global_zero and (epoch % max(1, last // LINES) == 0 or epoch in (1, last)):
            parts = [f"epoch {epoch:>{len(str(last))}}/{last}", self._errors, self._speed(), self._left(trainer, epoch)]
            self.say("  ".join(part for part in parts if part))

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _speed(self) -> str:
        return f"{self._structures / max(time.perf_counter() - self._began, 1e-9):.0f} structures/s"

    def _left(self, trainer: pl.Trainer, done: float) -> str:
        seconds = (time.perf_counter() - self._began) / max(done - self._first_epoch, 1e-9)
        left = seconds * ((trainer.max_epochs or 1) - done)
        return f"{duration(left)} left" if left > 0 else ""

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._end()

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        self._end()
