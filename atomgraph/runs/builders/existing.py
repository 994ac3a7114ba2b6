"""Potential builder of fine-tuning: loads and edits the starting potential, audits the data, and sets E0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import ase
import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.audit import Audit, LabelledPredictions, audit_predictions, check_names
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.data.frame_names import elements_in
from atomgraph.fitting.e0 import compute_e0_change
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import Dataset, assign_head, build_graphs_by_part, read_dataset
from atomgraph.runs.finetuning.card import check_probe, measure_card, read_probe, settings_to_check, write_card
from atomgraph.runs.finetuning.replay import replay_frames
from atomgraph.runs.finetuning.starting_potential import (
    StartingPotential,
    describe_origin,
    known_elements,
    load_start,
    prepare_start,
)
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.run import FitMethod, PotentialBuilder

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


class ExistingPotentialBuilder(PotentialBuilder):
    """Loads and edits the starting potential of fine-tuning. Predictions change only for E0 and restarted elements.

    Args:
        context: Folder, console and options of the run.
        config: The configuration.

    Attributes:
        starting: The starting potential and its heads; set by ``build``.
        replay: Replayed structures; set by ``build``.
    """

    starting: StartingPotential
    replay: Sequence[ase.Atoms] = ()
    _foundation: Potential  # the loaded starting potential, before changes of elements and heads
    _probe: Sequence[ase.Atoms]  # structures similar to the earlier training data
    _audit: Audit

    def __init__(self, context: RunContext, config: FinetuneConfig):
        self.context, self.config = context, config

    def read_dataset(self) -> Dataset:
        check_names(self.config.audit.ignore)
        self._foundation, self._probe = load_start(self.config.start), read_probe(self.config.card)
        return read_dataset(self.config, known_elements(self.config.start, self._foundation))

    def build(self, dataset: Dataset) -> FitInputs:
        config, foundation = self.config, self._foundation
        self.context.print_line(describe_origin(foundation.metadata["origin"]))
        if config.replay is not None:
            required = [term.property for term in config.fit.terms if not term.if_labelled]
            self.replay = replay_frames(config.replay, foundation, config.replay.head or str(foundation.head), required)
        elements = elements_in([*dataset.frames, *self.replay])
        self.starting = prepare_start(config, foundation, elements, bool(self.replay))
        potential, head = self.starting.potential, self.starting.head
        check_probe(self._probe, potential)
        parts = build_graphs_by_part(self.context, config, dataset, potential.cutoff, [])
        for graphs in parts.values():
            assign_head(graphs, potential.heads.index(head))
        self._audit_data(dataset, parts["train"])
        initial = deepcopy(potential)
        potential.metadata.update(
            dataset.metadata(config), method=config.method.model_dump(), config=config.model_dump()
        )
        return FitInputs(config, dataset, potential, parts, initial)

    def _audit_data(self, dataset: Dataset, graphs: Sequence[AtomicGraph]) -> None:
        """Audit the training part and set E0 of the trained head; DataError for implausible labels."""
        config, potential, head = self.config, self.starting.potential, self.starting.head
        predictions = LabelledPredictions.from_potential(potential, dataset.parts["train"], head, graphs)
        change = compute_e0_change(potential, predictions, head, config.e0)
        is_estimated = config.e0 == "estimate"
        held_out_parts = {part: dataset.parts[part] for part in ("valid", "test")}
        e0_shift = {} if is_estimated else change.by_element
        shifted = predictions.with_e0_shift(e0_shift)
        self._audit = audit_predictions(
            potential, shifted, head=head, e0_change=e0_shift, estimates_e0=is_estimated, other_sets=held_out_parts
        )
        self.context.print_line(self._audit.describe())
        self._audit.raise_errors(config.audit.ignore)
        change.apply(potential)
        potential.metadata["audit"] = self._audit.to_json()
        self.context.print_line(f"head {head}: E0 is {change.origin}")

    def report_sections(
        self, inputs: FitInputs, comparisons: Mapping[str, Comparison], device: torch.device, fit_method: FitMethod
    ) -> Sequence[Section]:
        potential = inputs.potential
        checked_settings = settings_to_check(
            self.config, self.starting, self._audit, ema=fit_method.ema, n_steps=fit_method.n_steps
        )
        card = measure_card(
            self.config,
            self.starting,
            inputs.initial.to(potential.model.dtype),
            potential,
            inputs.dataset,
            comparisons,
            probe=self._probe,
            replay=self.replay,
            checked_settings=checked_settings,
            device=device,
        )
        return write_card(card, self._audit, self.context.folder, self.context.console)
