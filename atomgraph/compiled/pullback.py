"""Pullback: the vector-Jacobian product of a part, from the gradient by its outputs to the gradient by its inputs."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Pullback = Callable[[Tensor], Tensor]
