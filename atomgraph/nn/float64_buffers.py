"""Buffers that stay float64 whatever their module computes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor


class Float64Buffers(torch.nn.Module):
    """Mixin: the buffers named in ``_always_double`` move with the module, but keep their dtype."""

    _always_double: tuple[str, ...] = ()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        kept: dict[str, Any] = {name: getattr(self, name) for name in self._always_double}
        super()._apply(fn, recurse)
        for name, value in kept.items():
            setattr(self, name, value.to(device=getattr(self, name).device))
        return self
