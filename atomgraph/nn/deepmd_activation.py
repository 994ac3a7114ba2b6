"""Activation functions of deepmd-kit that ``nn.activation`` does not have, some of them not smooth."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from atomgraph.errors import WiringError, nearest
from atomgraph.nn.activation import ACTIVATIONS


def gelu_tanh(x: Tensor) -> Tensor:
    r"""GELU with tanh, :math:`\sigma(x) = \tfrac x2 \big(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715 x^3))\big)`.

    Source: Hendrycks and Gimpel, arXiv:1606.08415.
    """
    return torch.nn.functional.gelu(x, approximate="tanh")


def silu_with_tanh_tail(x: Tensor, threshold: float) -> Tensor:
    r"""SiLU below a threshold T, and :math:`\tanh(\mathrm{silu}'(T)(x - T)) + \mathrm{silu}(T)` above.

    Args:
        x: Inputs.
        threshold: Threshold T.

    Source: the program deepmd-kit 3, ``silut``.
    """
    sigmoid = 1.0 / (1.0 + math.exp(-threshold))
    derivative = sigmoid * (1.0 + threshold * (1.0 - sigmoid))
    tail = torch.tanh(derivative * (x - threshold).clamp(min=0.0)) + threshold * sigmoid
    return torch.where(x < threshold, torch.nn.functional.silu(x), tail)


_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": gelu_tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.nn.functional.relu,
    "relu6": torch.nn.functional.relu6,
}


def get_deepmd_activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return an activation function of ``nn.activation.ACTIVATIONS`` or of this module.

    Args:
        name: Name of the function. ``silut:T`` is ``silu_with_tanh_tail`` with the threshold T; ``relu`` and ``relu6`` are not
            smooth.

    Raises:
        WiringError: If the name is unknown, or the threshold is not a number from 0 to 100.
    """
    if name in ACTIVATIONS:
        return ACTIVATIONS[name][0]
    kind, _, number = str(name).partition(":")
    if kind == "silut":
        try:
            threshold = float(number or 3.0)
        except ValueError:
            threshold = math.nan
        if not 0.0 <= threshold <= 100.0:
            raise WiringError(
                f"the threshold of silut should be a number from 0 to 100, but the activation is {name!r}"
            )
        return partial(silu_with_tanh_tail, threshold=threshold)
    if name not in _FUNCTIONS:
        raise WiringError(f"unknown activation {name!r}{nearest(str(name), [*ACTIVATIONS, *_FUNCTIONS, 'silut'])}")
    return _FUNCTIONS[name]
