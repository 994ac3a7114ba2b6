"""Constants: fixed numbers of a part, exact in every dtype, and copied to a device once instead of in every pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Constants:
    """Named numbers that are neither learned nor saved; ``constants.like(x)`` has them on x's device, in its dtype.

    They are kept as Python's own doubles, so that a part that was in float32 for a while loses no digit of them, as a
    buffer would. Whole numbers stay whole numbers.
    """

    def __init__(self, **numbers: Any):
        self._numbers = {name: np.asarray(value) for name, value in numbers.items()}
        self._made: dict[tuple[torch.device, torch.dtype], dict[str, Tensor]] = {}

    def like(self, x: Tensor) -> dict[str, Tensor]:
        """Tensors by name; the same ones at every call for one device and dtype.

        Args:
            x: Real numbers.
        """
        key = x.device, x.dtype
        if key not in self._made:
            with torch.inference_mode(False):  # else they could not stand in a derivative later
                self._made[key] = {name: _tensor(value, x) for name, value in self._numbers.items()}
        return self._made[key]


def _tensor(value: np.ndarray, x: Tensor) -> Tensor:
    dtype = x.dtype if value.dtype.kind == "f" else torch.int64
    return torch.tensor(value, dtype=dtype, device=x.device)
