"""Pullback: the vector-Jacobian product of a part, a function of the gradient with respect to its outputs."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

#: Returns the gradient with respect to the inputs, from the gradient with respect to the outputs.
Pullback = Callable[[Tensor], Tensor]
