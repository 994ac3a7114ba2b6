"""Fits in closed form: a linear problem that is set up in one pass over the structures, then solved."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch

from atomgraph.config.closed_form_schema import LeastSquares, SparseGP
from atomgraph.fitting import LinearWeights, measure_cancellation
from atomgraph.fitting.streaming import SAVE_EVERY
from atomgraph.potential import Potential
from atomgraph.progress import duration
from atomgraph.runs.builders.build import describe
from atomgraph.runs.context import RunContext
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.fits.solve import describe_solution, solve
from atomgraph.runs.folder import TABLE
from atomgraph.runs.resume_check import check_blocks
from atomgraph.runs.run import FitMethod
from atomgraph.training.device import choose_device

BLOCK = "block.safetensors"


class ClosedFormFit(FitMethod):
    """Fit method for ``fit.kind: least_squares`` and ``sparse_gp``.

    Args:
        context: Folder, console and options of the run.
        settings: The section ``fit``.
    """

    def __init__(self, context: RunContext, settings: LeastSquares | SparseGP):
        self.context, self.settings = context, settings
        is_least_squares = isinstance(settings, LeastSquares)
        self.description = "fitted in closed form" if is_least_squares else "fitted as a sparse Gaussian process"
        self._start_time = perf_counter()

    def device(self) -> torch.device:
        return choose_device(self.settings.accelerator, 1)

    def check_resumable(self) -> None:
        check_blocks(self.context.folder, BLOCK, SAVE_EVERY)

    def prepare(self, inputs: FitInputs) -> FitInputs:
        potential = inputs.potential
        n_fitted = 0 if isinstance(self.settings, SparseGP) else LinearWeights(potential.model).n
        self.context.print_line(describe(potential, n_fitted))
        return inputs

    def fit(self, inputs: FitInputs) -> dict[str, Any]:
        context, potential = self.context, inputs.potential
        graphs, frames = inputs.graphs["train"], inputs.dataset.parts["train"]
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
        context.print_line(f"fitted in {duration(perf_counter() - self._start_time)}; {describe_solution(solution)}")
        potential.eval().cpu()
        cancellation = measure_cancellation(potential, solution.solution.weights[:, 0].cpu(), graphs, frames)
        potential.metadata["precision"] = solution.facts["precision"] = cancellation.to_json()
        context.print_line(str(cancellation))
        return dict(solution.facts)

    def save_interrupted(self, potential: Potential) -> str:
        return f"all finished blocks are saved; resume with: atomgraph train --resume {self.context.folder.path}"
