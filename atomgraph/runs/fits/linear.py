"""Base class of fine-tuning methods that solve linear problems."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import torch

from atomgraph.config.finetune_schema import LinearMethod
from atomgraph.runs.builders.existing import ExistingPotentialBuilder
from atomgraph.runs.context import RunContext
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.resume_check import check_steps
from atomgraph.runs.run import FitMethod
from atomgraph.training.device import choose_device


class LinearFit(FitMethod):
    """Base class of fine-tuning methods that solve linear problems, in float64; the potential gets its dtype back afterwards.

    Args:
        context: Folder, console and options of the run.
        settings: The section ``method``.
        builder: Builder of the potential, with the starting potential.
    """

    kind: str
    """Kind of the method in a configuration."""
    _dtype: torch.dtype  # dtype of the potential before the fit

    def __init__(self, context: RunContext, settings: LinearMethod, builder: ExistingPotentialBuilder):
        self.context, self.builder = context, builder
        self._accelerator = settings.accelerator

    def device(self) -> torch.device:
        return choose_device(self._accelerator, 1)

    def check_resumable(self) -> None:
        check_steps(self.context.folder, self.kind)

    def prepare(self, inputs: FitInputs) -> FitInputs:
        self._dtype = inputs.potential.model.dtype
        checked = self._check(inputs)
        return replace(checked, potential=checked.potential.to(torch.float64).to(self.device()).eval())

    def fit(self, inputs: FitInputs) -> dict[str, Any]:
        facts = self._solve(inputs)
        inputs.potential.cpu().to(self._dtype)
        return facts

    @abstractmethod
    def _check(self, inputs: FitInputs) -> FitInputs:
        """Return the inputs in the form of the linear problem; ConfigError if the method cannot fit the potential."""

    @abstractmethod
    def _solve(self, inputs: FitInputs) -> dict[str, Any]:
        """Fit the potential, in place, on its device; return facts of the fit."""
