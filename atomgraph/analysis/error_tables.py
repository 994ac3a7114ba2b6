"""Error tables: MAE, RMSE, largest error and R² of each labelled quantity, per configuration type and in total."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atomgraph.analysis.comparison import Comparison, Sample, StructureInfo
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.graph.quantities import QUANTITIES, Quantity
from atomgraph.old_names import OldAttribute, old_names_of, warn_old_name

ALL = "all"
ALL_BUT_DUPLICATES = "all but duplicates"
DUPLICATES_NOTE = "Duplicates are symmetry-equivalent to a structure of the training set."


@dataclass(frozen=True)
class ErrorStatistics:
    """Statistics of the errors of one quantity, in the unit of the quantity.

    Attributes:
        count: Number of labels; each component counts.
        mae: Mean absolute error.
        rmse: Root mean square error.
        max: Largest absolute error.
        r2: Coefficient of determination R²; None if all labels are equal.
    """

    count: int
    mae: float
    rmse: float
    max: float
    r2: float | None

    @classmethod
    def from_sample(cls, sample: Sample) -> ErrorStatistics:
        """Compute the statistics of labels and predictions."""
        error = sample.error
        variation = np.sum((sample.reference - sample.reference.mean()) ** 2)
        return cls(
            count=len(error),
            mae=float(np.abs(error).mean()),
            rmse=float(np.sqrt((error**2).mean())),
            max=float(np.abs(error).max()),
            r2=float(1.0 - np.sum(error**2) / variation) if variation > 0 else None,
        )

    @classmethod
    def of(cls, sample: Sample) -> ErrorStatistics:
        """``from_sample`` under its old name."""
        warn_old_name("Figures.of", "ErrorStatistics.from_sample")
        return cls.from_sample(sample)


@dataclass(frozen=True)
class ErrorRow:
    """One row of an error table.

    Attributes:
        name: Configuration type, ``all`` or ``all but duplicates``.
        n_structures: Number of structures.
        n_atoms: Number of atoms in the structures.
        statistics: Statistics of the errors, by quantity.
        total: Whether the row contains all configuration types.
    """

    name: str
    n_structures: int
    n_atoms: int
    statistics: dict[str, ErrorStatistics]
    total: bool = False

    figures = OldAttribute("statistics")


def error_rows(comparison: Comparison) -> list[ErrorRow]:
    """Return one row per configuration type, a row for all structures, and a row for all structures but duplicates.

    Rows per configuration type are omitted if there is only one type. The last row is omitted if there are no duplicates
    of training structures, or only duplicates.
    """
    all_structures = np.ones(len(comparison.structures), dtype=bool)
    types = comparison.config_types
    rows = [_row(comparison, name, comparison.config_type_mask(name)) for name in types if len(types) > 1]
    rows.append(_row(comparison, ALL, all_structures, total=True))
    duplicates = comparison.duplicate_mask
    if duplicates.any() and not duplicates.all():
        rows.append(_row(comparison, ALL_BUT_DUPLICATES, ~duplicates, total=True))
    return rows


def error_table(comparison: Comparison, title: str = "", *, full: bool = False) -> Table:
    """Make a table of MAE and RMSE of the labelled quantities, with a row per configuration type and in total.

    Args:
        comparison: Labels and predictions.
        title: Title of the table.
        full: Whether the table also has columns of the largest errors.
    """
    measures = ["MAE", "RMSE", "max"] if full else ["MAE", "RMSE"]
    quantities = [q for q in QUANTITIES.values() if q.name in comparison.samples]
    columns = [Column("configurations", is_text=True), Column("n")]
    columns += [Column(m, f"{q.name} ({q.unit})") for q in quantities for m in measures]
    rows = error_rows(comparison)
    cells = []
    for row in rows:
        numbers: list[str] = []
        for quantity in quantities:
            statistics = row.statistics.get(quantity.name)
            values = (statistics.mae, statistics.rmse, statistics.max) if statistics else (None, None, None)
            numbers += [format_number(value) for value in values[: len(measures)]]
        cells.append([row.name, str(row.n_structures), *numbers])
    return Table(
        columns,
        cells,
        title=title,
        totals=frozenset(i for i, row in enumerate(rows) if row.total),
        note=DUPLICATES_NOTE if rows[-1].name == ALL_BUT_DUPLICATES else "",
    )


def error_json(comparison: Comparison) -> dict[str, Any]:
    """Return all error statistics as JSON values; numbers that are not finite become None.

    Returns:
        ``units`` by quantity, the row of all structures in ``all``, the row without duplicates in ``all_but_twins``, and
        the rows of configuration types in ``config_types``.
    """
    result: dict[str, Any] = {"units": {name: q.unit for name, q in QUANTITIES.items() if name in comparison.samples}}
    by_type: dict[str, Any] = {}
    for row in error_rows(comparison):
        entry: dict[str, Any] = {"structures": row.n_structures, "atoms": row.n_atoms}
        entry |= {name: {k: _finite(v) for k, v in asdict(s).items()} for name, s in row.statistics.items()}
        if row.total:
            result["all" if row.name == ALL else "all_but_twins"] = entry
        else:
            by_type[row.name] = entry
    return result | {"config_types": by_type}


def structure_errors(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the errors of each structure, with its description.

    Returns:
        One dict per structure: the fields of ``StructureInfo``; ``energy_error``, with its sign, meV/atom;
        ``forces_rmse`` and ``forces_max_error``, the norm of the largest error of a force, eV/Å; ``stress_rmse``, GPa.
        Values without a label are None.
    """
    result: list[dict[str, Any]] = [asdict(s) for s in comparison.structures]
    for entry in result:
        entry.update(dict.fromkeys(column for q in QUANTITIES.values() for column in _columns(q)))
    for sample in comparison.samples.values():
        starts = np.flatnonzero(np.r_[True, np.diff(sample.structure_index) > 0])
        for index, error in zip(sample.structure_index[starts], np.split(sample.error, starts[1:]), strict=True):
            error_column, *max_columns = _columns(sample.quantity)
            is_scalar = sample.quantity.full_shape(1) == ()
            result[index][error_column] = float(error[0]) if is_scalar else float(np.sqrt(np.mean(error**2)))
            for column in max_columns:
                vectors = error.reshape(-1, sample.quantity.n_table_components)
                result[index][column] = float(np.linalg.norm(vectors, axis=1).max())
    return result


def _columns(quantity: Quantity) -> list[str]:
    """Return the keys of a quantity in ``structure_errors``.

    They are the error or the RMSE and, for quantities of atoms, the largest error of an atom.
    """
    if quantity.full_shape(1) == ():
        return [f"{quantity.name}_error"]
    return [f"{quantity.name}_rmse"] + ([f"{quantity.name}_max_error"] if quantity.per == "atom" else [])


def errors_csv(comparison: Comparison) -> str:
    """Return ``structure_errors`` as CSV text, with units in the column names."""
    units = {column: q.unit for q in QUANTITIES.values() for column in _columns(q)} | {"max_force": "eV/Å"}
    rows = structure_errors(comparison)
    names = list(rows[0]) if rows else list(StructureInfo.__dataclass_fields__)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f"{name} ({units[name]})" if name in units else name for name in names])
    writer.writerows([["" if row[name] is None else row[name] for name in names] for row in rows])
    return text.getvalue()


def worst_table(comparison: Comparison, n: int = 10, title: str = "", by: str = "forces") -> Table:
    """Make a table of the structures with the largest errors.

    Args:
        comparison: Labels and predictions.
        n: Number of structures.
        title: Title of the table.
        by: Sort by the RMSE of forces (``forces``) or by the energy error per atom (``energy``).
    """
    key = {"forces": "forces_rmse", "energy": "energy_error"}[by]
    rows = [row for row in structure_errors(comparison) if row[key] is not None]
    rows.sort(key=lambda row: -abs(row[key]) if np.isfinite(row[key]) else -np.inf)
    columns = [
        Column("source", is_text=True),
        Column("structure", is_text=True),
        Column("configuration", is_text=True),
        Column("atoms"),
    ]
    columns += [
        Column("error", "energy (meV/atom)"),
        *(Column(m, "forces (eV/Å)") for m in ("RMSE", "max |ΔF|", "max |F|")),
    ]
    columns += [Column("RMSE", "stress (GPa)")]
    names = ("energy_error", "forces_rmse", "forces_max_error", "max_force", "stress_rmse")
    cells = [
        [
            _source_name(row),
            row["formula"],
            row["config_type"],
            str(row["n_atoms"]),
            *(format_number(row[k]) for k in names),
        ]
        for row in rows[:n]
    ]
    return Table(
        columns,
        cells,
        title=title,
        note="max |ΔF| and max |F| are the norms of the largest error of a force and of the largest labelled force.",
    )


def _row(comparison: Comparison, name: str, structure_mask: np.ndarray, *, total: bool = False) -> ErrorRow:
    """Make the row of the structures for which ``structure_mask`` (n_structures,) is True."""
    samples = {key: sample.select(structure_mask) for key, sample in comparison.samples.items()}
    n_atoms = sum(s.n_atoms for s, selected in zip(comparison.structures, structure_mask, strict=True) if selected)
    statistics = {key: ErrorStatistics.from_sample(sample) for key, sample in samples.items() if len(sample.reference)}
    return ErrorRow(name, int(structure_mask.sum()), n_atoms, statistics, total)


def _source_name(row: Mapping[str, Any]) -> str:
    return Path(row["source"]).name or f"#{row['index']}"


def _finite(value: float | int | None) -> float | int | None:
    return value if value is None or np.isfinite(value) else None


__getattr__ = old_names_of(__name__)
