"""A fit in closed form: one pass over the structures, one linear problem."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch

from atomgraph.config.closed_form_schema import LeastSquares, SparseGP
from atomgraph.fitting import LinearWeights, measure_cancellation
from atomgraph.fitting.streaming import SAVE_EVERY
from atomgraph.potential import Potential
from atomgraph.progress import duration
from atomgraph.runs.context import RunContext
from atomgraph.runs.fits.solve import describe_solution, solve
from atomgraph.runs.folder import TABLE
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.resume_check import check_blocks
from atomgraph.runs.run import Fit
from atomgraph.runs.sources.build import describe
from atomgraph.training.device import choose_device

BLOCK = "block.safetensors"


class ClosedFormFit(Fit):
    """``fit.kind: least_squares`` and ``sparse_gp``."""

    def __init__(self, context: RunContext, settings: LeastSquares | SparseGP):
        self.context, self.settings = context, settings
        in_squares = isinstance(settings, LeastSquares)
        self.description = "fitted in closed form" if in_squares else "fitted as a sparse Gaussian process"
        self._began = perf_counter()

    def device(self) -> torch.device:
        return choose_device(self.settings.accelerator, 1)

    def check_resumable(self) -> None:
        check_blocks(self.context.folder, BLOCK, SAVE_EVERY)

    def prepare(self, prepared: Prepared) -> Prepared:
        potential = prepared.potential
        n_fitted = 0 if isinstance(self.settings, SparseGP) else LinearWeights(potential.model).n
        self.context.say(describe(potential, n_fitted))
        return prepared

    def fit(self, prepared: Prepared) -> dict[str, Any]:
        context, potential = self.context, prepared.potential
        graphs, frames = prepared.graphs["train"], prepared.dataset.parts["train"]
        solution = solve(
            potential,
            graphs,
            frames,
            self.settings,
            self.device(),
            context.console,
            seed=context.seed,
            checkpoint=context.folder.checkpoints / BLOCK,
            resume=context.resuming,
            table=context.folder.path / TABLE,
        )
        context.say(f"fitted in {duration(perf_counter() - self._began)}; {describe_solution(solution)}")
        potential.eval().cpu()
        cancellation = measure_cancellation(potential, solution.solution.weights[:, 0].cpu(), graphs, frames)
        potential.metadata["precision"] = solution.facts["precision"] = cancellation.to_json()
        context.say(str(cancellation))
        return dict(solution.facts)

    def save_interrupted(self, potential: Potential) -> str:
        return f"whole blocks are saved; go on with: atomgraph train --resume {self.context.folder.path}"
