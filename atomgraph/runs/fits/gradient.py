"""Training of a new potential by gradient."""

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
from atomgraph.runs.context import RunContext
from atomgraph.runs.fits.closed_form_hint import closed_form_hint
from atomgraph.runs.fits.lightning_training import LightningTraining, data_module, loss_terms
from atomgraph.runs.fits.solve import solve
from atomgraph.runs.folder import MODEL
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.resume_check import check_epochs
from atomgraph.runs.run import Fit
from atomgraph.runs.sources.build import describe
from atomgraph.training import PotentialTask
from atomgraph.training.checkpoints import BEST, LAST
from atomgraph.training.device import choose_device


class GradientFit(Fit):
    """``fit.kind: gradient``: all weights, from random ones, from the mean energy, or from a fit in closed form."""

    description = "trained by gradient"
    training: LightningTraining

    def __init__(self, context: RunContext, config: Config, settings: Gradient):
        self.context, self.config, self.settings = context, config, settings

    def device(self) -> torch.device:
        return choose_device(self.settings.accelerator, self.settings.devices)

    def check_resumable(self) -> None:
        check_epochs(self.context.folder, LAST, BEST)

    def prepare(self, prepared: Prepared) -> Prepared:
        potential, graphs, settings = prepared.potential, prepared.graphs, self.settings
        self.context.say(describe(potential))
        if settings.start is None and (hint := closed_form_hint(potential)):
            self.context.say(hint)
        if not self.context.resuming:
            self._set_first_weights(prepared)
        data = data_module(prepared.config, settings, graphs)
        task = PotentialTask(potential, loss_terms(settings, graphs["train"]), settings.optimizer.model_dump())
        identity = {"data": potential.metadata["data"]["fingerprint"]}
        self.training = LightningTraining(self.context, prepared.config, settings, data, task, identity)
        return prepared

    def _set_first_weights(self, prepared: Prepared) -> None:
        """First weights from a fit in closed form (``fit.start``), or biases from the mean energy if E0 lacks it."""
        potential, graphs, start = prepared.potential, prepared.graphs["train"], self.settings.start
        if start is not None:
            dtype = potential.model.dtype
            potential.to(torch.float64)
            frames = prepared.dataset.parts["train"]
            solution = solve(potential, graphs, frames, start, self.device(), self.context.console)
            potential.cpu().to(dtype)
            potential.metadata["start"] = solution.facts
        elif self.config.baseline.e0 != "least_squares" and self.config.baseline.shift == "none":
            self._start_at_mean_energy(potential, graphs)

    def _start_at_mean_energy(self, potential: Potential, graphs: Sequence[AtomicGraph]) -> None:
        try:
            start = fit_initial_weights(potential, graphs)
        except FittingError as error:
            self.context.say(f"first weights: random, the mean energy is left to training: {error}")
            return
        potential.metadata["energy_start"] = asdict(start)
        self.context.say(start.describe())

    def fit(self, prepared: Prepared) -> dict[str, Any]:
        self.training.run()
        if not self.context.is_first:
            return {}
        facts = self.training.take_best()
        self.training.say_trained(facts)
        return facts

    def save_interrupted(self, potential: Potential) -> str:
        if self.training.has_checkpoint and self.context.is_first:
            potential.metadata["training"] = self.training.take_best() | {"interrupted": True}
            potential.save(self.context.folder.path / MODEL)
        return self.training.interrupt_message
