"""Comparison of fine-tuning methods: errors on target and source as functions of the training-set size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from atomgraph.analysis.report.page import Gallery, Picture, Section, html_page
from atomgraph.analysis.report.plots import line_plot
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.atomic_write import write_text
from atomgraph.formats.versions import now
from atomgraph.old_names import OldAttribute

START = "the start"  # name of the starting model in tables and figures


@dataclass(frozen=True)
class RunResult:
    """Errors of one run on target structures, from the data set of the run, and on structures of the source,
    that is, structures like the training data of the starting model.

    Attributes:
        method: Name of the method.
        size: Number of training structures.
        seed: Seed of the run.
        target_forces: Force MAE on target structures, eV/Å; None without labels.
        target_energy: Energy MAE on the target, meV/atom; None without labels.
        source_forces: Force MAE on the source, eV/Å; None without labels.
        source_energy: Energy MAE on the source, meV/atom; None without labels.
    """

    method: str
    size: int
    seed: int
    target_forces: float | None
    target_energy: float | None
    source_forces: float | None
    source_energy: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class MethodSummary:
    """Mean errors over the seeds of one method and training-set size.

    Attributes:
        method: Name of the method.
        size: Number of training structures.
        n_seeds: Number of runs.
        target_forces: Mean force MAE on the target, eV/Å; None without labels.
        target_energy: Mean energy MAE on the target, meV/atom; None without labels.
        source_forces: Mean force MAE on the source, eV/Å; None without labels.
        source_energy: Mean energy MAE on the source, meV/atom; None without labels.
        half_range: Half the difference between the largest and smallest force MAE on the target, eV/Å.
    """

    method: str
    size: int
    n_seeds: int
    target_forces: float | None
    target_energy: float | None
    source_forces: float | None
    source_energy: float | None
    half_range: float

    seeds = OldAttribute("n_seeds")
    spread = OldAttribute("half_range")


def summarise(results: Iterable[RunResult]) -> list[MethodSummary]:
    """Return the means over seeds for each method and training-set size, in the order of the results."""
    groups: dict[tuple[str, int], list[RunResult]] = {}
    for result in results:
        groups.setdefault((result.method, result.size), []).append(result)
    return [_summarise_group(group) for group in groups.values()]


def method_table(results: Sequence[RunResult], start: RunResult) -> Table:
    """Make a table with a row for the starting model, and one row per method and training-set size.

    Args:
        results: Errors of the runs.
        start: Errors of the starting model.
    """
    columns = [Column("method", is_text=True), Column("structures"), Column("seeds")]
    columns += [
        Column("energy (meV/atom)", "target, MAE"),
        Column("forces (eV/Å)", "target, MAE"),
        Column("±", "target, MAE"),
    ]
    columns += [
        Column("energy (meV/atom)", "source, MAE"),
        Column("forces (eV/Å)", "source, MAE"),
        Column("/ start", "source, MAE"),
    ]
    rows = [
        [
            START,
            "",
            "",
            *_target_cells(start),
            "",
            format_number(start.source_energy),
            format_number(start.source_forces),
            "1",
        ]
    ]
    for summary in summarise(results):
        ratio = _ratio(summary.source_forces, start.source_forces)
        half_range = format_number(summary.half_range) if summary.n_seeds > 1 else ""
        source_cells = [
            format_number(summary.source_energy),
            format_number(summary.source_forces),
            format_number(ratio),
        ]
        rows.append(
            [
                summary.method,
                str(summary.size),
                str(summary.n_seeds),
                *_target_cells(summary),
                half_range,
                *source_cells,
            ]
        )
    note = "Means over seeds; ±: half the range. Source energies use E0 of the source, target energies E0 of the run."
    return Table(columns, rows, title="Methods of fine-tuning", note=note)


def forgetting_figure(results: Sequence[RunResult], start: RunResult) -> Figure:
    """Plot force errors on the source against force errors on the target.

    One line per method connects the points of its training-set sizes.

    Args:
        results: Errors of the runs.
        start: Errors of the starting model.
    """
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for summary in summarise(results):
        if summary.target_forces is not None and summary.source_forces is not None:
            x, y = curves.setdefault(summary.method, ([], []))
            x.append(summary.target_forces)
            y.append(summary.source_forces)
    if start.target_forces is not None and start.source_forces is not None:
        curves[START] = ([start.target_forces], [start.source_forces])
    drawing = line_plot(
        curves,
        xlabel="force MAE on the target (eV/Å)",
        ylabel="force MAE on the source (eV/Å)",
        title="Errors on target and source",
        log=True,
        points=True,
    )
    drawing.axes[0].set_xscale("log")
    return drawing


def training_size_figure(results: Sequence[RunResult]) -> Figure:
    """Plot force errors on the target against the number of training structures, with one line per method."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for summary in summarise(results):
        if summary.target_forces is not None:
            x, y = curves.setdefault(summary.method, ([], []))
            x.append(summary.size)
            y.append(summary.target_forces)
    drawing = line_plot(
        curves, xlabel="training structures", ylabel="force MAE (eV/Å)", title="Target", log=True, points=True
    )
    drawing.axes[0].set_xscale("log")
    return drawing


def write_comparison_page(path: Path, results: Sequence[RunResult], start: RunResult, title: str) -> Path:
    """Write a page with the table and the two figures, as one HTML file that loads no other file.

    Args:
        path: Path of the HTML file.
        results: Errors of the runs.
        start: Errors of the starting model.
        title: Title of the page.

    Returns:
        Path of the written file.

    Raises:
        FormatError: If the file cannot be written.
    """
    pictures = [
        Picture(forgetting_figure(results, start), "methods-trade", "One line per method, with one point per size."),
        Picture(training_size_figure(results), "methods-sizes", "Errors on structures outside all training sets."),
    ]
    lead = "All methods use the same structures, split and seeds."
    section = Section("Methods", [method_table(results, start), Gallery(pictures)], lead)
    return write_text(path, html_page(title, [section], footer=f"Written by atomgraph, {now()}."))


def _summarise_group(results: Sequence[RunResult]) -> MethodSummary:
    """Return the means over results of one method and training-set size."""
    names = ("target_forces", "target_energy", "source_forces", "source_energy")
    means = {name: _mean([getattr(result, name) for result in results]) for name in names}
    forces = [result.target_forces for result in results if result.target_forces is not None]
    half_range = 0.5 * float(np.ptp(forces)) if forces else 0.0
    return MethodSummary(results[0].method, results[0].size, len(results), half_range=half_range, **means)


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if there are none."""
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _target_cells(result: RunResult | MethodSummary) -> list[str]:
    """Return the table cells with the errors on the target."""
    return [format_number(result.target_energy), format_number(result.target_forces)]


def _ratio(value: float | None, start: float | None) -> float | None:
    """Return a value divided by that of the starting model; None if one of them is None, or the divisor is zero."""
    return None if value is None or not start else value / start
