"""Device of a run."""

from __future__ import annotations

from typing import Any

import torch

from atomgraph.old_names import old_names_of


def choose_device(accelerator: str, devices: Any) -> torch.device:
    """Return the device of the first process.

    Args:
        accelerator: Accelerator in the sense of Lightning, such as ``auto``, ``cpu`` or ``gpu``.
        devices: Number of devices, or a list of their indices. The first index of a list is used; otherwise index 0.
    """
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        index = devices[0] if isinstance(devices, list) and devices else 0
        return torch.device("cuda", int(index))
    return torch.device("cpu")


__getattr__ = old_names_of(__name__)
