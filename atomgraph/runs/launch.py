"""train, finetune and resume: from a configuration or a run folder to a fitted potential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.model_spec import only_imported
from atomgraph.config.old_keys import current_option
from atomgraph.config.reading import read_yaml
from atomgraph.config.resolve import config_of, finetune_config_of
from atomgraph.config.schema import Config, Gradient
from atomgraph.errors import ConfigError
from atomgraph.old_names import reading_old_file
from atomgraph.potential import Potential
from atomgraph.runs.folder import CONFIG, RunFolder, run_to_resume
from atomgraph.runs.folder_lock import locked
from atomgraph.runs.input_check import check_inputs_stay
from atomgraph.runs.make_run import make_run

SOLVING = ("solver", "prior", "strength", "power", "scale_columns", "significance", "jitter", "accelerator")


def train(
    config: Config | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Train a potential as a configuration says, in a new run folder.

    Args:
        config: A mapping, a YAML file, or a validated ``Config``.
        overwrite: Whether an earlier run in the folder is replaced.
        quiet: Whether nothing is printed.

    Returns:
        The potential with its best weights, and its metrics: errors with their units, facts of the run.

    Raises:
        ConfigError: Before anything is written.
        DataError: Before anything is written.
        TrainingError: If a loss is not finite.
        KeyboardInterrupt: After Ctrl-C, with the best weights so far in the run folder.
    """
    return _run(config_of(config), "train", overwrite=overwrite, quiet=quiet)


def finetune(
    config: FinetuneConfig | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Fine-tune an existing potential as a configuration says, in a new run folder.

    Args:
        config: A mapping, a YAML file, or a validated ``FinetuneConfig``.
        overwrite: Whether an earlier run in the folder is replaced.
        quiet: Whether nothing is printed.

    Returns:
        The potential with its best weights, and its metrics: errors with their units, facts of the run.

    Raises:
        ConfigError: Before anything is written.
        DataError: Before anything is written.
        TrainingError: If a loss is not finite.
        KeyboardInterrupt: After Ctrl-C, with the best weights so far in the run folder.
    """
    return _run(finetune_config_of(config), "finetune", overwrite=overwrite, quiet=quiet)


def _run(
    config: Config | FinetuneConfig, command: str, *, overwrite: bool, quiet: bool
) -> tuple[Potential, dict[str, Any]]:
    with locked(config.output.folder):
        folder = RunFolder.new(config.output.folder, overwrite=overwrite, command=command)
        if overwrite:
            check_inputs_stay(config, folder.path)
        return make_run(config, folder, quiet=quiet, overwrite=overwrite).run()


def resume(
    folder: str | Path, overrides: Iterable[str] = (), *, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Resume a stopped run; the result is that of an uninterrupted run.

    A configuration is code: it names classes, whose modules are imported. The configuration of a run folder, which somebody
    else may have made, names only classes of atomgraph and of modules that the program has imported already.

    Args:
        folder: The run folder.
        overrides: ``fit.max_epochs=200`` and the like; only keys of ``fit`` can change.
        quiet: Whether nothing is printed.

    Returns:
        The potential with its best weights, and its metrics.

    Raises:
        ConfigError: If there is no run in the folder, the data have changed, another process uses the folder, or the run has
            made progress and its checkpoint is missing.
    """
    run = run_to_resume(folder)
    options = [current_option(option) for option in overrides]
    others = [option for option in options if not option.startswith("fit.")]
    if others:
        raise ConfigError(f"a run that goes on can change keys of fit only, not {others[0].partition('=')[0]}")
    if any(option.startswith("fit.optimizer.kind=") for option in options):
        raise ConfigError(
            "fit.optimizer.kind: a run goes on with the optimiser that it has; start another run for another"
        )
    with locked(run.path), only_imported(), reading_old_file():
        config: Config | FinetuneConfig
        if "start" in read_yaml(run.path / CONFIG):
            config = finetune_config_of(run.path / CONFIG, options)
        else:
            config = config_of(run.path / CONFIG, options)
            if not isinstance(config.fit, Gradient):
                _check_solving_only(options)
        output = config.output.model_copy(update={"folder": str(run.path)})  # the folder may have been moved
        resumed = make_run(config.model_copy(update={"output": output}), run, quiet=quiet, resuming=True)
        resumed.fit.check_resumable()
        return resumed.run()


def _check_solving_only(options: Iterable[str]) -> None:
    """ConfigError for keys that would change rows of the linear problem: those of a stopped fit are kept."""
    for option in options:
        key = option.partition("=")[0]
        if key.removeprefix("fit.") not in SOLVING:
            raise ConfigError(f"{key}: rows of this fit are made already; start another run for another {key}")
