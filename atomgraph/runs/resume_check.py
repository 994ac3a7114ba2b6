"""Checks before a run is resumed: progress without its checkpoint would be lost silently."""

from __future__ import annotations

from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError
from atomgraph.runs.folder import MODEL, TABLE, RunFolder
from atomgraph.training.csv_table import read_table

AGAIN = "start the run again (--overwrite in the place of --resume)"


def check_epochs(run: RunFolder, last: str, best: str) -> None:
    """Check that training by gradient has the checkpoint of its last epoch, if there are epochs.

    Args:
        run: The run folder.
        last: Name of the checkpoint of the last epoch.
        best: Name of the checkpoint of the best epoch.

    Raises:
        ConfigError: If there are rows in metrics.csv, a best epoch or a model, but no last epoch.
    """
    progress = _progress(run, best)
    if progress and not (run.checkpoints / last).is_file():
        path = run.checkpoints / best
        copied = f"copy {path} to {last} to go on from the best epoch, or " if path.is_file() else ""
        raise ConfigError(f"{run.checkpoints / last} is missing, but the run has begun ({progress}); {copied}{AGAIN}")


def check_blocks(run: RunFolder, block: str, save_every: float) -> None:
    """Check that a fit in closed form has its saved block, if it was long enough to save one.

    Args:
        run: The run folder.
        block: Name of the file of the saved block.
        save_every: Seconds between saved blocks; a shorter fit has none.

    Raises:
        ConfigError: If metrics.csv or a model show that a block is missing.
    """
    if (run.checkpoints / block).is_file():
        return
    rows = read_table(run.path / TABLE)
    seconds = float(rows[-1].get("seconds") or 0.0) if rows else 0.0
    if seconds > save_every or (run.path / MODEL).is_file():
        raise ConfigError(f"{run.checkpoints / block} is missing, but the fit has begun ({_progress(run)}); {AGAIN}")


def check_steps(run: RunFolder, kind: str) -> None:
    """Check that a method without checkpoints has not begun.

    Args:
        run: The run folder.
        kind: Kind of the method.

    Raises:
        ConfigError: If there are rows in metrics.csv, or a model.
    """
    if progress := _progress(run):
        model = run.path / MODEL
        from_model = f", or another run from its weights (start.model={model})" if model.is_file() else ""
        raise ConfigError(
            f"{run.path}: method: {{kind: {kind}}} keeps no checkpoints to go on from, and the run has begun ({progress}); "
            f"{AGAIN}{from_model}"
        )


def _progress(run: RunFolder, *checkpoints: str) -> str:
    """A description of the progress of a run; empty for a run that has not begun."""
    rows = len(read_table(run.path / TABLE))
    signs = [f"{TABLE} has {format_count(rows, 'row')}"] if rows else []
    files = [*(run.checkpoints / name for name in checkpoints), run.path / MODEL]
    return ", ".join([*signs, *(f"there is {path.name}" for path in files if path.is_file())])
