"""The settings that the source and the fit of a run share."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from atomgraph.runs.folder import RunFolder


@dataclass(frozen=True)
class RunContext:
    """Folder, console and options of a run.

    Attributes:
        folder: The run folder.
        console: Where progress is printed; quiet in all processes but the first.
        is_first: Whether this process prints and writes.
        seed: Of the split, the first weights and the shuffling.
        command: The command that starts such a run, ``train`` or ``finetune``.
        overwrite: Whether an earlier run in the folder is replaced.
        resuming: Whether the run was started earlier and goes on.
    """

    folder: RunFolder
    console: Console
    is_first: bool
    seed: int
    command: str
    overwrite: bool = False
    resuming: bool = False

    def say(self, line: str) -> None:
        """Print a line as it is, without markup."""
        self.console.print(line, markup=False, soft_wrap=True)
