"""Whether a run that goes on has what it goes on from: progress without a checkpoint would be lost without a word."""

from __future__ import annotations

from atomgraph.data.frame_names import number_of
from atomgraph.errors import ConfigError
from atomgraph.runs.folder import MODEL, TABLE, RunFolder
from atomgraph.training.csv_table import read_table

AGAIN = "start the run again (--overwrite in the place of --resume)"


def check_epochs(run: RunFolder, last: str, best: str) -> None:
    """Refuse a training by gradient that has begun and has lost the checkpoint of its last epoch.

    Args:
        run: The run folder.
        last: Name of the checkpoint of the last epoch.
        best: Name of the checkpoint of the best epoch.

    Raises:
        ConfigError: If there are rows in metrics.csv, a best epoch or a model, but no last epoch; with the ways out.
    """
    progress = _progress(run, best)
    if progress and not (run.checkpoints / last).is_file():
        path = run.checkpoints / best
        copied = f"copy {path} to {last} to go on from the best epoch, or " if path.is_file() else ""
        raise ConfigError(f"{run.checkpoints / last} is missing, but the run has begun ({progress}); {copied}{AGAIN}")


def check_blocks(run: RunFolder, block: str, save_every: float) -> None:
    """Refuse a fit in closed form that must have saved a block, and has lost it.

    Args:
        run: The run folder.
        block: Name of the file of the saved block.
        save_every: Seconds from one saved block to the next; a fit that was stopped earlier has none.

    Raises:
        ConfigError: If metrics.csv or a model tell of a block that is missing; with the way out.
    """
    if (run.checkpoints / block).is_file():
        return
    rows = read_table(run.path / TABLE)
    seconds = float(rows[-1].get("seconds") or 0.0) if rows else 0.0
    if seconds > save_every or (run.path / MODEL).is_file():
        raise ConfigError(f"{run.checkpoints / block} is missing, but the fit has begun ({_progress(run)}); {AGAIN}")


def check_steps(run: RunFolder, kind: str) -> None:
    """Refuse a method that keeps nothing to go on from, once it has begun.

    Args:
        run: The run folder.
        kind: Of the method.

    Raises:
        ConfigError: If there are rows in metrics.csv, or a model; with the ways out.
    """
    if progress := _progress(run):
        model = run.path / MODEL
        from_model = f", or another run from its weights (start.model={model})" if model.is_file() else ""
        raise ConfigError(
            f"{run.path}: method: {{kind: {kind}}} keeps no checkpoints to go on from, and the run has begun ({progress}); "
            f"{AGAIN}{from_model}"
        )


def _progress(run: RunFolder, *checkpoints: str) -> str:
    """What a run has made so far, in words; empty for nothing."""
    rows = len(read_table(run.path / TABLE))
    signs = [f"{TABLE} has {number_of(rows, 'row')}"] if rows else []
    files = [*(run.checkpoints / name for name in checkpoints), run.path / MODEL]
    return ", ".join([*signs, *(f"there is {path.name}" for path in files if path.is_file())])
