"""Progress while one waits, on a terminal and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, ProgressColumn

T = TypeVar("T")


def terminal_progress(*columns: ProgressColumn, shown: bool = True) -> Progress:
    """A progress display on stderr that leaves nothing behind, and is silent where stderr is a file or a pipe."""
    console = Console(stderr=True)
    return Progress(*columns, transient=True, console=console, disable=not (shown and console.is_terminal))


def watched(items: Iterable[T], description: str, total: int, *, shown: bool = True) -> Iterator[T]:
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
