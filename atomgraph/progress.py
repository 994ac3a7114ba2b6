"""Progress displays on stderr, the console for output, and times in words."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID

from atomgraph.old_names import old_names_of

T = TypeVar("T")
INTERVAL = 30.0  # s, time between two lines if stderr is not a terminal
FILE_WIDTH = 300  # width of output in columns if stdout is not a terminal


class LineProgress(Progress):
    """Progress display for stderr in a file or a pipe: a line with the remaining time, every half minute."""

    def __init__(self, console: Console):
        super().__init__(console=console, disable=True, auto_refresh=False)
        self._start_time = self._last_line_time = time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._print_line(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._print_line(task_id)

    def _print_line(self, task_id: TaskID) -> None:
        """Print the state of a task if the last line is older than the interval."""
        time_now = time.monotonic()
        if time_now - self._last_line_time < INTERVAL:
            return
        self._last_line_time = time_now
        task = self._tasks[task_id]
        phrases = [task.description] if task.description else []
        if task.total:
            phrases.append(f"{task.completed:g} of {task.total:g}")
            if task.completed:
                seconds = (time_now - self._start_time) * (task.total - task.completed) / task.completed
                phrases.append(f"{duration(seconds)} left")
        print(", ".join(phrases), file=sys.stderr, flush=True)


def terminal_progress(*columns: ProgressColumn, shown: bool = True) -> Progress:
    """Return a progress display on stderr. A bar on a terminal, which is erased at the end; else lines at intervals.

    Args:
        columns: Columns of the bar, as in ``rich.progress.Progress``.
        shown: Whether progress is displayed.
    """
    console = Console(stderr=True)
    if shown and not console.is_terminal:
        return LineProgress(console)
    return Progress(*columns, transient=True, console=console, disable=not shown)


def output_console(**options: Any) -> Console:
    """Return the console for the output of commands. In a file or a pipe its width is 300 columns, or that of ``COLUMNS``.

    Args:
        options: Options of ``rich.console.Console``.
    """
    console = Console(highlight=False, **options)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(highlight=False, width=FILE_WIDTH, **options)


def track(items: Iterable[T], description: str, total: int, *, shown: bool = True) -> Iterator[T]:
    """Yield items unchanged and display the progress.

    Args:
        items: The items.
        description: Text beside the bar.
        total: Number of items.
        shown: Whether progress is displayed.
    """
    with terminal_progress(shown=shown) as progress:
        yield from progress.track(items, total=total, description=description)


def duration(seconds: float) -> str:
    """Return a time in words: ``1 min 15 s`` for 75.2 seconds."""
    hours, remainder = divmod(round(seconds), 3600)
    minutes, whole_seconds = divmod(remainder, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole_seconds} s" if minutes else f"{whole_seconds} s"


__getattr__ = old_names_of(__name__)
