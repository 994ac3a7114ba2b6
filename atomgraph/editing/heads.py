"""Heads: some of them kept, or one more that starts as a copy of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atomgraph.editing.transfer import load_weights, places_of, without_rng
from atomgraph.errors import WiringError
from atomgraph.models.baseline import Baseline
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.part import build, public_name, to_spec
from atomgraph.nn.protocols import Readout
from atomgraph.potential import Potential


def keep_heads(potential: Potential, heads: Sequence[str]) -> Potential:
    """A new potential with some of the heads, in the given order, that predicts the same with them; the old one stays.

    Raises:
        WiringError: For a head that it does not have, or a readout whose heads cannot be told apart.
    """
    known = potential.heads
    rows = places_of(heads, known, "head")
    kept = [known[row] for row in rows]
    return _with_heads(potential, kept, rows, f"kept the heads {', '.join(kept)} of {', '.join(known)}")


def add_head(potential: Potential, name: str, like: str | None = None) -> Potential:
    """A new potential with one head more, which predicts what the head ``like`` does; the old one stays.

    Args:
        like: May be None where there is one head only.

    Raises:
        WiringError: For a name that there is, an unknown head, several heads and none named, or a readout of one's own.
    """
    known = potential.heads
    if name in known:
        raise WiringError(f"there is a head {name!r} already; this potential has {', '.join(known)}")
    if like is None and len(known) > 1:
        raise WiringError(f"say which head the new one starts from: like={known[0]!r}, or another of {known}")
    row = 0 if like is None else places_of([like], known, "head")[0]
    rows = [*range(len(known)), row]
    return _with_heads(potential, [*known, name], rows, f"added the head {name} like {known[row]}")


def _with_heads(potential: Potential, names: list[str], rows: list[int], note: str) -> Potential:
    model = potential.model
    state = model.state_dict()
    result = {f"baseline.{name}": state[f"baseline.{name}"][rows] for name in ("e0", "scale", "shift")}
    for name, part in model.named_modules():
        if isinstance(part, Readout):
            result |= {f"{name}.{key}": value for key, value in part.head_weights(rows).items()}
    return load_weights(potential, _rebuilt(model, names), state | result, note)


def _rebuilt(model: EnergyModel, heads: list[str]) -> EnergyModel:
    """The model with other heads, its numbers new: a family by its baseline, a composition by its readouts, too."""
    spec = to_spec(model)
    baseline: dict[str, Any] = spec.get("baseline") or {"kind": public_name(Baseline), "elements": model.elements}
    spec["baseline"] = baseline | {"heads": heads}
    branches = spec.get("branches", [])
    for branch in [branches] if isinstance(branches, dict) else branches:
        for readout in branch["readouts"]:
            readout["n_outputs"] = len(heads)
    try:
        new = without_rng(build, spec)
    except (WiringError, TypeError) as error:
        raise WiringError(f"the heads of this {type(model).__name__} cannot be edited: {error}") from error
    if not isinstance(new, EnergyModel):
        raise WiringError(f"a {type(model).__name__} is no EnergyModel")
    return new
