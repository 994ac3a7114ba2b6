"""After the last epoch: the best weights judged on what they were not trained on, and everything written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.error_tables import error_json, error_table
from atomgraph.analysis.hardware import hardware
from atomgraph.config.dataset import Dataset
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.folder import METRICS, MODEL, REPORT, TABLE, RunFolder
from atomgraph.config.resolve import as_yaml
from atomgraph.config.schema import Config
from atomgraph.config.verdict import warnings_of
from atomgraph.data.frame_names import number_of
from atomgraph.potential import Potential
from atomgraph.training.csv_table import read_table

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # Matplotlib takes a while


def judge(potential: Potential, dataset: Dataset, device: torch.device) -> dict[str, Comparison]:
    """Predictions beside labels on validation and test; on training where there is neither."""
    parts = {part: frames for part, frames in dataset.parts.items() if frames and part != "train"} or dataset.parts
    potential.to(device)
    try:
        return {part: compare(potential, frames) for part, frames in parts.items() if frames}
    finally:
        potential.cpu()


def metrics_of(comparisons: Mapping[str, Comparison], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.json holds: errors by part of the data, with units, the facts of the run, and warnings if there are any."""
    metrics = {part: error_json(comparison) for part, comparison in comparisons.items()} | {"training": dict(facts)}
    warnings = warnings_of(comparisons, facts)
    return metrics | ({"warnings": warnings} if warnings else {})


def write_down(
    potential: Potential,
    config: Config | FinetuneConfig,
    folder: RunFolder,
    comparisons: Mapping[str, Comparison],
    metrics: dict[str, Any],
    console: Console,
    device: torch.device,
    how: str,
    more: Callable[[], Sequence[Section]] = tuple,
) -> None:
    """Save the potential, its metrics and the report, and say where they are.  how: it was fitted, in words.

    more: gives further sections of the report, measured when the potential is safe on disk.
    """
    potential.metadata["metrics"] = metrics
    potential.save(folder.path / MODEL)
    folder.write_json(METRICS, metrics)
    sections = more()
    if config.output.report:
        from atomgraph.analysis.report.training_report import (
            write_report,  # Matplotlib takes a while, and is for reports only
        )

        write_report(
            folder.path / REPORT,
            potential=potential,
            comparisons=comparisons,
            title=folder.path.resolve().name,
            subtitle=f"{number_of(potential.metadata['data']['structures']['train'], 'structure')}, {how}",
            history=[row for row in read_table(folder.path / TABLE) if "epoch" in row],
            config=as_yaml(config),
            training=metrics["training"] | {"hardware": hardware(device)},
            sections=sections,
        )
    for part, comparison in comparisons.items():
        console.print(error_table(comparison, f"{part} errors").rich())
    last = f", {REPORT}" if config.output.report else ""
    console.print(f"{folder.path}/: {MODEL}, {METRICS}, {TABLE}{last}", markup=False, highlight=False, soft_wrap=True)
    for warning in metrics.get("warnings", []):
        console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
