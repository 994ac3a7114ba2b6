"""The steps of a run, in order: read structures, build the potential, fit, evaluate, save, report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.config.resolve import as_yaml, make_paths_absolute
from atomgraph.potential import Potential
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import Dataset
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.results import collect_metrics, evaluate, report, save
from atomgraph.runs.structure_files import write_structures
from atomgraph.training.randomness import use_seed

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


class PotentialBuilder(ABC):
    """First steps of a run: reads the structures and builds a new potential or edits an existing potential."""

    @abstractmethod
    def read_dataset(self) -> Dataset:
        """Read and split the structures.

        Raises:
            DataError: If the structures cannot be read, or have no labels for a fit.
        """

    @abstractmethod
    def build(self, dataset: Dataset) -> FitInputs:
        """Build the potential and the graphs.

        Raises:
            ConfigError: If the configuration contradicts the data.
            DataError: If the data have implausible values.
        """

    @abstractmethod
    def report_sections(
        self, inputs: FitInputs, comparisons: Mapping[str, Comparison], device: torch.device, fit_method: FitMethod
    ) -> Sequence[Section]:
        """Return additional sections of the report; called after the potential is saved.

        Args:
            inputs: Inputs of the fit, with the fitted potential.
            comparisons: Predictions and labels, by part of the data.
            device: Device for evaluations.
            fit_method: The method that fitted the potential.
        """


class FitMethod(ABC):
    """A method that fits the weights of a potential, such as training by gradient, a fit in closed form, or Gauss-Newton."""

    description: str
    """Description of the method for the report, such as "trained by gradient"."""
    n_steps = 0
    """Number of optimiser steps; 0 for a method without steps."""
    ema: float | None = None
    """Decay factor of the moving average of weights; None without average."""

    @abstractmethod
    def device(self) -> torch.device:
        """Return the device of the fit and of the evaluation.

        Raises:
            ConfigError: If the machine does not have the device.
        """

    @abstractmethod
    def check_resumable(self) -> None:
        """Check that the folder of a stopped run has the files that resuming needs.

        Raises:
            ConfigError: If the run has made progress and its checkpoint is missing.
        """

    @abstractmethod
    def prepare(self, inputs: FitInputs) -> FitInputs:
        """Set initial weights, check the inputs and resolve settings; called before the run folder is written.

        Returns:
            The inputs with these changes.

        Raises:
            ConfigError: If the method cannot fit the potential.
        """

    @abstractmethod
    def fit(self, inputs: FitInputs) -> dict[str, Any]:
        """Fit the potential, in place.

        Returns:
            Facts of the fit, for ``metrics.json``.
        """

    def save_interrupted(self, potential: Potential) -> str:
        """Save the results so far after Ctrl-C.

        Args:
            potential: The potential that is being fitted.

        Returns:
            A message for the user: the saved files, and the command that resumes the run.
        """
        return ""


class Run:
    """A run of training or fine-tuning.

    Args:
        context: Folder, console and options of the run.
        builder: Object that reads the structures and builds the potential.
        fit_method: Object that fits the potential.
    """

    def __init__(self, context: RunContext, builder: PotentialBuilder, fit_method: FitMethod):
        self.context, self.builder, self.fit_method = context, builder, fit_method

    def run(self) -> tuple[Potential, dict[str, Any]]:
        """Execute all steps of the run.

        Returns:
            The potential with the best weights, and its metrics; other processes than the main process return no metrics.

        Raises:
            ConfigError: If the configuration contradicts the data, or the method cannot fit the potential. No file is written.
            DataError: If structures cannot be read or have implausible labels. No file is written.
            TrainingError: If a loss is not finite.
            KeyboardInterrupt: After Ctrl-C; the message names the saved files.
        """
        start_time, context, fit_method = perf_counter(), self.context, self.fit_method
        device = fit_method.device()
        with use_seed(context.seed):
            dataset = self.builder.read_dataset()
            context.console.print(dataset.census, crop=False)
            inputs = fit_method.prepare(self.builder.build(dataset))
            self._claim_folder(inputs)
            potential = inputs.potential
            try:
                facts = fit_method.fit(inputs)
                if not context.is_main_process:
                    return potential, {}
                comparisons = evaluate(potential, dataset, device)
                facts.setdefault("seconds", round(perf_counter() - start_time, 2))
                metrics = collect_metrics(comparisons, facts)
                save(potential, metrics, context.folder)
                sections = self.builder.report_sections(inputs, comparisons, device, fit_method)
                report(context, inputs, comparisons, metrics, device, fit_method.description, sections)
            except KeyboardInterrupt as interrupt:
                raise KeyboardInterrupt(str(interrupt) or fit_method.save_interrupted(potential)) from None
            return potential, metrics

    def _claim_folder(self, inputs: FitInputs) -> None:
        """Write the configuration, the split and in-memory structures; earlier steps do not change the folder."""
        context = self.context
        if context.is_main_process and not context.resuming:
            config = as_yaml(make_paths_absolute(inputs.config))
            context.folder.claim(config, inputs.dataset.split.to_json(), overwrite=context.overwrite)
            write_structures(inputs.config)
