"""The settings of a run that its potential builder and its fit method share."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from atomgraph.runs.folder import RunFolder


@dataclass(frozen=True)
class RunContext:
    """Folder, console and options of a run.

    Attributes:
        folder: The run folder.
        console: Console for progress; without output in all processes except the main process.
        is_main_process: Whether this is the main process (rank 0), which prints and writes files.
        seed: Seed of the split, the initial weights and the shuffling.
        command: Name of the command for this kind of run, ``train`` or ``finetune``.
        overwrite: Whether this run replaces the files of an earlier run in the folder.
        resuming: Whether this run resumes a stopped run.
    """

    folder: RunFolder
    console: Console
    is_main_process: bool
    seed: int
    command: str
    overwrite: bool = False
    resuming: bool = False

    def print_line(self, line: str) -> None:
        """Print a line of text without interpreting markup."""
        self.console.print(line, markup=False, soft_wrap=True)
