"""Training of a new potential by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from atomgraph.config.schema import Config, Gradient
from atomgraph.fitting import FittingError
from atomgraph.fitting.initial_weights import fit_initial_weights
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.runs.builders.build import describe
from atomgraph.runs.context import RunContext
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.fits.closed_form_hint import closed_form_hint
from atomgraph.runs.fits.lightning_training import LightningTraining, data_module, loss_terms
from atomgraph.runs.fits.solve import solve
from atomgraph.runs.folder import MODEL
from atomgraph.runs.resume_check import check_epochs
from atomgraph.runs.run import FitMethod
from atomgraph.training import PotentialTask
from atomgraph.training.checkpoints import BEST, LAST
from atomgraph.training.device import choose_device


class GradientFit(FitMethod):
    """Fit method for ``fit.kind: gradient``: trains all weights.

    Initial weights are random. They can be fitted to the mean energy, or to all labels by a fit in closed form.

    Args:
        context: Folder, console and options of the run.
        config: The configuration.
        settings: The section ``fit``.
    """

    description = "trained by gradient"
    training: LightningTraining

    def __init__(self, context: RunContext, config: Config, settings: Gradient):
        self.context, self.config, self.settings = context, config, settings

    def device(self) -> torch.device:
        return choose_device(self.settings.accelerator, self.settings.devices)

    def check_resumable(self) -> None:
        check_epochs(self.context.folder, LAST, BEST)

    def prepare(self, inputs: FitInputs) -> FitInputs:
        potential, graphs, settings = inputs.potential, inputs.graphs, self.settings
        self.context.print_line(describe(potential))
        if settings.start is None and (hint := closed_form_hint(potential)):
            self.context.print_line(hint)
        if not self.context.resuming:
            self._set_initial_weights(inputs)
        data = data_module(inputs.config, settings, graphs)
        task = PotentialTask(potential, loss_terms(settings, graphs["train"]), settings.optimizer.model_dump())
        identity = {"data": potential.metadata["data"]["fingerprint"]}
        self.training = LightningTraining(self.context, inputs.config, settings, data, task, identity)
        return inputs

    def _set_initial_weights(self, inputs: FitInputs) -> None:
        """Set initial weights by the fit in closed form of ``fit.start``, or to the mean energy if E0 is not fitted."""
        potential, graphs, closed_form = inputs.potential, inputs.graphs["train"], self.settings.start
        if closed_form is not None:
            dtype = potential.model.dtype
            potential.to(torch.float64)
            frames = inputs.dataset.parts["train"]
            solution = solve(potential, graphs, frames, closed_form, self.device(), self.context.console)
            potential.cpu().to(dtype)
            potential.metadata["start"] = solution.facts
        elif self.config.baseline.e0 != "least_squares" and self.config.baseline.shift == "none":
            self._fit_mean_energy(potential, graphs)

    def _fit_mean_energy(self, potential: Potential, graphs: Sequence[AtomicGraph]) -> None:
        """Fit initial weights to the mean energy; if that fails, print the reason."""
        try:
            initial_fit = fit_initial_weights(potential, graphs)
        except FittingError as error:
            self.context.print_line(f"initial weights are random and cannot be fitted to the mean energy: {error}")
            return
        potential.metadata["energy_start"] = asdict(initial_fit)
        self.context.print_line(initial_fit.describe())

    def fit(self, inputs: FitInputs) -> dict[str, Any]:
        self.training.run()
        if not self.context.is_main_process:
            return {}
        facts = self.training.load_best_weights()
        self.training.print_summary(facts)
        return facts

    def save_interrupted(self, potential: Potential) -> str:
        if self.training.has_checkpoint and self.context.is_main_process:
            potential.metadata["training"] = self.training.load_best_weights() | {"interrupted": True}
            potential.save(self.context.folder.path / MODEL)
        return self.training.interrupt_message
