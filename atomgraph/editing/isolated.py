"""Change a potential so that isolated atoms have exactly E0, now and after further training."""

from __future__ import annotations

from typing import Any

import torch

from atomgraph.editing.transfer import keep_random_state, load_weights
from atomgraph.errors import WiringError
from atomgraph.models.baseline import Baseline
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.part import build, public_name, to_spec
from atomgraph.potential import Potential


def pin_isolated(potential: Potential) -> Potential:
    r"""Return a potential with the same predictions and ``Baseline(exact_isolated=True)``: isolated atoms have exactly E0.

    .. math:: E0' = E0 + s\,\varepsilon^{free} + t, \qquad t' = 0

    with s the scale, t the shift, and :math:`\varepsilon^{free}` the model's output for an isolated atom.

    Args:
        potential: The potential. It is not changed.

    Returns:
        The new potential; the input itself if isolated atoms already have exactly E0.

    Raises:
        WiringError: If the model has no baseline argument, or if energies depend on the charge and spin of a structure.
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
        new_model = keep_random_state(build, spec)
    except (WiringError, TypeError) as error:
        raise WiringError(f"the baseline of this {type(model).__name__} cannot be replaced: {error}") from error
    if not isinstance(new_model, EnergyModel):
        raise WiringError(f"a {type(model).__name__} is not an EnergyModel")
    with torch.no_grad():
        isolated_energy = model.isolated.table(model).T.double()  # (n_outputs, n_elements)
    old_baseline = model.baseline
    tensors = {
        "baseline.e0": old_baseline.e0 + old_baseline.scale[:, None] * isolated_energy + old_baseline.shift[:, None],
        "baseline.shift": torch.zeros_like(old_baseline.shift),
    }
    return load_weights(potential, new_model, model.state_dict() | tensors, "isolated atoms keep exactly E0")
