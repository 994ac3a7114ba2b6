"""Fine-tuning of the last layer of the readouts in closed form, with an uncertainty estimate."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from time import perf_counter
from typing import Any

from atomgraph.config.finetune_schema import LastLayer
from atomgraph.editing import keep_heads
from atomgraph.errors import AtomgraphError, ConfigError
from atomgraph.fitting import (
    FittingError,
    LinearProblem,
    LinearWeights,
    Noise,
    Sigma,
    accumulate,
    add_uncertainty,
    solve_least_squares,
)
from atomgraph.progress import duration
from atomgraph.runs.builders.existing import ExistingPotentialBuilder
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import assign_head
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.fits.block_progress import BlockProgress
from atomgraph.runs.fits.linear import LinearFit
from atomgraph.runs.fits.solve import describe_solution
from atomgraph.runs.folder import TABLE


class LastLayerFit(LinearFit):
    """Fit method for ``method.kind: last_layer``: solves a linear problem; all other weights are frozen.

    Args:
        context: Folder, console and options of the run.
        settings: The section ``method``.
        builder: Builder of the potential, with the starting potential.
    """

    kind = "last_layer"
    description = "fine-tuned, last layer in closed form"

    def __init__(self, context: RunContext, settings: LastLayer, builder: ExistingPotentialBuilder):
        super().__init__(context, settings, builder)
        self.settings = settings

    def _check(self, inputs: FitInputs) -> FitInputs:
        inputs = self._keep_trained_head(inputs)
        for graphs in inputs.graphs.values():
            assign_head(graphs, 0)  # the only head
        try:
            LinearWeights(inputs.potential.model, keep_weights=True)
        except FittingError as error:
            raise ConfigError(f"method.kind: last_layer: {error}") from error
        return inputs

    def _solve(self, inputs: FitInputs) -> dict[str, Any]:
        start_time, settings, context = perf_counter(), self.settings, self.context
        potential, graphs = inputs.potential, inputs.graphs
        problem = LinearProblem(potential, Noise(Sigma(**settings.sigma.model_dump())), keep_weights=True)
        with BlockProgress(context.console, len(graphs["train"]), context.folder.path / TABLE) as progress:
            factor = accumulate(problem, graphs["train"], edge_budget=settings.block, on_block=progress)
        solution = solve_least_squares(problem.unknowns, factor, solver=settings.solver, strength=settings.strength)
        facts = solution.facts | add_uncertainty(potential, solution.solution, graphs["valid"])
        context.print_line(f"fitted in {duration(perf_counter() - start_time)}; {describe_solution(solution)}")
        context.print_line(
            f"uncertainty: {facts['calibration']:.3g} times the estimate of the fit, calibrated with the errors of "
            f"{facts['calibrated_on']} validation energies"
        )
        return facts

    def _keep_trained_head(self, inputs: FitInputs) -> FitInputs:
        """Return inputs in which the potential has only the trained head."""
        potential, head = inputs.potential, self.builder.starting.head
        if len(potential.heads) == 1:
            return inputs
        self.context.print_line(f"only the head {head} is kept: the last layer is solved for one head")
        try:
            edited = keep_heads(potential, [head])
        except AtomgraphError as error:
            raise ConfigError(f"method.kind: last_layer: {error}") from error
        return replace(inputs, potential=edited, initial=deepcopy(edited))
