"""What a potential says of itself: facts for people, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atomgraph.analysis.report.tables import Column, Table, short
from atomgraph.formats import native
from atomgraph.nn.part import to_spec
from atomgraph.potential import Potential


def facts(potential: Potential) -> dict[str, str]:
    """The model in a few words: kind, elements, heads, cutoff, how many numbers were trained, dtype."""
    count = sum(p.numel() for p in potential.parameters())
    n_fitted = _n_fitted(potential)
    return {
        "model": type(potential.model).__name__,
        "elements": ", ".join(potential.elements),
        "heads": ", ".join(potential.heads) if len(potential.heads) > 1 else "",
        "cutoff": f"{potential.cutoff:g} Å",
        "trained numbers": _spaced(count)
        if n_fitted in (None, count)
        else f"{_spaced(n_fitted)} fitted of {_spaced(count)}",
        "computes in": potential.model.dtype_name,
    }


def _spaced(count: int | None) -> str:
    return f"{count:,}".replace(",", " ")


def _n_fitted(potential: Potential) -> int | None:
    """How many weights a fit in closed form solved for, by the metadata; None where it does not say."""
    metrics = potential.metadata.get("metrics")
    training = metrics.get("training") if isinstance(metrics, Mapping) else None
    count = training.get("unknowns") if isinstance(training, Mapping) else None
    return count if isinstance(count, int) else None


def e0_table(potential: Potential) -> Table:
    """Energies of free atoms by element and head, where they come from, and the scale of what is learned."""
    baseline = potential.model.baseline
    columns = [Column("element", words=True), *(Column(_head(name), "E0 (eV)") for name in potential.heads)]
    rows = [[s, *(f"{v:.6f}" for v in baseline.e0[:, i].tolist())] for i, s in enumerate(potential.elements)]
    origin = potential.metadata.get("e0_origin", "")
    scale = ", ".join(f"{short(s)} eV" for s in baseline.scale.tolist())
    return Table(columns, rows, note=f"E0: {origin or 'origin not recorded'}. Scale of what is learned: {scale}.")


def errors(metrics: Any) -> dict[str, str]:
    """The errors in a potential's metadata, a line for each part of the data: ``energy MAE 3.87 meV/atom, ...``."""
    result = {}
    for part, entry in metrics.items() if isinstance(metrics, Mapping) else ():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("units"), Mapping):
            continue
        entries = {name: (entry.get("all") or {}).get(name) for name in entry["units"]}
        words = [
            f"{n} MAE {short(f.get('mae'))} {entry['units'][n]}" for n, f in entries.items() if isinstance(f, Mapping)
        ]
        result[str(part)] = ", ".join(words)
    return result


def as_json(potential: Potential) -> dict[str, Any]:
    """Everything that the file says, and its architecture; JSON values."""
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


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Nested facts as one level: ``{"data": {"files": ["a", "b"]}}`` to ``{"data files": "a, b"}``."""
    result: dict[str, str] = {}
    for key, value in values.items():
        name = f"{before} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            result |= flat(value, name)
        elif isinstance(value, list | tuple):
            result[name] = ", ".join(str(item) for item in value)
        elif value is not None:
            result[name] = f"{value:.6g}" if isinstance(value, float) else str(value)
    return result


def _head(name: str) -> str:
    return "" if name == "default" else name
