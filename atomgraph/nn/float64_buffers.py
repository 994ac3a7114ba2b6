"""Buffers that stay float64 when the dtype of their module changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor


class Float64Buffers(torch.nn.Module):
    """Mixin for modules: buffers named in ``_always_double`` move to the device of the module, but keep their dtype."""

    _always_double: tuple[str, ...] = ()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        buffers: dict[str, Any] = {name: getattr(self, name) for name in self._always_double}
        super()._apply(fn, recurse)
        for name, buffer in buffers.items():
            setattr(self, name, buffer.to(device=getattr(self, name).device))
        return self
