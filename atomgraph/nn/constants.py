"""Constants: fixed numbers of a part, exact in every dtype, and copied to a device only once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Constants:
    """Named arrays that are neither learned nor saved; ``constants.like(x)`` returns them in the dtype and on the device of x.

    Real numbers are stored in float64. A buffer would lose digits if its module is converted to float32 and back.
    Integers are returned as int64.
    """

    def __init__(self, **numbers: Any):
        self._numbers = {name: np.asarray(value) for name, value in numbers.items()}
        self._tensors: dict[tuple[torch.device, torch.dtype], dict[str, Tensor]] = {}

    def like(self, x: Tensor) -> dict[str, Tensor]:
        """Return the constants as tensors by name; they are made at the first call for a device and dtype.

        Args:
            x: Real tensor of any shape, with the dtype and device of the result.
        """
        key = x.device, x.dtype
        if key not in self._tensors:
            with torch.inference_mode(False):  # autograd cannot use tensors of inference mode later
                self._tensors[key] = {name: _tensor(value, x) for name, value in self._numbers.items()}
        return self._tensors[key]


def _tensor(value: np.ndarray, x: Tensor) -> Tensor:
    dtype = x.dtype if value.dtype.kind == "f" else torch.int64
    return torch.tensor(value, dtype=dtype, device=x.device)
