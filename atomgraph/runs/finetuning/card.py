"""The report card of a fine-tuning run: reads the probe structures before training, and measures errors after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase
import torch
from rich.console import Console

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.audit import Audit
from atomgraph.analysis.finetuning.report_card import CheckedSettings, ReportCard, report_card
from atomgraph.analysis.report.page import Section
from atomgraph.config.finetune_schema import CardSection, FinetuneConfig, FrozenGroups, LoRA
from atomgraph.config.in_memory import files_or_structures
from atomgraph.data import read
from atomgraph.errors import DataError
from atomgraph.potential import Potential
from atomgraph.runs.dataset import Dataset
from atomgraph.runs.finetuning.starting_potential import StartingPotential
from atomgraph.runs.folder import CARD, RunFolder


def read_probe(card: CardSection) -> list[ase.Atoms]:
    """Read the probe: structures similar to the earlier training data. Empty without ``card.probe``."""
    if card.probe is None:
        return []
    probe = files_or_structures(card, "probe")
    return read(probe, keys=card.keys, units=card.units, types=card.types, format=card.format)


def check_probe(probe: Sequence[ase.Atoms], potential: Potential) -> None:
    """Raise DataError if the probe contains elements that the fine-tuned potential will not have."""
    unknown = sorted({symbol for atoms in probe for symbol in atoms.symbols} - set(potential.elements))
    if unknown:
        raise DataError(
            f"card.probe contains the elements {', '.join(unknown)}, which the fine-tuned potential does not have; keep these "
            f"elements (start.keep_elements: all), or remove such structures from the probe"
        )


def measure_card(
    config: FinetuneConfig,
    starting: StartingPotential,
    initial: Potential,
    tuned: Potential,
    dataset: Dataset,
    comparisons: Mapping[str, Comparison],
    *,
    probe: Sequence[ase.Atoms],
    replay: Sequence[ase.Atoms],
    checked_settings: CheckedSettings,
    device: torch.device,
) -> ReportCard:
    """Measure the values of the report card.

    Args:
        config: The configuration.
        starting: The starting potential with the heads of the run, and the potential as loaded (``foundation``), whose E0
            is used for structures of the source.
        initial: The starting potential immediately before the fit, with E0 of the new labels.
        tuned: The fitted potential.
        dataset: The structures of the run.
        comparisons: Predictions and labels, by part of the data.
        probe: Structures similar to the earlier training data.
        replay: Replayed structures, used in place of an empty probe.
        checked_settings: Settings whose effects are checked.
        device: Device for evaluations.
    """
    probe_name = "the probe" if probe else "the replay set, which was trained on"
    return report_card(
        initial,
        tuned,
        {part: dataset.parts[part] for part in comparisons},
        head=starting.head,
        source_head=starting.source_head if starting.source_head in tuned.heads else starting.head,
        source_e0=starting.foundation.model.baseline.e0_of(starting.source_head),
        probe=probe or replay,
        probe_name=probe_name,
        comparisons=comparisons,
        checked_settings=checked_settings,
        all_dimers=config.card.dimers == "all",
        steps=config.card.steps,
        device=device,
    )


def settings_to_check(
    config: FinetuneConfig, starting: StartingPotential, audit: Audit, *, ema: float | None, n_steps: int
) -> CheckedSettings:
    """Return the settings of the configuration whose effects the report card checks."""
    e0_shift = audit.shift if config.e0 == "estimate" else None
    return CheckedSettings(
        frozen=config.method.groups if isinstance(config.method, FrozenGroups) else (),
        lr_factors={} if "decay" in config.lr_factors else config.lr_factors,
        ema=ema,
        n_steps=n_steps,
        max_e0_shift=None if e0_shift is None else float(abs(e0_shift.shift).max()),
        replay_head=None if config.replay is None else starting.source_head,
        trains_few_weights=isinstance(config.method, LoRA) or config.method.kind == "last_layer",
    )


def write_card(card: ReportCard, audit: Audit, folder: RunFolder, console: Console) -> list[Section]:
    """Write ``card.json``, print a short card, and return the sections of the report."""
    folder.write_json(CARD, card.to_json())
    console.print(card.table().rich())
    return [card.section(), audit.section()]
