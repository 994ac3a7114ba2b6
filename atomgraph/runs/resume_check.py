"""Checks before a run is resumed: progress without a checkpoint is an error, because resuming would lose the progress."""

from __future__ import annotations

from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError
from atomgraph.runs.folder import MODEL, TABLE, RunFolder
from atomgraph.training.csv_table import read_table

START_AGAIN = "start the run again (--overwrite instead of --resume)"


def check_epochs(run: RunFolder, last: str, best: str) -> None:
    """Check that a run by gradient that has finished an epoch has the checkpoint of its last epoch.

    Args:
        run: The run folder.
        last: File name of the checkpoint of the last epoch.
        best: File name of the checkpoint of the best epoch.

    Raises:
        ConfigError: If the run has rows in metrics.csv, a checkpoint of the best epoch or a model, but no checkpoint of the
            last epoch.
    """
    progress = _progress(run, best)
    if progress and not (run.checkpoints / last).is_file():
        path = run.checkpoints / best
        copy_hint = f"copy {path} to {last} to resume from the best epoch, or " if path.is_file() else ""
        raise ConfigError(
            f"{run.checkpoints / last} is missing, but the run has made progress ({progress}); {copy_hint}{START_AGAIN}"
        )


def check_blocks(run: RunFolder, block: str, save_every: float) -> None:
    """Check that a fit in closed form has its saved block, if the fit has run longer than ``save_every``.

    Args:
        run: The run folder.
        block: File name of the saved block.
        save_every: Time between saved blocks, s; a shorter fit has no saved block.

    Raises:
        ConfigError: If metrics.csv or the model show that the saved block is missing.
    """
    if (run.checkpoints / block).is_file():
        return
    rows = read_table(run.path / TABLE)
    seconds = float(rows[-1].get("seconds") or 0.0) if rows else 0.0
    if seconds > save_every or (run.path / MODEL).is_file():
        raise ConfigError(
            f"{run.checkpoints / block} is missing, but the fit has made progress ({_progress(run)}); {START_AGAIN}"
        )


def check_steps(run: RunFolder, kind: str) -> None:
    """Check that a run with a method without checkpoints has made no progress.

    Args:
        run: The run folder.
        kind: Kind of the method.

    Raises:
        ConfigError: If the run has rows in metrics.csv, or a model.
    """
    if progress := _progress(run):
        model = run.path / MODEL
        new_run_hint = f", or start a new run from its weights (start.model={model})" if model.is_file() else ""
        raise ConfigError(
            f"{run.path}: method: {{kind: {kind}}} saves no checkpoints, and the run has made progress ({progress}); "
            f"{START_AGAIN}{new_run_hint}"
        )


def _progress(run: RunFolder, *checkpoints: str) -> str:
    """Return a description of the progress of a run; empty for a run without progress."""
    rows = len(read_table(run.path / TABLE))
    row_count = [f"{TABLE} has {format_count(rows, 'row')}"] if rows else []
    files = [*(run.checkpoints / name for name in checkpoints), run.path / MODEL]
    return ", ".join([*row_count, *(f"{path.name} exists" for path in files if path.is_file())])
