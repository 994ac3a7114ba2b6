"""Progress while one waits, on a terminal and nowhere else."""

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
INTERVAL = 30.0  # seconds between lines where there is no terminal
UNCUT = 300  # columns where there is no terminal


class LineProgress(Progress):
    """Progress where stderr is a file or a pipe: a line with the total and the time left, every half minute."""

    def __init__(self, console: Console):
        super().__init__(console=console, disable=True, auto_refresh=False)
        self._began = self._said = time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._say(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._say(task_id)

    def _say(self, task_id: TaskID) -> None:
        now = time.monotonic()
        if now - self._said < INTERVAL:
            return
        self._said = now
        task = self._tasks[task_id]
        done = [task.description] if task.description else []
        if task.total:
            done.append(f"{task.completed:g} of {task.total:g}")
            if task.completed:
                left = (now - self._began) * (task.total - task.completed) / task.completed
                done.append(f"{duration(left)} left")
        print(", ".join(done), file=sys.stderr, flush=True)


def terminal_progress(*columns: ProgressColumn, shown: bool = True) -> Progress:
    """A progress display on stderr that leaves nothing behind; lines, now and then, where stderr is a file or a pipe."""
    console = Console(stderr=True)
    if shown and not console.is_terminal:
        return LineProgress(console)
    return Progress(*columns, transient=True, console=console, disable=not shown)


def output_console(**options: Any) -> Console:
    """What commands print to; where this is a file or a pipe, tables are not cut at 80 columns (``COLUMNS`` sets a width).

    Args:
        options: As ``rich.console.Console`` takes them.
    """
    console = Console(highlight=False, **options)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(highlight=False, width=UNCUT, **options)


def track(items: Iterable[T], description: str, total: int, *, shown: bool = True) -> Iterator[T]:
    """The same items, with a bar while they come."""
    with terminal_progress(shown=shown) as progress:
        yield from progress.track(items, total=total, description=description)


def duration(seconds: float) -> str:
    """``75.2`` as ``1 min 15 s``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


__getattr__ = old_names_of(__name__)
