"""Potential builder of training: builds a new model, and computes E0, scale and constants from the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.config.model_spec import resolve_spec
from atomgraph.config.schema import Config
from atomgraph.errors import ConfigError
from atomgraph.runs.builders.automatic_radii import automatic_radii, has_automatic_radii, replace_automatic_radii
from atomgraph.runs.builders.baseline import add_baseline, set_baseline
from atomgraph.runs.builders.build import calibrate, new_potential
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import Dataset, build_graphs_by_part, read_dataset
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.run import FitMethod, PotentialBuilder
from atomgraph.training.device import choose_device

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


class NewPotentialBuilder(PotentialBuilder):
    """Builds a potential with random weights, for the elements of the training part.

    Args:
        context: Folder, console and options of the run.
        config: The configuration.
    """

    def __init__(self, context: RunContext, config: Config):
        self.context, self.config = context, config

    def read_dataset(self) -> Dataset:
        return read_dataset(self.config)

    def build(self, dataset: Dataset) -> FitInputs:
        config = self.config
        model_section = resolve_spec(config.model, dataset.elements)
        spec = add_baseline(model_section, config.baseline, dataset.elements)
        missing = sorted(set(dataset.elements) - set(spec.get("elements", dataset.elements)))
        if missing:
            raise ConfigError(
                f"model.elements lacks {', '.join(missing)}, which the training structures contain; "
                "add them, or set model.elements: auto"
            )
        record: dict[str, Any] = {}
        if has_automatic_radii(spec):
            device = choose_device(config.fit.accelerator, 1)
            radii = automatic_radii(config, spec, dataset.parts["train"], device)
            model_section = replace_automatic_radii(model_section, radii.values)
            spec = replace_automatic_radii(spec, radii.values)
            self.context.print_line(radii.description)
            record["radii"] = radii.description
        config = config.model_copy(update={"model": model_section})
        potential = new_potential(config, spec)
        parts = build_graphs_by_part(self.context, config, dataset, potential.cutoff, potential.heads)
        baseline = set_baseline(potential, config.baseline, parts["train"])
        calibrate(potential, parts["train"])
        potential.metadata.update(
            dataset.metadata(config),
            e0_origin=baseline["e0"]["origin"],
            baseline=baseline,
            config=config.model_dump(),
            **record,
        )
        return FitInputs(
            config, dataset, potential, graphs=parts, initial=potential
        )  # the report compares with no copy

    def report_sections(
        self, inputs: FitInputs, comparisons: Mapping[str, Comparison], device: torch.device, fit_method: FitMethod
    ) -> Sequence[Section]:
        return ()
