"""From a configuration to a run: the source of the potential and the fit that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atomgraph.config.distributed import is_first_process
from atomgraph.config.finetune_schema import FinetuneConfig, GaussNewton, LastLayer, Solved, sections_of_gradients
from atomgraph.config.schema import Config, Gradient
from atomgraph.errors import ConfigError
from atomgraph.progress import output_console
from atomgraph.runs.context import RunContext
from atomgraph.runs.folder import RunFolder
from atomgraph.runs.loggers import check_loggers
from atomgraph.runs.run import Fit, Run
from atomgraph.runs.sources.new import NewPotential

if TYPE_CHECKING:
    from atomgraph.runs.sources.existing import ExistingPotential  # imports matplotlib


def make_run(
    config: Config | FinetuneConfig,
    folder: RunFolder,
    *,
    quiet: bool = False,
    overwrite: bool = False,
    resuming: bool = False,
) -> Run:
    """The run of a configuration in a folder.

    Args:
        config: A validated configuration of training or fine-tuning.
        folder: The run folder.
        quiet: Whether nothing is printed.
        overwrite: Whether an earlier run in the folder is replaced.
        resuming: Whether the run was started earlier and goes on.

    Raises:
        ConfigError: For sections without effect on the method, and for loggers that are not installed.
    """
    is_first = is_first_process()
    context = RunContext(
        folder,
        output_console(quiet=quiet or not is_first),
        is_first,
        seed=config.seed,
        command="finetune" if isinstance(config, FinetuneConfig) else "train",
        overwrite=overwrite,
        resuming=resuming,
    )
    if isinstance(config, FinetuneConfig):
        from atomgraph.runs.sources.existing import ExistingPotential

        _check_sections(config)
        check_loggers(config.output.loggers)
        source = ExistingPotential(context, config)
        return Run(context, source, _finetune_fit(context, config, source))
    check_loggers(config.output.loggers)
    return Run(context, NewPotential(context, config), _fit(context, config))


def _fit(context: RunContext, config: Config) -> Fit:
    if isinstance(
        config.fit, Gradient
    ):  # imported here: Lightning takes seconds that a fit in closed form does not need
        from atomgraph.runs.fits.gradient import GradientFit

        return GradientFit(context, config, config.fit)
    from atomgraph.runs.fits.closed_form import ClosedFormFit

    return ClosedFormFit(context, config.fit)


def _finetune_fit(context: RunContext, config: FinetuneConfig, source: ExistingPotential) -> Fit:
    method = config.method
    if isinstance(method, LastLayer):
        from atomgraph.runs.fits.last_layer import LastLayerFit

        return LastLayerFit(context, method, source)
    if isinstance(method, GaussNewton):
        from atomgraph.runs.fits.gauss_newton import GaussNewtonFit

        return GaussNewtonFit(context, method, source)
    from atomgraph.runs.fits.finetune import FinetuneFit

    return FinetuneFit(context, config, source)


def _check_sections(config: FinetuneConfig) -> None:
    """ConfigError for sections that the method does not use."""
    if not isinstance(config.method, Solved):
        return
    idle = [name for name, default in sections_of_gradients().items() if getattr(config, name) != default]
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} would have no effect on method: {{kind: {config.method.kind}}}, which solves linear problems; "
            f"leave them out"
        )
