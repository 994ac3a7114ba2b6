"""The last steps of a run: evaluate the fitted potential, write files, and write the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.error_tables import error_json, error_table
from atomgraph.analysis.hardware import hardware
from atomgraph.config.resolve import as_yaml
from atomgraph.data.frame_names import format_count
from atomgraph.potential import Potential
from atomgraph.runs.context import RunContext
from atomgraph.runs.dataset import Dataset
from atomgraph.runs.fit_inputs import FitInputs
from atomgraph.runs.fit_warnings import fit_warnings
from atomgraph.runs.folder import METRICS, MODEL, REPORT, TABLE, RunFolder
from atomgraph.training.csv_table import read_table

if TYPE_CHECKING:
    from atomgraph.analysis.report.page import Section  # imports matplotlib


def evaluate(potential: Potential, dataset: Dataset, device: torch.device) -> dict[str, Comparison]:
    """Evaluate the validation and test parts; the training part if both are empty.

    Args:
        potential: The fitted potential. The function moves it to ``device``, then to the CPU.
        dataset: The structures of the run.
        device: Device for evaluations.

    Returns:
        Predictions and labels, by part of the data.
    """
    parts = {part: frames for part, frames in dataset.parts.items() if frames and part != "train"} or dataset.parts
    potential.to(device)
    try:
        return {part: compare(potential, frames) for part, frames in parts.items() if frames}
    finally:
        potential.cpu()


def collect_metrics(comparisons: Mapping[str, Comparison], training_summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``metrics.json``: errors with units by part of the data, ``training``, and warnings.

    Args:
        comparisons: Predictions and labels, by part of the data.
        training_summary: Results of the fit method (such as number of steps and duration), stored under ``training``.
    """
    metrics = {part: error_json(comparison) for part, comparison in comparisons.items()} | {
        "training": dict(training_summary)
    }
    warnings = fit_warnings(comparisons, training_summary)
    return metrics | ({"warnings": warnings} if warnings else {})


def save(potential: Potential, metrics: dict[str, Any], folder: RunFolder) -> None:
    """Write the potential and its metrics into the run folder."""
    potential.metadata["metrics"] = metrics
    potential.save(folder.path / MODEL)
    folder.write_json(METRICS, metrics)


def report(
    context: RunContext,
    inputs: FitInputs,
    comparisons: Mapping[str, Comparison],
    metrics: Mapping[str, Any],
    device: torch.device,
    description: str,
    sections: Sequence[Section],
) -> None:
    """Write ``report.html`` if ``output.report`` is true, and print errors, files and warnings.

    Args:
        context: Folder and console of the run.
        inputs: Inputs of the fit, with the fitted potential.
        comparisons: Predictions and labels, by part of the data.
        metrics: Metrics of the run, from ``collect_metrics``.
        device: The device of the fit.
        description: Description of the fit method, for the subtitle.
        sections: Additional sections of the report.
    """
    folder, console, has_report = context.folder, context.console, inputs.config.output.report
    if has_report:
        from atomgraph.analysis.report.training_report import write_report  # imports matplotlib

        n_structures = inputs.potential.metadata["data"]["structures"]["train"]
        write_report(
            folder.path / REPORT,
            potential=inputs.potential,
            comparisons=comparisons,
            title=folder.path.resolve().name,
            subtitle=f"{format_count(n_structures, 'structure')}, {description}",
            history=[row for row in read_table(folder.path / TABLE) if "epoch" in row],
            config=as_yaml(inputs.config),
            training=metrics["training"] | {"hardware": hardware(device)},
            sections=sections,
        )
    for part, comparison in comparisons.items():
        console.print(error_table(comparison, f"{part} errors").rich())
    report_name = f", {REPORT}" if has_report else ""
    console.print(
        f"{folder.path}/: {MODEL}, {METRICS}, {TABLE}{report_name}", markup=False, highlight=False, soft_wrap=True
    )
    for warning in metrics.get("warnings", []):
        console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
