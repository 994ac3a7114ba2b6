"""Activation functions. All are smooth, because a loss on forces needs second derivatives of the energy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest


def identity(x: Tensor) -> Tensor:
    """:math:`\\sigma(x) = x`: what makes a layer linear."""
    return x


#: Each function with the gain that keeps the mean square of normal inputs at one.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "identity": (identity, 1.0),
    "silu": (torch.nn.functional.silu, 1.68),
    "softplus": (torch.nn.functional.softplus, 1.0),
    "tanh": (torch.tanh, 1.59),
    "abs": (torch.abs, 1.0),
}
#: The gains of e3nn 0.4.4, in which MACE's weights are learned; means over a fixed random sample, not exact integrals.
NORMALISED_GAINS = {
    "silu": 1.6791767923989418,
    "tanh": 1.5937334472592695,
    "abs": 1.0,
    "identity": 1.0,
    "softplus": 1.0,
}


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """The function of that name: ``silu``, ``tanh``, ``softplus`` or ``identity``; WiringError for another."""
    if name not in ACTIVATIONS:
        raise WiringError(f"unknown activation {name!r}{nearest(str(name), ACTIVATIONS)}")
    return ACTIVATIONS[name][0]
