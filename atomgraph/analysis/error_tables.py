"""Error tables: MAE, RMSE, largest error and R² per configuration type and in total, with units, for labels that exist."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atomgraph.analysis.comparison import Comparison, Described, Sample
from atomgraph.analysis.report.tables import Column, Table, short
from atomgraph.graph.quantities import QUANTITIES, Quantity

ALL = "all"
ALL_BUT_DUPLICATES = "all but duplicates"
ABOUT_DUPLICATES = "Duplicates are symmetry-equivalent to a structure of the training set."


@dataclass(frozen=True)
class Figures:
    """Errors of one quantity: how many numbers, MAE, RMSE, largest, in its unit; R² where the labels differ at all."""

    count: int
    mae: float
    rmse: float
    max: float
    r2: float | None

    @classmethod
    def of(cls, sample: Sample) -> Figures:
        error = sample.error
        spread = np.sum((sample.reference - sample.reference.mean()) ** 2)
        return cls(
            count=len(error),
            mae=float(np.abs(error).mean()),
            rmse=float(np.sqrt((error**2).mean())),
            max=float(np.abs(error).max()),
            r2=float(1.0 - np.sum(error**2) / spread) if spread > 0 else None,
        )


@dataclass(frozen=True)
class Row:
    """One line of an error table: a configuration type, or all of them, and its figures by quantity."""

    name: str
    n_structures: int
    n_atoms: int
    figures: dict[str, Figures]
    total: bool = False


def error_rows(comparison: Comparison) -> list[Row]:
    """A row per configuration type, a row for all, and one without duplicates of training structures where there are any."""
    everything = np.ones(len(comparison.structures), dtype=bool)
    types = comparison.config_types
    rows = [_row(comparison, name, comparison.among(name)) for name in types if len(types) > 1]
    rows.append(_row(comparison, ALL, everything, total=True))
    duplicates = comparison.duplicates
    if duplicates.any() and not duplicates.all():
        rows.append(_row(comparison, ALL_BUT_DUPLICATES, ~duplicates, total=True))
    return rows


def error_table(comparison: Comparison, title: str = "", *, full: bool = False) -> Table:
    """MAE and RMSE (``full``: the largest error too) of what is labelled, units in the head."""
    measures = ["MAE", "RMSE", "max"] if full else ["MAE", "RMSE"]
    quantities = [q for q in QUANTITIES.values() if q.name in comparison.samples]
    columns = [Column("configurations", words=True), Column("n")]
    columns += [Column(m, f"{q.name} ({q.unit})") for q in quantities for m in measures]
    rows = error_rows(comparison)
    cells = []
    for row in rows:
        figures = [row.figures.get(q.name) for q in quantities]
        numbers = [[short(f.mae), short(f.rmse), short(f.max)] if f else [""] * 3 for f in figures]
        cells.append([row.name, str(row.n_structures), *(n for three in numbers for n in three[: len(measures)])])
    return Table(
        columns,
        cells,
        title=title,
        totals=frozenset(i for i, row in enumerate(rows) if row.total),
        note=ABOUT_DUPLICATES if rows[-1].name == ALL_BUT_DUPLICATES else "",
    )


def error_json(comparison: Comparison) -> dict[str, Any]:
    """The same with every figure: units, totals, and by configuration type; JSON values, None for what is not finite."""
    result: dict[str, Any] = {"units": {name: q.unit for name, q in QUANTITIES.items() if name in comparison.samples}}
    by_type: dict[str, Any] = {}
    for row in error_rows(comparison):
        entry: dict[str, Any] = {"structures": row.n_structures, "atoms": row.n_atoms}
        entry |= {name: {k: _finite(v) for k, v in asdict(f).items()} for name, f in row.figures.items()}
        if row.total:
            result["all" if row.name == ALL else "all_but_twins"] = entry
        else:
            by_type[row.name] = entry
    return result | {"config_types": by_type}


def structure_errors(comparison: Comparison) -> list[dict[str, Any]]:
    """One mapping a structure: what it is, energy error (meV/atom, signed), force and stress RMSE, largest force error."""
    result: list[dict[str, Any]] = [asdict(s) for s in comparison.structures]
    for entry in result:
        entry.update(dict.fromkeys(column for q in QUANTITIES.values() for column in _columns(q)))
    for sample in comparison.samples.values():
        starts = np.flatnonzero(np.r_[True, np.diff(sample.structure) > 0])
        for owner, error in zip(sample.structure[starts], np.split(sample.error, starts[1:]), strict=True):
            first, *rest = _columns(sample.quantity)
            is_number = sample.quantity.full_shape(1) == ()
            result[owner][first] = float(error[0]) if is_number else float(np.sqrt(np.mean(error**2)))
            if rest:
                rows = error.reshape(-1, sample.quantity.n_table_components)
                result[owner][rest[0]] = float(np.linalg.norm(rows, axis=1).max())
    return result


def _columns(quantity: Quantity) -> list[str]:
    """Columns of a quantity in ``structure_errors``: signed error or RMSE; for quantities of atoms the largest error too."""
    if quantity.full_shape(1) == ():
        return [f"{quantity.name}_error"]
    return [f"{quantity.name}_rmse"] + ([f"{quantity.name}_max_error"] if quantity.per == "atom" else [])


def errors_csv(comparison: Comparison) -> str:
    """``structure_errors`` as CSV text, units in the heads."""
    units = {column: q.unit for q in QUANTITIES.values() for column in _columns(q)} | {"max_force": "eV/Å"}
    rows = structure_errors(comparison)
    names = list(rows[0]) if rows else list(Described.__dataclass_fields__)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f"{name} ({units[name]})" if name in units else name for name in names])
    writer.writerows([["" if row[name] is None else row[name] for name in names] for row in rows])
    return text.getvalue()


def worst_table(comparison: Comparison, n: int = 10, title: str = "", by: str = "forces") -> Table:
    """The n structures with the largest force RMSE (``by="forces"``) or energy error per atom (``by="energy"``)."""
    key = {"forces": "forces_rmse", "energy": "energy_error"}[by]
    rows = [row for row in structure_errors(comparison) if row[key] is not None]
    rows.sort(key=lambda row: -abs(row[key]) if np.isfinite(row[key]) else -np.inf)
    columns = [
        Column("source", words=True),
        Column("structure", words=True),
        Column("configuration", words=True),
        Column("atoms"),
    ]
    columns += [
        Column("error", "energy (meV/atom)"),
        *(Column(m, "forces (eV/Å)") for m in ("RMSE", "max |ΔF|", "max |F|")),
    ]
    columns += [Column("RMSE", "stress (GPa)")]
    names = ("energy_error", "forces_rmse", "forces_max_error", "max_force", "stress_rmse")
    cells = [
        [_place(row), row["formula"], row["config_type"], str(row["n_atoms"]), *(short(row[k]) for k in names)]
        for row in rows[:n]
    ]
    return Table(
        columns,
        cells,
        title=title,
        note="max |ΔF| and max |F| are the largest error of a force and the largest labelled force, as vectors.",
    )


def _row(comparison: Comparison, name: str, chosen: np.ndarray, *, total: bool = False) -> Row:
    parts = {key: sample.of(chosen) for key, sample in comparison.samples.items()}
    n_atoms = sum(s.n_atoms for s, kept in zip(comparison.structures, chosen, strict=True) if kept)
    figures = {key: Figures.of(part) for key, part in parts.items() if len(part.reference)}
    return Row(name, int(chosen.sum()), n_atoms, figures, total)


def _place(row: Mapping[str, Any]) -> str:
    return Path(row["source"]).name or f"#{row['index']}"


def _finite(value: float | int | None) -> float | int | None:
    return value if value is None or np.isfinite(value) else None
