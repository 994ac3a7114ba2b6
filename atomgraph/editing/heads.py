"""Keep some heads of a potential, or add a head as a copy of an existing head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atomgraph.editing.transfer import find_indices, keep_random_state, load_weights
from atomgraph.errors import WiringError
from atomgraph.models.baseline import Baseline
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.part import build, public_name, to_spec
from atomgraph.nn.protocols import Readout
from atomgraph.potential import Potential


def keep_heads(potential: Potential, heads: Sequence[str]) -> Potential:
    """Return a new potential with some of the heads, with unchanged predictions.

    Args:
        potential: The potential. It is not changed.
        heads: Names of the heads to keep, in the order of the new potential.

    Raises:
        WiringError: For a head that the potential does not have, or a readout whose heads cannot be separated.
    """
    old_names = potential.heads
    rows = find_indices(heads, old_names, "head")
    names = [old_names[row] for row in rows]
    return _edit_heads(potential, names, rows, f"kept the heads {', '.join(names)} of {', '.join(old_names)}")


def add_head(potential: Potential, name: str, like: str | None = None) -> Potential:
    """Return a new potential with one more head, which starts with the predictions of the head ``like``.

    Args:
        potential: The potential. It is not changed.
        name: Name of the new head.
        like: Name of the head to copy; None: the only head.

    Raises:
        WiringError: If the name is in use, if the head to copy is unknown or missing, or if a readout cannot be edited.
    """
    heads = potential.heads
    if name in heads:
        raise WiringError(f"the head {name!r} exists already; choose a name other than {', '.join(heads)}")
    if like is None and len(heads) > 1:
        raise WiringError(f"choose the head that is copied: like={heads[0]!r}, or another of {', '.join(heads)}")
    row = 0 if like is None else find_indices([like], heads, "head")[0]
    rows = [*range(len(heads)), row]
    return _edit_heads(potential, [*heads, name], rows, f"added the head {name} like {heads[row]}")


def _edit_heads(potential: Potential, names: list[str], rows: list[int], note: str) -> Potential:
    """Build a potential with the heads ``names``; ``rows``: index of the old head whose weights each head gets."""
    model = potential.model
    state = model.state_dict()
    result = {f"baseline.{name}": state[f"baseline.{name}"][rows] for name in ("e0", "scale", "shift")}
    for name, part in model.named_modules():
        if isinstance(part, Readout):
            result |= {f"{name}.{key}": value for key, value in part.head_weights(rows).items()}
    return load_weights(potential, _build_model(model, names), state | result, note)


def _build_model(model: EnergyModel, heads: list[str]) -> EnergyModel:
    """Build the model again with other heads and new random weights."""
    spec = to_spec(model)
    baseline: dict[str, Any] = spec.get("baseline") or {"kind": public_name(Baseline), "elements": model.elements}
    spec["baseline"] = baseline | {"heads": heads}
    branches = spec.get("branches", [])
    for branch in [branches] if isinstance(branches, dict) else branches:
        for readout in branch["readouts"]:
            readout["n_outputs"] = len(heads)
    try:
        new_model = keep_random_state(build, spec)
    except (WiringError, TypeError) as error:
        raise WiringError(f"the heads of this {type(model).__name__} cannot be edited: {error}") from error
    if not isinstance(new_model, EnergyModel):
        raise WiringError(f"a {type(model).__name__} is not an EnergyModel")
    return new_model
