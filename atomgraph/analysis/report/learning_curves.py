"""Learning curves from the rows of ``metrics.csv``: loss, errors and learning rate as functions of the epoch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from atomgraph.analysis.report.plots import capitalise, line_plot

LOSS_COLUMN = re.compile(r"(?P<curve>train|valid)_loss")
ERROR_COLUMN = re.compile(r"(?P<curve>train|valid)_(?P<panel>\w+)_(?P<kind>mae|rmse) \((?P<unit>.+)\)")
SINGLE_COLUMNS = {"learning_rate": "learning rate"}  # columns that have their own panel: title of the panel
Curves = dict[str, tuple[list[float], list[float]]]  # epochs and values of each curve, by name


def learning_curves(history: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Plot learning curves, one figure per panel.

    Args:
        history: Rows of ``metrics.csv``, by column name. Cells without a finite number are skipped. A row without ``epoch``
            uses its row number.

    Returns:
        Figures by panel: ``loss``, ``energy``, ``forces``, ``stress`` or ``learning-rate``. Panels with fewer than two
        points are omitted.
    """
    panels: dict[str, Curves] = {}
    labels: dict[str, str] = {}
    for number, row in enumerate(history):
        epoch = _finite_number(row.get("epoch"))
        for column, cell in row.items():
            value = _finite_number(cell)
            if value is None or (location := _find_curve(column)) is None:
                continue
            panel, curve, labels[panel] = location
            x, y = panels.setdefault(panel, {}).setdefault(curve, ([], []))
            x.append(number if epoch is None else epoch)
            y.append(value)
    return {
        panel.replace(" ", "-"): line_plot(
            curves, xlabel="epoch", ylabel=labels[panel], title=capitalise(panel), log=True
        )
        for panel, curves in panels.items()
        if any(len(x) > 1 for x, _ in curves.values())
    }


def _find_curve(column: str) -> tuple[str, str, str] | None:
    """Return panel, curve and label of the y-axis for a column name; None for columns that are not plotted."""
    if match := LOSS_COLUMN.fullmatch(column):
        return "loss", match["curve"], "loss"
    if match := ERROR_COLUMN.fullmatch(column):
        return match["panel"], f"{match['curve']} {match['kind'].upper()}", f"error ({match['unit']})"
    return (SINGLE_COLUMNS[column], column, SINGLE_COLUMNS[column]) if column in SINGLE_COLUMNS else None


def _finite_number(cell: Any) -> float | None:
    """Convert a cell to a number; None if it is not a finite number."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
