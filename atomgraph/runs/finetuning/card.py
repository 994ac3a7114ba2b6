"""The report card of a run: its probe is read before training, its values are measured after the potential is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase
import torch
from rich.console import Console

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.audit import Audit
from atomgraph.analysis.finetuning.report_card import ReportCard, Switches, report_card
from atomgraph.analysis.report.page import Section
from atomgraph.config.finetune_schema import Card as CardSection
from atomgraph.config.finetune_schema import FinetuneConfig, Frozen, LoRA
from atomgraph.config.in_memory import files_or_structures
from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.potential import Potential
from atomgraph.runs.dataset import Dataset
from atomgraph.runs.finetuning.starting_potential import StartingPotential
from atomgraph.runs.folder import CARD, RunFolder


def read_probe(card: CardSection) -> list[ase.Atoms]:
    """The structures on which retention is measured; empty if the configuration names none."""
    return (
        []
        if card.probe is None
        else read(
            files_or_structures(card, "probe"), keys=card.keys, units=card.units, types=card.types, format=card.format
        )
    )


def check_probe(probe: Sequence[ase.Atoms], potential: Potential) -> None:
    """DataError for elements that the fine-tuned potential will not know; checked before training."""
    unknown = sorted({symbol for atoms in probe for symbol in atoms.symbols} - set(potential.elements))
    if unknown:
        raise DataError(
            f"card.probe holds {', '.join(unknown)}, which the fine-tuned potential does not know; keep these elements "
            f"(start.keep_elements: all), or take such structures out of the probe"
        )


def measure_card(
    config: FinetuneConfig,
    starting: StartingPotential,
    start: Potential,
    tuned: Potential,
    dataset: Dataset,
    comparisons: Mapping[str, Comparison],
    *,
    probe: Sequence[ase.Atoms],
    replay: Sequence[ase.Atoms],
    switches: Switches,
    device: torch.device,
) -> ReportCard:
    """Measure the report card.

    Args:
        config: The configuration.
        starting: The starting potential and its heads.
        start: The potential before the fit, with E0 set.
        tuned: The fitted potential.
        dataset: The structures of the run.
        comparisons: Predictions and labels, by part of the data.
        probe: Structures for retention.
        replay: Replayed structures, the probe if there is no other.
        switches: Settings that should have had an effect.
        device: Where to evaluate."""
    name = "the probe" if probe else "the replay set, which was trained on"
    return report_card(
        start,
        tuned,
        {part: dataset.parts[part] for part in comparisons},
        head=starting.head,
        source_head=starting.source if starting.source in tuned.heads else starting.head,
        source_e0=starting.foundation.model.baseline.e0_of(starting.source),
        probe=probe or replay,
        probe_name=name,
        comparisons=comparisons,
        switches=switches,
        all_dimers=config.card.dimers == "all",
        steps=config.card.steps,
        device=device,
    )


def effective_switches(
    config: FinetuneConfig, starting: StartingPotential, audit: Audit, *, ema: float | None, n_steps: int
) -> Switches:
    """The settings of the configuration that should have had an effect."""
    shift = audit.shift if config.e0 == "estimate" else None
    return Switches(
        frozen=config.method.groups if isinstance(config.method, Frozen) else (),
        rates={} if "decay" in config.lr_factors else config.lr_factors,
        ema=ema,
        n_steps=n_steps,
        e0=None if shift is None else float(abs(shift.shift).max()),
        replay=None if config.replay is None else starting.source,
        partial=isinstance(config.method, LoRA) or config.method.kind == "last_layer",
    )


def show_card(card: ReportCard, audit: Audit, folder: RunFolder, console: Console) -> list[Section]:
    """Write ``card.json`` and print a short card; returns the sections of the report."""
    folder.write_json(CARD, card.to_json())
    console.print(card.table().rich())
    return [card.section(), audit.section()]
