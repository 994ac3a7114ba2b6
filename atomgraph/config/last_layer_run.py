"""Fine-tuning in closed form: the last layer of the readouts solved for around its first weights, with its uncertainty."""

from __future__ import annotations

from copy import deepcopy
from time import perf_counter
from typing import Any

from atomgraph.config.closed_form_run import in_words, watched_blocks
from atomgraph.config.finetune_schema import LastLayer
from atomgraph.config.folder import TABLE
from atomgraph.config.solved_run import Parts, SolvedRun
from atomgraph.config.started_run import assign_head
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
from atomgraph.potential import Potential
from atomgraph.progress import duration


class LastLayerRun(SolvedRun):
    """``method.kind: last_layer``: one pass over the training structures, one linear problem; everything else is frozen."""

    how = "fine-tuned, last layer in closed form"
    solving: LastLayer

    def _ready(self, potential: Potential, graphs: Parts) -> Potential:
        potential = self._of_one_head(potential)
        for part in graphs.values():
            assign_head(part, 0)
        try:
            LinearWeights(potential.model, around=True)
        except FittingError as error:
            raise ConfigError(f"method.kind: last_layer: {error}") from error
        return potential

    def _solve(self, potential: Potential, graphs: Parts) -> dict[str, Any]:
        began, method = perf_counter(), self.solving
        problem = LinearProblem(potential, Noise(Sigma(**method.sigma.model_dump())), around=True)
        with watched_blocks(self.console, len(graphs["train"]), self.folder.path / TABLE) as watch:
            reduced = accumulate(problem, graphs["train"], edge_budget=method.block, on_block=watch)
        solution = solve_least_squares(problem.unknowns, reduced, solver=method.solver, strength=method.strength)
        facts = solution.facts | add_uncertainty(potential, solution.fit, graphs["valid"])
        self._say(f"fitted in {duration(perf_counter() - began)}; {in_words(solution)}")
        self._say(
            f"uncertainty: {facts['calibration']:.3g} times what the fit says, by the errors of {facts['calibrated_on']} "
            f"validation energies"
        )
        return facts

    def _of_one_head(self, potential: Potential) -> Potential:
        if len(potential.heads) == 1:
            return potential
        self._say(f"only the head {self.beginning.head} is kept: the last layer is solved for one head")
        try:
            kept = keep_heads(potential, [self.beginning.head])
        except AtomgraphError as error:
            raise ConfigError(f"method.kind: last_layer: {error}") from error
        self.start = deepcopy(kept)
        return kept
