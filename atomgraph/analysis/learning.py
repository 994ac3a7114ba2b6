"""Learning curves from the rows of metrics.csv: one figure a quantity, training and validation in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from atomgraph.analysis.plots import lines

PARTS = ("train", "valid", "val", "test")


def learning_curves(history: Sequence[Mapping[str, Any]], *, at_most: int = 6) -> dict[str, Figure]:
    """Figures by quantity, from columns such as ``train_loss``, ``valid/forces_mae``; the loss first.

    Each row has an ``epoch`` (or else counts as one); cells that are empty or no numbers are left out.
    """
    curves: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for number, row in enumerate(history):
        epoch = _number(row.get("epoch"))
        for column, cell in row.items():
            part, what = _parts_of(column)
            value = _number(cell)
            if part and value is not None:
                x, y = curves.setdefault(what, {}).setdefault(part, ([], []))
                x.append(number if epoch is None else epoch)
                y.append(value)
    order = sorted(curves, key=lambda what: (what != "loss", -len(curves[what]), what))
    return {
        what: lines(curves[what], xlabel="epoch", ylabel=what.replace("_", " "), title=_title(what), log=True)
        for what in order[:at_most]
        if any(len(x) > 1 for x, _ in curves[what].values())
    }


def _parts_of(column: str) -> tuple[str, str]:
    for part in PARTS:
        if column.startswith((f"{part}_", f"{part}/")):
            return ("valid" if part == "val" else part), column[len(part) + 1 :].replace("/", "_")
    return "", column


def _title(what: str) -> str:
    words = what.replace("_", " ")
    return words[:1].upper() + words[1:]


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
