"""Fine-tuning in closed form: the last layer of the readouts around its first weights, with its uncertainty."""

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
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import assign_head
from atomgraph.runs.fits.block_progress import BlockProgress
from atomgraph.runs.fits.linear import LinearFit
from atomgraph.runs.fits.solve import describe_solution
from atomgraph.runs.folder import TABLE
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.sources.existing import ExistingPotential


class LastLayerFit(LinearFit):
    """``method.kind: last_layer``: one pass over the training structures, one linear problem; all other weights are frozen."""

    kind = "last_layer"
    description = "fine-tuned, last layer in closed form"

    def __init__(self, context: RunContext, settings: LastLayer, source: ExistingPotential):
        super().__init__(context, settings, source)
        self.settings = settings

    def _check(self, prepared: Prepared) -> Prepared:
        prepared = self._with_one_head(prepared)
        for part in prepared.graphs.values():
            assign_head(part, 0)
        try:
            LinearWeights(prepared.potential.model, keep_weights=True)
        except FittingError as error:
            raise ConfigError(f"method.kind: last_layer: {error}") from error
        return prepared

    def _solve(self, prepared: Prepared) -> dict[str, Any]:
        began, settings, context = perf_counter(), self.settings, self.context
        potential, graphs = prepared.potential, prepared.graphs
        problem = LinearProblem(potential, Noise(Sigma(**settings.sigma.model_dump())), keep_weights=True)
        with BlockProgress(context.console, len(graphs["train"]), context.folder.path / TABLE) as progress:
            reduced = accumulate(problem, graphs["train"], edge_budget=settings.block, on_block=progress)
        solution = solve_least_squares(problem.unknowns, reduced, solver=settings.solver, strength=settings.strength)
        facts = solution.facts | add_uncertainty(potential, solution.solution, graphs["valid"])
        context.say(f"fitted in {duration(perf_counter() - began)}; {describe_solution(solution)}")
        context.say(
            f"uncertainty: {facts['calibration']:.3g} times what the fit says, by the errors of {facts['calibrated_on']} "
            f"validation energies"
        )
        return facts

    def _with_one_head(self, prepared: Prepared) -> Prepared:
        potential, head = prepared.potential, self.source.starting.head
        if len(potential.heads) == 1:
            return prepared
        self.context.say(f"only the head {head} is kept: the last layer is solved for one head")
        try:
            kept = keep_heads(potential, [head])
        except AtomgraphError as error:
            raise ConfigError(f"method.kind: last_layer: {error}") from error
        return replace(prepared, potential=kept, initial=deepcopy(kept))
