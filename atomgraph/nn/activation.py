"""Activation functions. All are smooth, because a loss on forces needs second derivatives of the energy."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from atomgraph.errors import check_name
from atomgraph.old_names import old_names_of


def identity(x: Tensor) -> Tensor:
    """Identity, :math:`\\sigma(x) = x`, for linear layers."""
    return x


def shifted_softplus(x: Tensor) -> Tensor:
    """Shifted softplus of SchNet, :math:`\\sigma(x) = \\ln(1 + e^x) - \\ln 2`, which is zero at x = 0.

    Source: Schütt et al., J. Chem. Phys. 148, 241722 (2018), Eq. 5.
    """
    return torch.nn.functional.softplus(x) - math.log(2.0)


#: Functions by name, each with a factor (gain) that keeps the mean square of normally distributed inputs at about one.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "identity": (identity, 1.0),
    "silu": (torch.nn.functional.silu, 1.68),
    "softplus": (torch.nn.functional.softplus, 1.0),
    "shifted_softplus": (shifted_softplus, 1.87),
    "tanh": (torch.tanh, 1.59),
    "abs": (torch.abs, 1.0),
    "mish": (torch.nn.functional.mish, 1.49),
    "gelu": (torch.nn.functional.gelu, 1.53),
}
#: Gains of e3nn 0.4.4 (``normalize2mom``), with which MACE is trained; means over a fixed random sample, not exact integrals.
#: Only the gain of ``softplus`` is not that of e3nn.
E3NN_GAINS = {
    "silu": 1.6791767923989418,
    "tanh": 1.5937334472592695,
    "abs": 1.0,
    "identity": 1.0,
    "softplus": 1.0,
    "shifted_softplus": 1.878204668541552,
    "mish": 1.4891609082630328,
    "gelu": 1.5360642850770576,
}


def get_activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return the activation function of a name in ``ACTIVATIONS``.

    Raises:
        WiringError: If the name is unknown.
    """
    check_name("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name][0]


__getattr__ = old_names_of(__name__)
