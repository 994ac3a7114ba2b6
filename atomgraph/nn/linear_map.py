"""Linear maps of a part: weights to which low-rank adaptation (LoRA) can add a product of two small matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atomgraph.errors import WiringError


@dataclass(frozen=True)
class LinearMap:
    """Shape of a weight as matrices, to each of which a low-rank product can be added.

    Attributes:
        shape: Shape of the weight as matrices, (..., n_in, n_out). Leading axes count irreps, elements or powers.
        option: ``skips`` or ``products`` for a map that LoRA adapts only if the user sets ``skip_connections`` or ``products``;
            None for a map that LoRA always adapts.
    """

    shape: tuple[int, ...]
    option: str | None = None


def matrices(part: torch.nn.Module, *names: str, option: str | None = None) -> dict[str, LinearMap]:
    """Describe weights of a part whose last two axes are (n_in, n_out) as linear maps.

    Args:
        part: Part with the weights.
        names: Names of the weights, or the beginning of several names (``weights.``). Weights of fewer than two axes are
            skipped, because they are no matrices.
        option: Option of the linear maps, as in ``LinearMap``; None for maps that LoRA always adapts.

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
    """Collect the linear maps of all parts of a model, by the names of the parameters in the model.

    Raises:
        WiringError: If a part has weights with two axes or more, and does not describe its linear maps.
    """
    maps: dict[str, LinearMap] = {}
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        if has_linear_maps(module):
            maps |= {f"{prefix}{name}": linear_map for name, linear_map in module.linear_maps().items()}
        elif isinstance(module, torch.nn.Linear):
            maps[f"{prefix}weight"] = LinearMap(tuple(module.weight.shape))
    return maps


def require_no_matrices(part: torch.nn.Module) -> dict[str, LinearMap]:
    """Return no linear maps, for a part that does not describe its linear maps, after a check that it has no matrices.

    Weights of torch modules inside the part count as weights of the part. Exceptions are ``torch.nn.Linear`` and modules with
    a method ``linear_maps``.

    Raises:
        WiringError: If the part has weights with two axes or more.
    """
    names = _matrix_names(part, "")
    if names:
        kind = type(part).__name__
        noun = "weights" if len(names) > 1 else "weight"
        raise WiringError(
            f"{kind} has the {noun} {', '.join(names)}, and does not declare whether LoRA can adapt them; "
            f"define linear_maps() in {kind}"
        )
    return {}


def _matrix_names(module: torch.nn.Module, prefix: str) -> list[str]:
    names = [f"{prefix}{name}" for name, weight in module.named_parameters(recurse=False) if weight.ndim >= 2]
    for name, child in module.named_children():
        if not (has_linear_maps(child) or isinstance(child, torch.nn.Linear)):
            names += _matrix_names(child, f"{prefix}{name}.")
    return names


def has_linear_maps(module: torch.nn.Module) -> bool:
    """Whether a module has a method ``linear_maps``; true for every part and for some modules inside parts."""
    return callable(getattr(module, "linear_maps", None))
