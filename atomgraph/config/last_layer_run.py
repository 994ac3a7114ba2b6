"""Fine-tuning in closed form: the last layer of the readouts solved for around its first weights, with its uncertainty."""

from __future__ import annotations

import time
from copy import deepcopy
from functools import partial
from typing import Any

import torch

from atomgraph.config.closed_form_run import in_words, watched_blocks
from atomgraph.config.ending import judge, metrics_of, write_down
from atomgraph.config.finetune_schema import FinetuneConfig, LastLayer
from atomgraph.config.folder import TABLE, RunFolder
from atomgraph.config.started_run import StartedRun, assign_head
from atomgraph.editing import keep_heads
from atomgraph.errors import AtomgraphError, ConfigError
from atomgraph.fitting import FittingError, LinearProblem, Noise, Sigma, add_uncertainty, solve_least_squares, stream
from atomgraph.potential import Potential
from atomgraph.progress import duration
from atomgraph.training.device import device_of
from atomgraph.training.randomness import seeded


class LastLayerRun(StartedRun):
    """``method.kind: last_layer``: one pass over the training structures, one linear problem; everything else is frozen."""

    how = "fine-tuned, last layer in closed form"

    def __init__(self, config: FinetuneConfig, folder: RunFolder, **words: bool):
        super().__init__(config, folder, **words)
        if not isinstance(config.method, LastLayer):
            raise ConfigError(f"method {config.method.kind} is not solved for")
        self.method = config.method

    def carry_out(self) -> tuple[Potential, dict[str, Any]]:
        began = time.perf_counter()
        device = device_of(self.method.accelerator, 1)
        with seeded(self.config.seed):
            dataset = self._gather()
            self.console.print(dataset.census)
            potential, graphs = self._prepare(dataset)
            potential = self._of_one_head(potential)
            for part in graphs.values():
                assign_head(part, 0)
            dtype = potential.model.dtype
            potential.to(torch.float64).to(device).eval()
            try:
                problem = LinearProblem(potential, Noise(Sigma(**self.method.sigma.model_dump())), around=True)
            except FittingError as error:
                raise ConfigError(f"method.kind: last_layer: {error}") from error
            self._open(dataset)
            with watched_blocks(self.console, len(graphs["train"]), self.folder.path / TABLE) as watch:
                reduced = stream(problem, graphs["train"], edge_budget=self.method.block, on_block=watch)
            solution = solve_least_squares(
                problem.unknowns, reduced, solver=self.method.solver, strength=self.method.strength
            )
            facts = solution.facts | add_uncertainty(potential, solution.fit, graphs["valid"])
            potential.cpu().to(dtype)
            seconds = time.perf_counter() - began
            self._say(f"fitted in {duration(seconds)}; {in_words(solution)}")
            self._say(
                f"uncertainty: {facts['calibration']:.3g} times what the fit says, by the errors of {facts['calibrated_on']} "
                f"validation energies"
            )
            comparisons = judge(potential, dataset, device)
            metrics = metrics_of(comparisons, facts | {"seconds": round(seconds, 2)})
            more = partial(self._sections, potential, dataset, comparisons, device)
            write_down(potential, self.config, self.folder, comparisons, metrics, self.console, device, self.how, more)
            return potential, metrics

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
