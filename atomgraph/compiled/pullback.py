"""Pullbacks: from slopes of the energy by what a part gives to slopes by what it was given."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Pullback = Callable[[Tensor], Tensor]
