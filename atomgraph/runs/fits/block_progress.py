"""Progress of a fit that processes structures in blocks: a progress bar, and rows of ``metrics.csv``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from atomgraph.fitting import Progress
from atomgraph.progress import terminal_progress
from atomgraph.training.csv_table import write_table


class BlockProgress:
    """A progress bar with the remaining time, and a table with a row per block.

    Args:
        console: Console of the run; the bar is hidden if the console is quiet.
        total: Number of structures.
        table: File of the table; None: no table.
    """

    def __init__(self, console: Console, total: int, table: Path | None):
        self.console, self.total, self.table = console, total, table
        self.rows: list[dict[str, Any]] = []
        self.bar = terminal_progress(
            TextColumn("fitting"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            shown=not console.quiet,
        )
        self.write_time = 0.0  # time at which the table was last written, s

    def __enter__(self) -> Callable[[Progress], None]:
        self.bar.start()
        self.task = self.bar.add_task("fitting", total=self.total)
        return self.on_block

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        if self.rows:
            self._write()

    def on_block(self, progress: Progress) -> None:
        """Update bar and table after a block; the table is written at most once per second."""
        self.bar.update(self.task, completed=progress.done)
        self.rows.append(
            {
                "block": progress.block,
                "structures": progress.done,
                "rows": progress.rows,
                "seconds": f"{progress.seconds:.2f}",
            }
        )
        if perf_counter() - self.write_time > 1.0:
            self._write()

    def _write(self) -> None:
        """Write the table."""
        if self.table is not None:
            write_table(self.table, self.rows)
        self.write_time = perf_counter()
