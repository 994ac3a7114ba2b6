"""Errors before and after fine-tuning, on structures of the target or of the source."""

from __future__ import annotations

from typing import Any

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.error_tables import ALL, ErrorRow, error_json, error_rows
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.graph.quantities import QUANTITIES


def error_change_table(before: Comparison, after: Comparison, title: str, note: str = "") -> Table:
    """Make a table of MAE before and after fine-tuning, and their ratio, per configuration type and in total.

    Args:
        before: Labels, and predictions before fine-tuning.
        after: Labels, and predictions after fine-tuning, for the same structures.
        title: Title of the table.
        note: Text below the table.
    """
    quantities = [q for q in QUANTITIES.values() if q.name in before.samples and q.name in after.samples]
    columns = [Column("configurations", is_text=True), Column("n")]
    columns += [Column(m, f"{q.name} MAE ({q.unit})") for q in quantities for m in ("before", "after", "after/before")]
    rows = list(zip(error_rows(before), error_rows(after), strict=True))
    cells = [
        [row.name, str(row.n_structures), *(cell for q in quantities for cell in _cells(row, row_after, q.name))]
        for row, row_after in rows
    ]
    totals = frozenset(i for i, (row, _) in enumerate(rows) if row.total)
    return Table(columns, cells, title=title, note=note, totals=totals)


def error_change_json(before: Comparison, after: Comparison) -> dict[str, Any]:
    """Return ``before``, ``after``, and the ``ratio`` of the MAE after and before by quantity, as JSON values."""
    ratios = {name: ratio for name in before.samples if (ratio := mae_ratio(before, after, name)) is not None}
    return {"before": error_json(before), "after": error_json(after), "ratio": ratios}


def mae(comparison: Comparison, quantity: str) -> float | None:
    """Return the MAE of a quantity over all structures, in the unit of the quantity; None without labels."""
    row = next(row for row in error_rows(comparison) if row.name == ALL)
    return row.statistics[quantity].mae if quantity in row.statistics else None


def mae_ratio(before: Comparison, after: Comparison, quantity: str) -> float | None:
    """Return the MAE after divided by the MAE before; None without labels, or if the MAE before is zero."""
    mae_before, mae_after = mae(before, quantity), mae(after, quantity)
    return None if mae_before is None or mae_after is None or mae_before == 0 else mae_after / mae_before


def _cells(before: ErrorRow, after: ErrorRow, name: str) -> list[str]:
    """Return the three cells of a quantity; empty cells without labels."""
    if name not in before.statistics or name not in after.statistics:
        return ["", "", ""]
    mae_before, mae_after = before.statistics[name].mae, after.statistics[name].mae
    ratio = format_number(mae_after / mae_before) if mae_before else ""
    return [format_number(mae_before), format_number(mae_after), ratio]
