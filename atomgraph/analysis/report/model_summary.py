"""Summary of a potential: short facts, E0, test errors stored in the metadata, and all metadata as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.formats import native
from atomgraph.nn.part import to_spec
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential


def model_facts(potential: Potential) -> dict[str, str]:
    """Return kind, elements, heads, cutoff, number of parameters and dtype of a potential, as text by name."""
    n_parameters = sum(p.numel() for p in potential.parameters())
    n_fitted = _n_fitted(potential)
    return {
        "model": type(potential.model).__name__,
        "elements": ", ".join(potential.elements),
        "heads": ", ".join(potential.heads) if len(potential.heads) > 1 else "",
        "cutoff": f"{potential.cutoff:g} Å",
        "parameters": _with_spaces(n_parameters)
        if n_fitted in (None, n_parameters)
        else f"{_with_spaces(n_fitted)} fitted of {_with_spaces(n_parameters)}",
        "computes in": potential.model.dtype_name,
    }


def _with_spaces(count: int | None) -> str:
    """Return an integer as text with a space between thousands."""
    return f"{count:,}".replace(",", " ")


def _n_fitted(potential: Potential) -> int | None:
    """Return the number of weights of a fit in closed form, from the metadata; None if the metadata do not contain it."""
    metrics = potential.metadata.get("metrics")
    training = metrics.get("training") if isinstance(metrics, Mapping) else None
    count = training.get("unknowns") if isinstance(training, Mapping) else None
    return count if isinstance(count, int) else None


def e0_table(potential: Potential) -> Table:
    """Make a table of the energies of isolated atoms by element and head. The note gives their origin and the energy scale."""
    baseline = potential.model.baseline
    columns = [Column("element", is_text=True), *(Column(_head_title(name), "E0 (eV)") for name in potential.heads)]
    rows = [[s, *(f"{v:.6f}" for v in baseline.e0[:, i].tolist())] for i, s in enumerate(potential.elements)]
    origin = potential.metadata.get("e0_origin", "")
    scale = ", ".join(f"{format_number(s)} eV" for s in baseline.scale.tolist())
    return Table(columns, rows, note=f"E0: {origin or 'origin not recorded'}. Scale of the model's energies: {scale}.")


def describe_errors(metrics: Any) -> dict[str, str]:
    """Return errors as text, by part of the data: ``energy MAE 3.87 meV/atom, ...``.

    Args:
        metrics: Entry ``metrics`` of a potential's metadata; entries of another form are skipped.
    """
    result = {}
    for part, part_metrics in metrics.items() if isinstance(metrics, Mapping) else ():
        if not isinstance(part_metrics, Mapping) or not isinstance(part_metrics.get("units"), Mapping):
            continue
        statistics_by_quantity = {name: (part_metrics.get("all") or {}).get(name) for name in part_metrics["units"]}
        texts = [
            f"{name} MAE {format_number(statistics.get('mae'))} {part_metrics['units'][name]}"
            for name, statistics in statistics_by_quantity.items()
            if isinstance(statistics, Mapping)
        ]
        result[str(part)] = ", ".join(texts)
    return result


def potential_json(potential: Potential) -> dict[str, Any]:
    """Return metadata, architecture, units and E0 of a potential as JSON values."""
    return {
        "model": type(potential.model).__name__,
        "elements": potential.elements,
        "heads": potential.heads,
        "cutoff": potential.cutoff,
        "units": native.UNITS,
        "dtype": potential.model.dtype_name,
        "n_parameters": sum(p.numel() for p in potential.parameters()),
        "e0": native.e0_by_head(potential.model),
        "architecture": to_spec(potential.model),
        "metadata": potential.metadata,
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested values: ``{"data": {"files": ["a", "b"]}}`` becomes ``{"data files": "a, b"}``.

    Args:
        values: Values by name; nested mappings are allowed, None is omitted.
        prefix: Text before each name.
    """
    result: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            result |= flatten(value, name)
        elif isinstance(value, list | tuple):
            result[name] = ", ".join(str(item) for item in value)
        elif value is not None:
            result[name] = f"{value:.6g}" if isinstance(value, float) else str(value)
    return result


def _head_title(name: str) -> str:
    """Return the column name of a head; empty for the default head."""
    return "" if name == "default" else name


__getattr__ = old_names_of(__name__)
