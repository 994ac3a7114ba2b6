"""Parameter groups: the purpose of each trainable weight of a model, and its layer. Parts name their groups themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from atomgraph.errors import WiringError, nearest
from atomgraph.models.energy import EnergyModel
from atomgraph.old_names import old_names_of

GROUPS = ("embedding", "radial", "convolution", "product", "readout")


@dataclass(frozen=True)
class ParameterGroup:
    """The group and the layer of a weight.

    Attributes:
        group: A name in ``GROUPS``, or of a user's part (``Part.group``).
        layer: ``layers.0``; None in the featurizer and readouts.
        depth: 0 in the featurizer, t + 1 in layer t, one more in readouts.
    """

    group: str
    layer: str | None
    depth: int

    def matches(self, name: str) -> bool:
        """Whether the weight is in ``radial``, in ``layers.0``, in ``layers.0.radial``."""
        return name in (self.group, self.layer, f"{self.layer}.{self.group}")


def parameter_groups(model: EnergyModel) -> dict[str, ParameterGroup]:
    """The group of each parameter of a model, by the parameter's name.

    Raises:
        WiringError: If neither a part nor the parts around it name a group.
    """
    n_layers = max(len(branch.layers) for branch in model.branches)
    return {name: _parameter_group(model, name, n_layers) for name, _ in model.named_parameters()}


def group_names(model: EnergyModel) -> list[str]:
    """Names that select weights of a model: its groups, its layers, and the groups of each layer."""
    weights = parameter_groups(model).values()
    present = dict.fromkeys(weight.group for weight in weights)
    groups = [group for group in GROUPS if group in present] + [group for group in present if group not in GROUPS]
    layers = dict.fromkeys(weight.layer for weight in weights if weight.layer is not None)
    both = dict.fromkeys(f"{weight.layer}.{weight.group}" for weight in weights if weight.layer is not None)
    return [*groups, *layers, *both]


def parameters_in(model: EnergyModel, names: Iterable[str]) -> dict[str, list[str]]:
    """Names of the parameters that each group or layer holds.

    Raises:
        WiringError: For a name that selects no parameter, with the names that do.
    """
    weights = parameter_groups(model)
    selected = {}
    for name in names:
        selected[name] = [parameter for parameter, weight in weights.items() if weight.matches(name)]
        if not selected[name]:
            known = group_names(model)
            hint = nearest(name, known)
            rest = "" if "known are" in hint else f"; there are {', '.join(known)}"
            raise WiringError(f"this {type(model).__name__} has no group of weights {name!r}{hint}{rest}")
    return selected


def _parameter_group(model: EnergyModel, name: str, n_layers: int) -> ParameterGroup:
    group, shared = _group(model, name)
    layer = re.match(r"branches\.\d+\.layers\.(\d+)\.", name)
    if layer is None or shared:
        return ParameterGroup(group, None, n_layers + 1 if group == "readout" else 0)
    return ParameterGroup(group, f"layers.{layer[1]}", int(layer[1]) + 1)


def _group(model: EnergyModel, name: str) -> tuple[str, bool]:
    """The group that the innermost part names, and whether all layers share that part."""
    path, inner = name, ""
    while path:
        path, _, key = path.rpartition(".")
        inner = f"{key}.{inner}" if inner else key
        part = model.get_submodule(path)
        shared = bool(getattr(part, "shared_by_layers", False))
        for prefix, group in getattr(part, "inner_groups", {}).items():
            if inner == prefix or inner.startswith(f"{prefix}."):
                return group, shared
        group = getattr(part, "group", None)
        if isinstance(group, str):
            return group, shared
    raise WiringError(
        f"no part says to which group the weight {name} belongs; give its class an attribute group, one of {', '.join(GROUPS)}"
    )


__getattr__ = old_names_of(__name__)
