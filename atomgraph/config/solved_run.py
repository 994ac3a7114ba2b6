"""Fine-tuning that solves linear problems: what the ways of doing so share."""

from __future__ import annotations

import time
from abc import abstractmethod
from functools import partial
from typing import Any

import torch

from atomgraph.config.ending import judge, metrics_of, write_down
from atomgraph.config.finetune_schema import FinetuneConfig, Solved
from atomgraph.config.folder import RunFolder
from atomgraph.config.resumption import check_steps
from atomgraph.config.started_run import StartedRun
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.training.device import device_of
from atomgraph.training.randomness import seeded

Parts = dict[str, list[AtomicGraph]]


class SolvedRun(StartedRun):
    """A run without gradients of a loss: the potential is prepared, solved for in float64, judged and written down."""

    how: str

    def __init__(self, config: FinetuneConfig, method: Solved, folder: RunFolder, **words: bool):
        super().__init__(config, folder, **words)
        self.solving = method

    @abstractmethod
    def _ready(self, potential: Potential, graphs: Parts) -> Potential:
        """The potential as it will be solved for; ConfigError, before anything is written, where it cannot be."""

    @abstractmethod
    def _solve(self, potential: Potential, graphs: Parts) -> dict[str, Any]:
        """Give the potential, which is on its device, its new weights; facts of the fit."""

    def check_going_on(self) -> None:
        check_steps(self.folder, self.config.method.kind)

    def carry_out(self) -> tuple[Potential, dict[str, Any]]:
        began = time.perf_counter()
        device = device_of(self.solving.accelerator, 1)
        with seeded(self.config.seed):
            dataset = self._gather()
            self.console.print(dataset.census, crop=False)
            potential, graphs = self._prepare(dataset)
            dtype = potential.model.dtype
            potential = self._ready(potential, graphs).to(torch.float64).to(device).eval()
            self._open(dataset)
            facts = self._solve(potential, graphs)
            potential.cpu().to(dtype)
            comparisons = judge(potential, dataset, device)
            metrics = metrics_of(comparisons, facts | {"seconds": round(time.perf_counter() - began, 2)})
            more = partial(self._sections, potential, dataset, comparisons, device)
            write_down(potential, self.config, self.folder, comparisons, metrics, self.console, device, self.how, more)
            return potential, metrics
