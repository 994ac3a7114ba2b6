"""Fine-tuning that solves linear problems: the steps that its methods share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import torch

from atomgraph.config.finetune_schema import Solved
from atomgraph.runs.context import RunContext
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.resume_check import check_steps
from atomgraph.runs.run import Fit
from atomgraph.runs.sources.existing import ExistingPotential
from atomgraph.training.device import choose_device


class LinearFit(Fit):
    """A fit without gradients of a loss, in float64; the potential keeps its dtype afterwards."""

    kind: str
    _dtype: torch.dtype

    def __init__(self, context: RunContext, settings: Solved, source: ExistingPotential):
        self.context, self.source = context, source
        self._accelerator = settings.accelerator

    def device(self) -> torch.device:
        return choose_device(self._accelerator, 1)

    def check_resumable(self) -> None:
        check_steps(self.context.folder, self.kind)

    def prepare(self, prepared: Prepared) -> Prepared:
        self._dtype = prepared.potential.model.dtype
        ready = self._check(prepared)
        return replace(ready, potential=ready.potential.to(torch.float64).to(self.device()).eval())

    def fit(self, prepared: Prepared) -> dict[str, Any]:
        facts = self._solve(prepared)
        prepared.potential.cpu().to(self._dtype)
        return facts

    @abstractmethod
    def _check(self, prepared: Prepared) -> Prepared:
        """The potential in the form that is solved for; ConfigError if it cannot be."""

    @abstractmethod
    def _solve(self, prepared: Prepared) -> dict[str, Any]:
        """Give the potential, which is on its device, its new weights; facts of the fit."""
