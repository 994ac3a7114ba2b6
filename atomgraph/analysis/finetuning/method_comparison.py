"""Methods of fine-tuning against one another: what each gains on the target and loses on the source, by training-set size."""

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

START = "the start"


@dataclass(frozen=True)
class RunResult:
    """One run: a method, a number of training structures, a seed; MAE on the target (eV/Å, meV/atom) and on the source."""

    method: str
    size: int
    seed: int
    target_forces: float | None
    target_energy: float | None
    source_forces: float | None
    source_energy: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class MethodSummary:
    """Of one method and size: means over seeds; ``spread``, half the range of target force errors."""

    method: str
    size: int
    seeds: int
    target_forces: float | None
    target_energy: float | None
    source_forces: float | None
    source_energy: float | None
    spread: float


def summarise(cells: Iterable[RunResult]) -> list[MethodSummary]:
    """Cells of one method and size together, in the order in which they came."""
    groups: dict[tuple[str, int], list[RunResult]] = {}
    for cell in cells:
        groups.setdefault((cell.method, cell.size), []).append(cell)
    return [_standing(mine) for mine in groups.values()]


def method_table(cells: Sequence[RunResult], start: RunResult) -> Table:
    """A row a method and size; errors on the source, and their ratio to the errors of the start."""
    columns = [Column("method", words=True), Column("structures"), Column("seeds")]
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
            *_errors(start),
            "",
            format_number(start.source_energy),
            format_number(start.source_forces),
            "1",
        ]
    ]
    for summary in summarise(cells):
        ratio = _ratio(summary.source_forces, start.source_forces)
        spread = format_number(summary.spread) if summary.seeds > 1 else ""
        on_source = [format_number(summary.source_energy), format_number(summary.source_forces), format_number(ratio)]
        rows.append([summary.method, str(summary.size), str(summary.seeds), *_errors(summary), spread, *on_source])
    note = "Means over seeds; ±: half the range. Source energies with the source's E0; the start's with E0 shifted."
    return Table(columns, rows, title="Methods of fine-tuning", note=note)


def trade_figure(cells: Sequence[RunResult], start: RunResult) -> Figure:
    """Force error on the target against that on the source, a line a method through its sizes; down and left is better."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for summary in summarise(cells):
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
        title="Gained and lost",
        log=True,
        points=True,
    )
    drawing.axes[0].set_xscale("log")
    return drawing


def size_figure(cells: Sequence[RunResult]) -> Figure:
    """Force error on the target against the number of training structures."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for summary in summarise(cells):
        if summary.target_forces is not None:
            x, y = curves.setdefault(summary.method, ([], []))
            x.append(summary.size)
            y.append(summary.target_forces)
    drawing = line_plot(
        curves, xlabel="training structures", ylabel="force MAE (eV/Å)", title="Target", log=True, points=True
    )
    drawing.axes[0].set_xscale("log")
    return drawing


def write_methods(path: Path, cells: Sequence[RunResult], start: RunResult, title: str) -> Path:
    """``compare.html``: the table and the two figures, one file that needs no other."""
    pictures = [
        Picture(trade_figure(cells, start), "methods-trade", "A line a method, through its sizes."),
        Picture(size_figure(cells), "methods-sizes", "Errors on structures that no run was trained on."),
    ]
    lead = "Each method on the same structures, split and seeds."
    section = Section("Methods", [method_table(cells, start), Gallery(pictures)], lead)
    return write_text(path, html_page(title, [section], footer=f"Written by atomgraph, {now()}."))


def _standing(cells: Sequence[RunResult]) -> MethodSummary:
    names = ("target_forces", "target_energy", "source_forces", "source_energy")
    means = {name: _mean([getattr(cell, name) for cell in cells]) for name in names}
    forces = [cell.target_forces for cell in cells if cell.target_forces is not None]
    spread = 0.5 * float(np.ptp(forces)) if forces else 0.0
    return MethodSummary(cells[0].method, cells[0].size, len(cells), spread=spread, **means)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _errors(result: RunResult | MethodSummary) -> list[str]:
    return [format_number(result.target_energy), format_number(result.target_forces)]


def _ratio(value: float | None, start: float | None) -> float | None:
    return None if value is None or not start else value / start
