"""The functions ``train``, ``finetune`` and ``resume``, which start or resume a run and return the fitted potential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.model_spec import without_imports
from atomgraph.config.old_keys import current_option
from atomgraph.config.reading import read_yaml
from atomgraph.config.resolve import read_config, read_finetune_config
from atomgraph.config.schema import Config, Gradient
from atomgraph.errors import ConfigError
from atomgraph.old_names import reading_old_file
from atomgraph.potential import Potential
from atomgraph.runs.folder import CONFIG, RunFolder, find_run
from atomgraph.runs.folder_lock import lock_folder
from atomgraph.runs.input_check import check_overwrite_keeps_inputs
from atomgraph.runs.make_run import make_run

SOLVER_KEYS = ("solver", "prior", "strength", "power", "scale_columns", "significance", "jitter", "accelerator")
"""Keys of fits in closed form that can change on resuming: they do not change the rows of the linear problem."""


def train(
    config: Config | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Train a potential in a new run folder.

    Args:
        config: The configuration: a mapping, the path of a YAML file, or a ``Config``.
        overwrite: Whether to replace an earlier run in the folder.
        quiet: Suppress output.

    Returns:
        The potential with the best weights, and its metrics: errors with units, and facts of the run.

    Raises:
        ConfigError: If the configuration has an error or contradicts the data. No file is written.
        DataError: If structures cannot be read or have implausible labels. No file is written.
        TrainingError: If a loss is not finite.
        KeyboardInterrupt: After Ctrl-C; the best weights so far are in the run folder.
    """
    return _run(read_config(config), "train", overwrite=overwrite, quiet=quiet)


def finetune(
    config: FinetuneConfig | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Fine-tune an existing potential in a new run folder.

    Args:
        config: The configuration: a mapping, the path of a YAML file, or a ``FinetuneConfig``.
        overwrite: Whether to replace an earlier run in the folder.
        quiet: Suppress output.

    Returns:
        The potential with the best weights, and its metrics: errors with units, and facts of the run.

    Raises:
        ConfigError: If the configuration has an error or contradicts the data. No file is written.
        DataError: If structures cannot be read or have implausible labels. No file is written.
        TrainingError: If a loss is not finite.
        KeyboardInterrupt: After Ctrl-C; the best weights so far are in the run folder.
    """
    return _run(read_finetune_config(config), "finetune", overwrite=overwrite, quiet=quiet)


def _run(
    config: Config | FinetuneConfig, command: str, *, overwrite: bool, quiet: bool
) -> tuple[Potential, dict[str, Any]]:
    """Execute a validated configuration in its run folder."""
    with lock_folder(config.output.folder):
        folder = RunFolder.new(config.output.folder, overwrite=overwrite, command=command)
        if overwrite:
            check_overwrite_keeps_inputs(config, folder.path)
        return make_run(config, folder, quiet=quiet, overwrite=overwrite).run()


def resume(
    folder: str | Path, overrides: Iterable[str] = (), *, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Resume a stopped run; the result equals that of an uninterrupted run.

    Security: a configuration can name classes, whose modules are imported, so it can execute code. A run folder may come from
    another person. Therefore, a resumed run can use only classes of atomgraph and of modules that are already imported.

    Args:
        folder: The run folder.
        overrides: Options such as ``fit.max_epochs=200``; only keys of ``fit`` can change.
        quiet: Suppress output.

    Returns:
        The potential with the best weights, and its metrics: errors with units, and facts of the run.

    Raises:
        ConfigError: If the folder has no run, the data have changed, another process uses the folder, or the run has made
            progress but its checkpoint is missing.
    """
    run = find_run(folder)
    options = [current_option(option) for option in overrides]
    forbidden = [option for option in options if not option.startswith("fit.")]
    if forbidden:
        raise ConfigError(f"a resumed run can change only keys of fit, not {forbidden[0].partition('=')[0]}")
    if any(option.startswith("fit.optimizer.kind=") for option in options):
        raise ConfigError(
            "fit.optimizer.kind: a resumed run keeps its optimiser; start a new run for another optimiser"
        )
    with lock_folder(run.path), without_imports(), reading_old_file():
        config: Config | FinetuneConfig
        if "start" in read_yaml(run.path / CONFIG):
            config = read_finetune_config(run.path / CONFIG, options)
        else:
            config = read_config(run.path / CONFIG, options)
            if not isinstance(config.fit, Gradient):
                _check_solver_keys(options)
        output = config.output.model_copy(update={"folder": str(run.path)})  # the folder may have been moved
        resumed = make_run(config.model_copy(update={"output": output}), run, quiet=quiet, resuming=True)
        resumed.fit_method.check_resumable()
        return resumed.run()


def _check_solver_keys(options: Iterable[str]) -> None:
    """Raise ConfigError for keys that change rows of the linear problem, because the stopped fit has saved its rows."""
    for option in options:
        key = option.partition("=")[0]
        if key.removeprefix("fit.") not in SOLVER_KEYS:
            raise ConfigError(
                f"{key} cannot change: the fit has saved rows of its linear problem; start a new run to change {key}"
            )
