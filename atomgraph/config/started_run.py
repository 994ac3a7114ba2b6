"""What every run has that begins with a potential: it is opened and edited, the data are audited, E0 is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import ase
import torch

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.audit import Audit, LabelledPredictions, check_names, judged
from atomgraph.analysis.report.page import Section
from atomgraph.config.base_run import Run
from atomgraph.config.dataset import Dataset, gather
from atomgraph.config.finetune_card import card_of, check_probe, probe_of, show_card, switches_of
from atomgraph.config.finetune_replay import replay_frames
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.finetune_start import Beginning, described, edited, known_elements, opened
from atomgraph.data.frame_names import elements_in
from atomgraph.fitting.e0 import e0_change
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential


class StartedRun(Run):
    """A run that begins with a potential which is there already."""

    command = "finetune"
    config: FinetuneConfig
    beginning: Beginning
    audit: Audit
    start: Potential
    replay: Sequence[ase.Atoms] = ()
    n_steps = 0

    def _gather(self) -> Dataset:
        check_names(self.config.audit.insist)
        self.untouched, self.probe = opened(self.config.start), probe_of(self.config.card)
        return gather(self.config, known_elements(self.config.start, self.untouched))

    def _prepare(self, dataset: Dataset) -> tuple[Potential, dict[str, list[AtomicGraph]]]:
        config, untouched = self.config, self.untouched
        self._say(described(untouched.metadata["origin"]))
        if config.replay is not None:
            wanted = [term.property for term in config.fit.terms if not term.if_labelled]
            self.replay = replay_frames(config.replay, untouched, config.replay.head or str(untouched.head), wanted)
        elements = elements_in([*dataset.frames, *self.replay])
        self.beginning = edited(config, untouched, elements, bool(self.replay))
        potential, head = self.beginning.potential, self.beginning.head
        check_probe(self.probe, potential)
        parts = self._graphs(dataset, potential.cutoff, [])
        for graphs in parts.values():
            assign_head(graphs, potential.heads.index(head))
        self._judge_data(dataset, parts["train"])
        files = {part: getattr(config.data, part) for part in ("train", "valid", "test")}
        potential.metadata.update(
            data=dataset.record(files),
            split={"method": dataset.split.method, "seed": dataset.split.seed, "key": dataset.split.key},
            method=config.method.model_dump(),
            config=config.model_dump(),
        )
        return potential, parts

    def _judge_data(self, dataset: Dataset, graphs: Sequence[AtomicGraph]) -> None:
        """The audit of the training part, E0 of the trained head set; DataError for what cannot be right."""
        config, potential, head = self.config, self.beginning.potential, self.beginning.head
        evidence = LabelledPredictions.of(potential, dataset.parts["train"], head, graphs)
        change = e0_change(potential, evidence, head, config.e0)
        estimated = config.e0 == "estimate"
        others = {part: dataset.parts[part] for part in ("valid", "test")}
        added = {} if estimated else change.by_element
        seen = evidence.shifted(added)
        self.audit = judged(potential, seen, head=head, added=added, estimated=estimated, others=others)
        self._say(self.audit.describe())
        self.audit.stop(config.audit.insist)
        change.apply(potential)
        potential.metadata["audit"] = self.audit.to_json()
        self._say(f"head {head}: E0 is {change.origin}")
        self.start = deepcopy(potential)

    def _sections(
        self, potential: Potential, dataset: Dataset, comparisons: Mapping[str, Comparison], device: torch.device
    ) -> Sequence[Section]:
        config, beginning = self.config, self.beginning
        card = card_of(
            config,
            beginning,
            self.start.to(potential.model.dtype),
            potential,
            dataset,
            comparisons,
            probe=self.probe,
            replay=self.replay,
            switches=switches_of(config, beginning, self.audit, ema=config.fit.ema, n_steps=self.n_steps),
            device=device,
        )
        return show_card(card, self.audit, self.folder, self.console)


def assign_head(graphs: Sequence[AtomicGraph], row: int) -> None:
    """All these graphs are of one head, by its row."""
    for graph in graphs:
        graph.head = torch.full_like(graph.head, row)
