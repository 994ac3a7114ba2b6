"""Creates the run of a configuration: chooses the potential builder and the fit method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atomgraph.config.distributed import is_first_process
from atomgraph.config.finetune_schema import (
    FinetuneConfig,
    GaussNewton,
    LastLayer,
    LinearMethod,
    gradient_section_defaults,
)
from atomgraph.config.schema import Config, Gradient
from atomgraph.errors import ConfigError
from atomgraph.progress import output_console
from atomgraph.runs.builders.new import NewPotentialBuilder
from atomgraph.runs.context import RunContext
from atomgraph.runs.folder import RunFolder
from atomgraph.runs.loggers import check_loggers
from atomgraph.runs.run import FitMethod, Run

if TYPE_CHECKING:
    from atomgraph.runs.builders.existing import ExistingPotentialBuilder  # imports matplotlib


def make_run(
    config: Config | FinetuneConfig,
    folder: RunFolder,
    *,
    quiet: bool = False,
    overwrite: bool = False,
    resuming: bool = False,
) -> Run:
    """Create the run of a configuration.

    Args:
        config: A validated configuration of training or fine-tuning.
        folder: The run folder.
        quiet: Suppress output.
        overwrite: Whether to replace an earlier run in the folder.
        resuming: Whether to resume a stopped run.

    Raises:
        ConfigError: If a section has no effect with the method, or a logger is not installed.
    """
    is_main_process = is_first_process()
    context = RunContext(
        folder,
        output_console(quiet=quiet or not is_main_process),
        is_main_process,
        seed=config.seed,
        command="finetune" if isinstance(config, FinetuneConfig) else "train",
        overwrite=overwrite,
        resuming=resuming,
    )
    if isinstance(config, FinetuneConfig):
        from atomgraph.runs.builders.existing import ExistingPotentialBuilder

        _check_sections(config)
        check_loggers(config.output.loggers)
        builder = ExistingPotentialBuilder(context, config)
        return Run(context, builder, _finetune_method(context, config, builder))
    check_loggers(config.output.loggers)
    return Run(context, NewPotentialBuilder(context, config), _training_method(context, config))


def _training_method(context: RunContext, config: Config) -> FitMethod:
    """Return the fit method of a training configuration. Imports Lightning, which takes seconds, only if necessary."""
    if isinstance(config.fit, Gradient):
        from atomgraph.runs.fits.gradient import GradientFit

        return GradientFit(context, config, config.fit)
    from atomgraph.runs.fits.closed_form import ClosedFormFit

    return ClosedFormFit(context, config.fit)


def _finetune_method(context: RunContext, config: FinetuneConfig, builder: ExistingPotentialBuilder) -> FitMethod:
    """Return the fit method of a fine-tuning configuration."""
    method = config.method
    if isinstance(method, LastLayer):
        from atomgraph.runs.fits.last_layer import LastLayerFit

        return LastLayerFit(context, method, builder)
    if isinstance(method, GaussNewton):
        from atomgraph.runs.fits.gauss_newton import GaussNewtonFit

        return GaussNewtonFit(context, method, builder)
    from atomgraph.runs.fits.finetune import FinetuneFit

    return FinetuneFit(context, config, builder)


def _check_sections(config: FinetuneConfig) -> None:
    """Raise ConfigError for sections that the method does not use."""
    if not isinstance(config.method, LinearMethod):
        return
    unused = [name for name, default in gradient_section_defaults().items() if getattr(config, name) != default]
    if unused:
        raise ConfigError(
            f"{', '.join(unused)} would have no effect on method: {{kind: {config.method.kind}}}, which solves linear "
            f"problems; remove them from the configuration"
        )
