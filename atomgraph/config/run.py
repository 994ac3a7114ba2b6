"""The run: data to trained potential, in the order in which things must happen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from atomgraph.config.base_run import Run
from atomgraph.config.finetuning import finetune_config_of, run_of
from atomgraph.config.folder import CONFIG, RunFolder, run_to_resume
from atomgraph.config.inputs import check_inputs_stay
from atomgraph.config.lock import locked
from atomgraph.config.parts import only_imported
from atomgraph.config.reading import read_yaml
from atomgraph.config.resolve import config_of
from atomgraph.config.schema import Config, Gradient
from atomgraph.errors import ConfigError
from atomgraph.potential import Potential

SOLVING = ("solver", "prior", "strength", "power", "scaled", "significance", "jitter", "accelerator")


def train(
    config: Config | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Train a potential as a configuration says, in a new run folder.

    config: a mapping, a YAML file, or a validated ``Config``.  overwrite: replace an earlier run in the folder.
    quiet: say nothing.
    Returns the potential with its best weights, and its metrics (errors with their units, facts of the run).
    Raises ConfigError and DataError before anything is written, TrainingError for a loss that is not finite,
    KeyboardInterrupt after Ctrl-C, with the best weights so far in the run folder.
    """
    checked = config_of(config)
    with locked(checked.output.folder):
        folder = RunFolder.new(checked.output.folder, overwrite=overwrite)
        if overwrite:
            check_inputs_stay(checked, folder.path)
        return _run_of(checked, folder, quiet=quiet, overwrite=overwrite).carry_out()


def resume(
    folder: str | Path, overrides: Iterable[str] = (), *, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Go on with a run that was stopped, exactly as if it had not been.

    overrides: ``fit.max_epochs=200`` and the like; what was fitted so far must stay what it is, so only keys of ``fit``.
    A configuration is code: it names classes, whose modules are imported. That of a run folder, which somebody else may have
    made, names only classes of atomgraph and of modules that the program has imported already.
    Raises ConfigError where there is no run, its data are other ones now, another process is at work in the folder, or it has
    made progress and has lost the checkpoint to go on from.
    """
    run = run_to_resume(folder)
    words = list(overrides)
    strange = [word for word in words if not word.startswith("fit.")]
    if strange:
        raise ConfigError(f"a run that goes on can change keys of fit only, not {strange[0].partition('=')[0]}")
    if any(word.startswith("fit.optimizer.kind=") for word in words):
        raise ConfigError(
            "fit.optimizer.kind: a run goes on with the optimiser that it has; start another run for another"
        )
    with locked(run.path), only_imported():
        if "start" in read_yaml(run.path / CONFIG):
            tuning = finetune_config_of(run.path / CONFIG, words)
            tuning.output.folder = str(run.path)
            return _going_on(run_of(tuning, run, quiet=quiet, going_on=True))
        config = config_of(run.path / CONFIG, words)
        if not isinstance(config.fit, Gradient):
            _check_solving_only(words)
        config.output.folder = str(run.path)
        return _going_on(_run_of(config, run, quiet=quiet, going_on=True))


def _going_on(run: Run) -> tuple[Potential, dict[str, Any]]:
    run.check_going_on()
    return run.carry_out()


def _run_of(config: Config, folder: RunFolder, **words: bool) -> Run:
    """Each kind of run, imported when it is wanted: Lightning takes seconds and memory that a closed form does not need."""
    if isinstance(config.fit, Gradient):
        from atomgraph.config.gradient_run import TrainingRun

        return TrainingRun(config, config.fit, folder, **words)
    from atomgraph.config.closed_form_run import ClosedFormRun

    return ClosedFormRun(config, config.fit, folder, **words)


def _check_solving_only(words: Iterable[str]) -> None:
    """Rows that were absorbed stay what they are; only what is done with them in the end can change."""
    for word in words:
        key = word.partition("=")[0]
        if key.removeprefix("fit.") not in SOLVING:
            raise ConfigError(f"{key}: rows of this fit are made already; start another run for another {key}")
