"""finetune: a starting potential and a configuration to a fine-tuned potential, in a run folder like that of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomgraph.config.base_run import Run
from atomgraph.config.finetune_schema import FinetuneConfig, GaussNewton, LastLayer, Solved, sections_of_gradients
from atomgraph.config.folder import RunFolder
from atomgraph.config.inputs import check_inputs_stay
from atomgraph.config.lock import locked
from atomgraph.config.resolve import check_gradient, content_of, validated
from atomgraph.errors import ConfigError
from atomgraph.potential import Potential

if TYPE_CHECKING:
    from atomgraph.analysis.finetuning.method_comparison import RunResult  # Matplotlib takes a while


def finetune(
    config: FinetuneConfig | Mapping[str, Any] | str | Path, *, overwrite: bool = False, quiet: bool = False
) -> tuple[Potential, dict[str, Any]]:
    """Fine-tune a potential as a configuration says, in a new run folder.

    config: a mapping, a YAML file, or a validated ``FinetuneConfig``.  overwrite: replace an earlier run in the folder.
    quiet: say nothing.
    Returns the potential with its best weights, and its metrics (errors with their units, facts of the run).
    Raises ConfigError and DataError before anything is written, TrainingError for a loss that is not finite,
    KeyboardInterrupt after Ctrl-C, with the best weights so far in the run folder.
    """
    checked = finetune_config_of(config)
    with locked(checked.output.folder):
        folder = RunFolder.new(checked.output.folder, overwrite=overwrite, command="finetune")
        if overwrite:
            check_inputs_stay(checked, folder.path)
        return run_of(checked, folder, quiet=quiet, overwrite=overwrite).carry_out()


def compare(config: FinetuneConfig | Mapping[str, Any] | str | Path, *, quiet: bool = False) -> list[RunResult]:
    """Run the methods and sizes of the section ``compare``, those that are not finished yet, and set them side by side.

    Each run has a folder of its own under ``runs/`` of the output folder; ``compare.json`` and ``compare.html`` stand beside
    them. Returns a ``RunResult`` a run: errors on the target and on the source.
    Raises ConfigError and DataError before the first run for what is wrong in any of them.
    """
    from atomgraph.config.finetune_compare import compare_methods

    checked = finetune_config_of(config)
    with locked(checked.output.folder):
        return compare_methods(checked, quiet=quiet)


def finetune_config_of(
    source: FinetuneConfig | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()
) -> FinetuneConfig:
    """A validated configuration of fine-tuning; ConfigError says in one line what to mend.

    source: a mapping, a YAML file, or a FinetuneConfig.  overrides: ``key.sub=value`` words.
    """
    content = content_of(source, overrides)
    if "model" in content and "start" not in content:
        raise ConfigError(
            "a configuration of fine-tuning has start: {model: FILE} in the place of model; `atomgraph train` makes new ones"
        )
    config = validated(content, FinetuneConfig)
    check_gradient(config.fit)
    return config


def run_of(config: FinetuneConfig, folder: RunFolder, **words: bool) -> Run:
    """The run of a configuration; ConfigError for sections that its method has no use for."""
    method = config.method
    if isinstance(method, Solved):
        idle = [name for name, unsaid in sections_of_gradients().items() if getattr(config, name) != unsaid]
        if idle:
            raise ConfigError(
                f"{', '.join(idle)} would have no effect on method: {{kind: {method.kind}}}, which solves linear problems; "
                f"leave them out"
            )
    if isinstance(method, LastLayer):
        from atomgraph.config.last_layer_run import LastLayerRun

        return LastLayerRun(config, method, folder, **words)
    if isinstance(method, GaussNewton):
        from atomgraph.config.gauss_newton_run import GaussNewtonRun

        return GaussNewtonRun(config, method, folder, **words)
    from atomgraph.config.finetune_run import FinetuneRun

    return FinetuneRun(config, folder, **words)
