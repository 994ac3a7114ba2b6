"""Fine-tuning of all weights by Gauss-Newton; each step solves a linear problem."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from atomgraph.config.finetune_schema import GaussNewton
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError
from atomgraph.fitting import FittingError, Noise, Sigma, Step, check_memory, gauss_newton
from atomgraph.fitting.jacobian import ResidualJacobian
from atomgraph.potential import Potential
from atomgraph.progress import duration
from atomgraph.runs.builders.build import describe
from atomgraph.runs.builders.existing import ExistingPotentialBuilder
from atomgraph.runs.context import RunContext
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.fits.linear import LinearFit
from atomgraph.runs.folder import MODEL, TABLE
from atomgraph.training.csv_table import write_table


class GaussNewtonFit(LinearFit):
    """Fit method for ``method.kind: gauss_newton``, for tens of structures.

    Args:
        context: Folder, console and options of the run.
        settings: The section ``method``.
        builder: Builder of the potential, with the starting potential.
    """

    kind = "gauss_newton"
    description = "fine-tuned by Gauss-Newton"

    def __init__(self, context: RunContext, settings: GaussNewton, builder: ExistingPotentialBuilder):
        super().__init__(context, settings, builder)
        self.settings = settings
        self._noise = Noise(Sigma(**settings.sigma.model_dump()))
        self._rows: list[dict[str, Any]] = []

    def _check(self, inputs: FitInputs) -> FitInputs:
        self.context.print_line(describe(inputs.potential))
        jacobian = ResidualJacobian(inputs.potential, self._noise, self.builder.starting.head)
        try:
            check_memory(jacobian, inputs.graphs["train"], self.settings.memory)
        except FittingError as error:
            raise ConfigError(f"method.kind: gauss_newton: {error}") from error
        return inputs

    def _solve(self, inputs: FitInputs) -> dict[str, Any]:
        start_time, settings, head = perf_counter(), self.settings, self.builder.starting.head
        potential, graphs = inputs.potential, inputs.graphs
        result = gauss_newton(
            potential,
            graphs["train"],
            self._noise,
            head=head,
            valid=graphs["valid"],
            steps=settings.steps,
            damping=settings.damping,
            tolerance=settings.tolerance,
            memory=settings.memory,
            on_step=self._report_step,
        )
        potential.head = head
        self.n_steps = len(result.steps)
        self.context.print_line(
            f"{format_count(len(result.steps), 'step')} in {duration(perf_counter() - start_time)}; the weights after step "
            f"{result.best} are kept ({result.end_reason})"
        )
        return {"steps": len(result.steps), "best_step": result.best, "ended": result.end_reason}

    def _report_step(self, step: Step) -> None:
        """Write the mean squares of weighted residuals after a step to the table, and print their square roots."""
        row = {"step": step.number, "damping": step.damping, "train": step.train, "valid": step.valid}
        self._rows.append(row)
        write_table(self.context.folder.path / TABLE, self._rows)
        validation = "" if step.valid is None else f", validation {step.valid**0.5:.4g}"
        self.context.print_line(
            f"step {step.number:3d}/{self.settings.steps}  errors in units of sigma: training "
            f"{step.train**0.5:.4g}{validation}; damping {step.damping:.1e}, {duration(step.seconds)}"
        )

    def save_interrupted(self, potential: Potential) -> str:
        path = self.context.folder.path / MODEL
        potential.head = self.builder.starting.head
        potential.save(path)
        return f"the best weights so far are in {path}"
