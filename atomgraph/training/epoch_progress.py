"""Progress of training on the terminal: epoch, loss, errors with units, speed and remaining time."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atomgraph.old_names import OldAttribute
from atomgraph.progress import duration
from atomgraph.training.error_sums import format_error

LINES = 20  # approximate number of lines that a run prints
REFRESH = 0.2  # shortest time between two updates of the bar, s


class TrainingProgress(pl.Callback):
    """Prints about 20 lines per run, each for one epoch. On a terminal, a progress bar is shown below them.

    Args:
        console: Console for the output; None: standard output.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._start_time = self._refresh_time = 0.0
        self._n_structures = self._first_epoch = 0
        self._errors = ""

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._start_time = time.perf_counter()
        self._n_structures, self._first_epoch = 0, trainer.current_epoch
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        self._live = Live(console=self.console, transient=True, refresh_per_second=5)
        self._live.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._n_structures += batch.n_graphs * trainer.world_size
        time_now = time.perf_counter()
        if self._live is None or time_now - self._refresh_time < REFRESH:
            return
        self._refresh_time = time_now
        n_done = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
        max_epochs = trainer.max_epochs or 1
        row = Table.grid(padding=(0, 2))
        row.add_row(
            Text(f"epoch {trainer.current_epoch + 1}/{max_epochs}", style="bold"),
            ProgressBar(total=float(max_epochs), completed=n_done, width=20),
            self._speed(),
            self._remaining_time(trainer, n_done),
        )
        self._live.update(Group(row, Text(self._errors, no_wrap=True, overflow="ellipsis")))

    def on_train_epoch_end(self, trainer: pl.Trainer, task: Any) -> None:
        epoch, max_epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        metrics = [f"{term.property}_{term.metric}" for term in task.terms]
        errors = [format_error(name, task.validation[name]) for name in metrics if name in task.validation]
        self._errors = ", ".join([f"loss {task.training_loss:.4g}", *errors])
        if trainer.is_global_zero and (epoch % max(1, max_epochs // LINES) == 0 or epoch in (1, max_epochs)):
            number = f"epoch {epoch:>{len(str(max_epochs))}}/{max_epochs}"
            parts = [number, self._errors, self._speed(), self._remaining_time(trainer, epoch)]
            self.print_line("  ".join(part for part in parts if part))

    def print_line(self, line: str) -> None:
        """Print a line above the progress bar."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    say = OldAttribute("print_line")

    def _speed(self) -> str:
        """Return the training speed as text."""
        return f"{self._n_structures / max(time.perf_counter() - self._start_time, 1e-9):.0f} structures/s"

    def _remaining_time(self, trainer: pl.Trainer, n_done: float) -> str:
        """Return the remaining time as text, from the number of finished epochs; empty after the last epoch."""
        seconds_per_epoch = (time.perf_counter() - self._start_time) / max(n_done - self._first_epoch, 1e-9)
        seconds = seconds_per_epoch * ((trainer.max_epochs or 1) - n_done)
        return f"{duration(seconds)} left" if seconds > 0 else ""

    def _end(self) -> None:
        """Remove the progress bar."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._end()

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        self._end()
