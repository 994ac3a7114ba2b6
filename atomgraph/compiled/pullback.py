"""Pullbacks: from slopes of the energy by what a part gives to slopes by what it was given."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Pullback = Callable[[Tensor], Tensor]


def differentiated(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Pullback]:
    """The value of a part that has no pullback of its own, and one by automatic differentiation."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = function(x)

    def back(slope: Tensor) -> Tensor:
        return torch.autograd.grad(y, x, slope, materialize_grads=True)[0] if y.requires_grad else torch.zeros_like(x)

    return y.detach(), back
