"""Where a run computes."""

from __future__ import annotations

from typing import Any

import torch


def device_of(accelerator: str, devices: Any) -> torch.device:
    """Where the first process will compute."""
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        first = devices[0] if isinstance(devices, list) and devices else 0
        return torch.device("cuda", int(first))
    return torch.device("cpu")
