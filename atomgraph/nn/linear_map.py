"""Linear maps of a part: the weights that low-rank adaptation can change, as each part describes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atomgraph.errors import WiringError


@dataclass(frozen=True)
class LinearMap:
    """How a low-rank product enters a weight.

    Attributes:
        shape: The weight as matrices, (..., n_in, n_out). Leading axes count irreps, elements or powers; each of their
            matrices gets a low-rank product.
        option: ``skips`` or ``products`` for a map that is adapted on request only; None for one that is always adapted.
    """

    shape: tuple[int, ...]
    option: str | None = None


def matrices(part: torch.nn.Module, *names: str, option: str | None = None) -> dict[str, LinearMap]:
    """Weights of a part whose last two axes are (n_in, n_out), as linear maps.

    Args:
        part: Holds the weights.
        names: Names of the weights, or the beginning of several names (``weights.``). A weight of fewer than two axes is
            left out, since it is no matrix.
        option: As in ``LinearMap``.

    Returns:
        Linear maps by the name of their weight.
    """
    return {
        name: LinearMap(tuple(weight.shape), option)
        for prefix in names
        for name, weight in part.named_parameters()
        if (name == prefix or (prefix.endswith(".") and name.startswith(prefix))) and weight.ndim >= 2
    }


def linear_maps(model: torch.nn.Module) -> dict[str, LinearMap]:
    """Linear maps of all parts of a model, by the names of its parameters.

    Raises:
        WiringError: If a part has weights that it does not describe.
    """
    maps: dict[str, LinearMap] = {}
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        if describes_itself(module):
            maps |= {f"{prefix}{name}": linear_map for name, linear_map in module.linear_maps().items()}
        elif isinstance(module, torch.nn.Linear):
            maps[f"{prefix}weight"] = LinearMap(tuple(module.weight.shape))
    return maps


def no_linear_maps(part: torch.nn.Module) -> dict[str, LinearMap]:
    """The answer of a part that describes nothing: no linear maps, if it has no weights that could be some.

    Modules of torch inside a part belong to it, unless they describe themselves or are ``torch.nn.Linear``.

    Raises:
        WiringError: If the part has weights with two axes or more.
    """
    names = _matrix_names(part, "")
    if names:
        kind = type(part).__name__
        verb = "weights" if len(names) > 1 else "weight"
        raise WiringError(
            f"{kind} has the {verb} {', '.join(names)}, of which LoRA does not know whether they are linear maps; "
            f"define linear_maps() in {kind}"
        )
    return {}


def _matrix_names(module: torch.nn.Module, prefix: str) -> list[str]:
    names = [f"{prefix}{name}" for name, weight in module.named_parameters(recurse=False) if weight.ndim >= 2]
    for name, child in module.named_children():
        if not (describes_itself(child) or isinstance(child, torch.nn.Linear)):
            names += _matrix_names(child, f"{prefix}{name}.")
    return names


def describes_itself(module: torch.nn.Module) -> bool:
    """Whether a module has a method ``linear_maps``: every part, and some modules inside parts."""
    return callable(getattr(module, "linear_maps", None))
