"""Isolated atoms: a potential that keeps them at exactly E0 from now on, whatever its weights become."""

from __future__ import annotations

from typing import Any

import torch

from atomgraph.editing.transfer import load_weights, without_rng
from atomgraph.errors import WiringError
from atomgraph.models.baseline import Baseline
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.part import build, public_name, to_spec
from atomgraph.potential import Potential


def pin_isolated(potential: Potential) -> Potential:
    r"""A new potential with the same predictions whose isolated atoms have exactly E0 (``Baseline(exact_isolated=True)``).

    .. math:: E0' = E0 + s\,\varepsilon^{free} + t, \qquad t' = 0

    Args:
        potential: Stays as it is.

    Returns:
        The new potential; the same object where isolated atoms have E0 already.

    Raises:
        WiringError: If the model takes no baseline, or its energies depend on the charge and spin of a structure.
    """
    model = potential.model
    if model.baseline.exact_isolated:
        return potential
    if model.reads_states:
        raise WiringError("features depend on charge and spin, so an isolated atom has no single energy")
    spec: dict[str, Any] = to_spec(model)
    baseline = spec.get("baseline") or {"kind": public_name(Baseline), "elements": model.elements}
    spec["baseline"] = baseline | {"exact_isolated": True}
    try:
        new = without_rng(build, spec)
    except (WiringError, TypeError) as error:
        raise WiringError(f"the baseline of this {type(model).__name__} cannot be exchanged: {error}") from error
    if not isinstance(new, EnergyModel):
        raise WiringError(f"a {type(model).__name__} is no EnergyModel")
    with torch.no_grad():
        table = model.isolated.table(model).T.double()  # (n_outputs, n_elements)
    old = model.baseline
    numbers = {
        "baseline.e0": old.e0 + old.scale[:, None] * table + old.shift[:, None],
        "baseline.shift": torch.zeros_like(old.shift),
    }
    return load_weights(potential, new, model.state_dict() | numbers, "isolated atoms keep exactly E0")
