"""Parameter groups: the purpose and the layer of each trainable weight of a model. Each part defines its group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from atomgraph.errors import WiringError, nearest
from atomgraph.models.energy import EnergyModel
from atomgraph.old_names import OldAttribute, old_names_of

GROUPS = ("embedding", "radial", "convolution", "product", "readout")


@dataclass(frozen=True)
class ParameterGroup:
    """The group and the layer of a weight.

    Attributes:
        group: Name of the group, in ``GROUPS``, or the attribute ``group`` of a user's part.
        layer: Name of the layer, such as ``layers.0``; None for featurizer, readouts, and parts that all layers share.
        depth: 0 for the featurizer and for parts that all layers share, t + 1 for layer t, the number of layers + 1 for
            readouts.
    """

    group: str
    layer: str | None
    depth: int

    def matches(self, name: str) -> bool:
        """Whether a name such as ``radial``, ``layers.0`` or ``layers.0.radial`` selects the weight."""
        return name in (self.group, self.layer, f"{self.layer}.{self.group}")

    is_in = OldAttribute("matches")


def parameter_groups(model: EnergyModel) -> dict[str, ParameterGroup]:
    """Return the group of each parameter of a model, by the name of the parameter.

    Raises:
        WiringError: If neither a part nor the parts that contain it define a group.
    """
    n_layers = max(len(branch.layers) for branch in model.branches)
    return {name: _parameter_group(model, name, n_layers) for name, _ in model.named_parameters()}


def group_names(model: EnergyModel) -> list[str]:
    """Return all names that select weights of a model: its groups, its layers, and the groups of each layer."""
    entries = parameter_groups(model).values()
    unique_groups = dict.fromkeys(entry.group for entry in entries)
    groups = [g for g in GROUPS if g in unique_groups] + [g for g in unique_groups if g not in GROUPS]
    layers = dict.fromkeys(entry.layer for entry in entries if entry.layer is not None)
    layer_groups = dict.fromkeys(f"{entry.layer}.{entry.group}" for entry in entries if entry.layer is not None)
    return [*groups, *layers, *layer_groups]


def parameters_in(model: EnergyModel, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the parameters in each group or layer.

    Args:
        model: The model.
        names: Names of groups or layers, see ``group_names``.

    Raises:
        WiringError: If a name selects no parameter. The message lists the possible names.
    """
    group_by_parameter = parameter_groups(model)
    selected = {}
    for name in names:
        selected[name] = [parameter for parameter, group in group_by_parameter.items() if group.matches(name)]
        if not selected[name]:
            possible_names = group_names(model)
            hint = nearest(name, possible_names)
            names_text = "" if "known are" in hint else f"; the groups are {', '.join(possible_names)}"
            raise WiringError(f"this {type(model).__name__} has no group of weights {name!r}{hint}{names_text}")
    return selected


def _parameter_group(model: EnergyModel, name: str, n_layers: int) -> ParameterGroup:
    group, is_shared = _group(model, name)
    layer = re.match(r"branches\.\d+\.layers\.(\d+)\.", name)
    if layer is None or is_shared:
        return ParameterGroup(group, None, n_layers + 1 if group == "readout" else 0)
    return ParameterGroup(group, f"layers.{layer[1]}", int(layer[1]) + 1)


def _group(model: EnergyModel, name: str) -> tuple[str, bool]:
    """Return the group that the innermost part defines for a parameter, and whether all layers share that part."""
    path, name_in_part = name, ""
    while path:
        path, _, key = path.rpartition(".")
        name_in_part = f"{key}.{name_in_part}" if name_in_part else key
        part = model.get_submodule(path)
        is_shared = bool(getattr(part, "shared_by_layers", False))
        for prefix, group in getattr(part, "inner_groups", {}).items():
            if name_in_part == prefix or name_in_part.startswith(f"{prefix}."):
                return group, is_shared
        group = getattr(part, "group", None)
        if isinstance(group, str):
            return group, is_shared
    raise WiringError(
        f"no part defines the parameter group of {name}; set the attribute group in the class of its part: {', '.join(GROUPS)}"
    )


__getattr__ = old_names_of(__name__)
