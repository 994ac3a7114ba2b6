"""The order of the steps of every run: read, build, fit, evaluate, save, report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.config.resolve import absolute, as_yaml
from atomgraph.potential import Potential
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import Dataset
from atomgraph.runs.given_structures import write_structures
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.results import collect_metrics, evaluate, report, save
from atomgraph.training.randomness import use_seed

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


class Source(ABC):
    """Where the potential of a run comes from."""

    @abstractmethod
    def read(self) -> Dataset:
        """Read and split the structures.

        Raises:
            DataError: If they cannot be read, or nothing can be fitted to them.
        """

    @abstractmethod
    def build(self, dataset: Dataset) -> Prepared:
        """Build the potential and the graphs.

        Raises:
            ConfigError: If the configuration does not fit the data.
            DataError: If the data cannot be right.
        """

    @abstractmethod
    def sections(
        self, prepared: Prepared, comparisons: Mapping[str, Comparison], device: torch.device, fit: Fit
    ) -> Sequence[Section]:
        """Further sections of the report, measured after the potential is saved.

        Args:
            prepared: With the fitted potential.
            comparisons: Predictions and labels, by part of the data.
            device: Where to evaluate.
            fit: The fit that gave the weights.
        """


class Fit(ABC):
    """How the weights of the potential are determined."""

    description: str
    """For the report, such as "trained by gradient"."""
    n_steps = 0
    """Optimiser steps; 0 for a fit without steps."""
    ema: float | None = None
    """Decay of the average of weights; None if the fit takes no average."""

    @abstractmethod
    def device(self) -> torch.device:
        """The device of the fit and of the evaluation.

        Raises:
            ConfigError: If there is no such device.
        """

    @abstractmethod
    def check_resumable(self) -> None:
        """Check the files that a stopped run resumes from.

        Raises:
            ConfigError: If the run has made progress and its checkpoint is missing.
        """

    @abstractmethod
    def prepare(self, prepared: Prepared) -> Prepared:
        """Everything before the run folder is written: first weights, checks, resolved settings.

        Raises:
            ConfigError: If the potential cannot be fitted in this way.
        """

    @abstractmethod
    def fit(self, prepared: Prepared) -> dict[str, Any]:
        """Fit the potential, in place.

        Returns:
            Facts of the fit, for ``metrics.json``.
        """

    def save_interrupted(self, potential: Potential) -> str:
        """Save what the fit has reached after Ctrl-C.

        Returns:
            A message for the user.
        """
        return ""


class Run:
    """A run: a folder, a source of the potential and a fit."""

    def __init__(self, context: RunContext, source: Source, fit: Fit):
        self.context, self.source, self.fit = context, source, fit

    def run(self) -> tuple[Potential, dict[str, Any]]:
        """Carry the run out.

        Returns:
            The potential with its best weights, and its metrics; in other processes than the first no metrics.

        Raises:
            ConfigError: Before anything is written.
            DataError: Before anything is written.
            TrainingError: If a loss is not finite.
            KeyboardInterrupt: After Ctrl-C, with a message that says what was saved.
        """
        began, context, fit = perf_counter(), self.context, self.fit
        device = fit.device()
        with use_seed(context.seed):
            dataset = self.source.read()
            context.console.print(dataset.census, crop=False)
            prepared = fit.prepare(self.source.build(dataset))
            self._claim_folder(prepared)
            potential = prepared.potential
            try:
                facts = fit.fit(prepared)
                if not context.is_first:
                    return potential, {}
                comparisons = evaluate(potential, dataset, device)
                facts.setdefault("seconds", round(perf_counter() - began, 2))
                metrics = collect_metrics(comparisons, facts)
                save(potential, metrics, context.folder)
                sections = self.source.sections(prepared, comparisons, device, fit)
                report(context, prepared, comparisons, metrics, device, fit.description, sections)
            except KeyboardInterrupt as stop:
                raise KeyboardInterrupt(str(stop) or fit.save_interrupted(potential)) from None
            return potential, metrics

    def _claim_folder(self, prepared: Prepared) -> None:
        """Write configuration and split; until here the folder was left alone."""
        context = self.context
        if context.is_first and not context.resuming:
            config = as_yaml(absolute(prepared.config))
            context.folder.claim(config, prepared.dataset.split.to_json(), overwrite=context.overwrite)
            write_structures(prepared.config)
