"""Errors before and after: on the target, what was gained; on structures of the source, what was lost."""

from __future__ import annotations

from typing import Any

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.error_tables import ALL, ErrorRow, error_json, error_rows
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.graph.quantities import QUANTITIES


def change_table(before: Comparison, after: Comparison, title: str, note: str = "") -> Table:
    """MAE before and after, and their quotient, per configuration type and in total; the two are of the same structures."""
    quantities = [q for q in QUANTITIES.values() if q.name in before.samples and q.name in after.samples]
    columns = [Column("configurations", words=True), Column("n")]
    columns += [Column(m, f"{q.name} MAE ({q.unit})") for q in quantities for m in ("before", "after", "after/before")]
    rows = list(zip(error_rows(before), error_rows(after), strict=True))
    cells = [
        [old.name, str(old.n_structures), *(cell for q in quantities for cell in _cells(old, new, q.name))]
        for old, new in rows
    ]
    totals = frozenset(i for i, (row, _) in enumerate(rows) if row.total)
    return Table(columns, cells, title=title, note=note, totals=totals)


def change_json(before: Comparison, after: Comparison) -> dict[str, Any]:
    """All figures before and after; ``ratio`` of the MAE of each quantity in total."""
    ratios = {name: ratio for name in before.samples if (ratio := mae_ratio(before, after, name)) is not None}
    return {"before": error_json(before), "after": error_json(after), "ratio": ratios}


def mae(comparison: Comparison, quantity: str) -> float | None:
    """MAE of a quantity over all structures, in its unit; None where it has no label."""
    row = next(row for row in error_rows(comparison) if row.name == ALL)
    return row.statistics[quantity].mae if quantity in row.statistics else None


def mae_ratio(before: Comparison, after: Comparison, quantity: str) -> float | None:
    """MAE after, as a multiple of that before; None where there is none."""
    old, new = mae(before, quantity), mae(after, quantity)
    return None if old is None or new is None or old == 0 else new / old


def _cells(before: ErrorRow, after: ErrorRow, name: str) -> list[str]:
    if name not in before.statistics or name not in after.statistics:
        return ["", "", ""]
    old, new = before.statistics[name].mae, after.statistics[name].mae
    return [format_number(old), format_number(new), format_number(new / old) if old else ""]
