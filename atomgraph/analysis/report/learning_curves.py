"""Learning curves from the rows of metrics.csv: the loss, the errors with their units, the learning rate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from atomgraph.analysis.report.plots import capital, lines

LOSS = re.compile(r"(?P<curve>train|valid)_loss")
ERROR = re.compile(r"(?P<curve>train|valid)_(?P<panel>\w+)_(?P<kind>mae|rmse) \((?P<unit>.+)\)")
ALONE = {"learning_rate": "learning rate"}  # columns that are a panel by themselves, and what they are called
Curves = dict[str, tuple[list[float], list[float]]]


def learning_curves(history: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Figures by panel (``loss``, ``energy``, ``forces``, ``stress``, ``learning-rate``) from the columns of metrics.csv.

    Each row has an ``epoch`` (or else counts as one); cells that are empty or no numbers are left out, and so are panels
    with fewer than two points.
    """
    panels: dict[str, Curves] = {}
    labels: dict[str, str] = {}
    for number, row in enumerate(history):
        epoch = _number(row.get("epoch"))
        for column, cell in row.items():
            value = _number(cell)
            if value is None or (place := _place(column)) is None:
                continue
            panel, curve, labels[panel] = place
            x, y = panels.setdefault(panel, {}).setdefault(curve, ([], []))
            x.append(number if epoch is None else epoch)
            y.append(value)
    return {
        panel.replace(" ", "-"): lines(curves, xlabel="epoch", ylabel=labels[panel], title=capital(panel), log=True)
        for panel, curves in panels.items()
        if any(len(x) > 1 for x, _ in curves.values())
    }


def _place(column: str) -> tuple[str, str, str] | None:
    """Panel, curve and label of the y-axis of a column; None for columns that are no curve."""
    if match := LOSS.fullmatch(column):
        return "loss", match["curve"], "loss"
    if match := ERROR.fullmatch(column):
        return match["panel"], f"{match['curve']} {match['kind'].upper()}", f"error ({match['unit']})"
    return (ALONE[column], column, ALONE[column]) if column in ALONE else None


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
