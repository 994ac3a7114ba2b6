"""Progress while one waits, on a terminal and nowhere else."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def terminal_progress(*columns: ProgressColumn) -> Progress:
    """A progress display on stderr that leaves nothing behind, and is silent where stderr is a file or a pipe."""
    console = Console(stderr=True)
    return Progress(*columns, transient=True, console=console, disable=not console.is_terminal)
