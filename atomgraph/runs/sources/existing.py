"""An existing potential: loaded and edited, its data audited, E0 of the trained head set."""

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
from atomgraph.runs.dataset import Dataset, assign_head, gather, graphs_by_part
from atomgraph.runs.finetuning.card import check_probe, effective_switches, measure_card, read_probe, show_card
from atomgraph.runs.finetuning.replay import replay_frames
from atomgraph.runs.finetuning.starting_potential import (
    StartingPotential,
    describe_origin,
    known_elements,
    load_start,
    prepare_start,
)
from atomgraph.runs.prepared import Prepared
from atomgraph.runs.run import Fit, Source

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


class ExistingPotential(Source):
    """The starting potential of fine-tuning; its predictions change only by E0 and by restarted elements.

    ``starting`` and ``replay`` are known after ``build``.
    """

    starting: StartingPotential
    replay: Sequence[ase.Atoms] = ()
    _foundation: Potential
    _probe: Sequence[ase.Atoms]
    _audit: Audit

    def __init__(self, context: RunContext, config: FinetuneConfig):
        self.context, self.config = context, config

    def read(self) -> Dataset:
        check_names(self.config.audit.ignore)
        self._foundation, self._probe = load_start(self.config.start), read_probe(self.config.card)
        return gather(self.config, known_elements(self.config.start, self._foundation))

    def build(self, dataset: Dataset) -> Prepared:
        config, foundation = self.config, self._foundation
        self.context.say(describe_origin(foundation.metadata["origin"]))
        if config.replay is not None:
            required = [term.property for term in config.fit.terms if not term.if_labelled]
            self.replay = replay_frames(config.replay, foundation, config.replay.head or str(foundation.head), required)
        elements = elements_in([*dataset.frames, *self.replay])
        self.starting = prepare_start(config, foundation, elements, bool(self.replay))
        potential, head = self.starting.potential, self.starting.head
        check_probe(self._probe, potential)
        parts = graphs_by_part(self.context, config, dataset, potential.cutoff, [])
        for graphs in parts.values():
            assign_head(graphs, potential.heads.index(head))
        self._audit_data(dataset, parts["train"])
        initial = deepcopy(potential)
        potential.metadata.update(
            dataset.metadata(config), method=config.method.model_dump(), config=config.model_dump()
        )
        return Prepared(config, dataset, potential, parts, initial)

    def _audit_data(self, dataset: Dataset, graphs: Sequence[AtomicGraph]) -> None:
        """Audit the training part and set E0 of the trained head; DataError for labels that cannot be right."""
        config, potential, head = self.config, self.starting.potential, self.starting.head
        predictions = LabelledPredictions.from_potential(potential, dataset.parts["train"], head, graphs)
        change = compute_e0_change(potential, predictions, head, config.e0)
        estimated = config.e0 == "estimate"
        others = {part: dataset.parts[part] for part in ("valid", "test")}
        added = {} if estimated else change.by_element
        shifted = predictions.with_e0_shift(added)
        self._audit = audit_predictions(
            potential, shifted, head=head, added=added, estimated=estimated, other_sets=others
        )
        self.context.say(self._audit.describe())
        self._audit.raise_errors(config.audit.ignore)
        change.apply(potential)
        potential.metadata["audit"] = self._audit.to_json()
        self.context.say(f"head {head}: E0 is {change.origin}")

    def sections(
        self, prepared: Prepared, comparisons: Mapping[str, Comparison], device: torch.device, fit: Fit
    ) -> Sequence[Section]:
        potential = prepared.potential
        switches = effective_switches(self.config, self.starting, self._audit, ema=fit.ema, n_steps=fit.n_steps)
        card = measure_card(
            self.config,
            self.starting,
            prepared.initial.to(potential.model.dtype),
            potential,
            prepared.dataset,
            comparisons,
            probe=self._probe,
            replay=self.replay,
            switches=switches,
            device=device,
        )
        return show_card(card, self._audit, self.context.folder, self.context.console)
