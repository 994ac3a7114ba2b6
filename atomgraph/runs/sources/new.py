"""A new potential: the model is built, and E0, scale and constants are taken from the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.config.model_spec import resolve_spec
from atomgraph.config.schema import Config
from atomgraph.errors import ConfigError
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import Dataset, gather, graphs_by_part
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.run import Fit, Source
from atomgraph.runs.sources.automatic_radii import asks_for_radii, automatic_radii, with_radii
from atomgraph.runs.sources.baseline import set_baseline, with_baseline
from atomgraph.runs.sources.build import calibrate, new_potential
from atomgraph.training.device import choose_device

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


class NewPotential(Source):
    """A potential with random weights, for the elements of the training part."""

    def __init__(self, context: RunContext, config: Config):
        self.context, self.config = context, config

    def read(self) -> Dataset:
        return gather(self.config)

    def build(self, dataset: Dataset) -> Prepared:
        config = self.config
        model = resolve_spec(config.model, dataset.elements)
        spec = with_baseline(model, config.baseline, dataset.elements)
        missing = sorted(set(dataset.elements) - set(spec.get("elements", dataset.elements)))
        if missing:
            raise ConfigError(
                f"model.elements lacks {', '.join(missing)}, which the training structures hold; add them, or say auto"
            )
        record: dict[str, Any] = {}
        if asks_for_radii(spec):
            device = choose_device(config.fit.accelerator, 1)
            radii = automatic_radii(config, spec, dataset.parts["train"], device)
            model, spec = with_radii(model, radii.values), with_radii(spec, radii.values)
            self.context.say(radii.said)
            record["radii"] = radii.said
        config = config.model_copy(update={"model": model})
        potential = new_potential(config, spec)
        parts = graphs_by_part(self.context, config, dataset, potential.cutoff, potential.heads)
        baseline = set_baseline(potential, config.baseline, parts["train"])
        calibrate(potential, parts["train"])
        potential.metadata.update(
            dataset.metadata(config),
            e0_origin=baseline["e0"]["origin"],
            baseline=baseline,
            config=config.model_dump(),
            **record,
        )
        return Prepared(config, dataset, potential, parts, potential)

    def sections(
        self, prepared: Prepared, comparisons: Mapping[str, Comparison], device: torch.device, fit: Fit
    ) -> Sequence[Section]:
        return ()
