"""What a potential may be asked to compute in, and what that means for its model and for its kernels."""

from __future__ import annotations

from copy import deepcopy

import torch

from atomgraph.errors import ConfigError, nearest
from atomgraph.potential import Potential

MIXED = "mixed"  # kernels in float32; sums, and whatever the model itself does, in float64
OF_KERNELS = {"float32": torch.float32, "float64": torch.float64, MIXED: torch.float32}
OF_MODELS = {"float32": torch.float32, "float64": torch.float64, MIXED: torch.float64}


def precision(dtype: str | torch.dtype) -> str:
    """The name of what to compute in, ``float32``, ``float64`` or ``mixed``; ConfigError for anything else."""
    name = str(dtype).removeprefix("torch.")
    if name not in OF_KERNELS:
        raise ConfigError(f"unknown dtype {name!r}{nearest(name, OF_KERNELS)}")
    return name


def in_precision(potential: Potential, dtype: str | torch.dtype | None) -> Potential:
    """The potential whose model computes in a dtype (for ``mixed`` in float64): itself where it does, or else a copy.

    Raises:
        ConfigError: For an unknown dtype, and for float32 where the potential is for float64 only.
    """
    wanted = potential.model.dtype if dtype is None else OF_MODELS[precision(dtype)]
    potential.require_dtype(wanted)
    return potential if wanted == potential.model.dtype else deepcopy(potential).to(wanted)
