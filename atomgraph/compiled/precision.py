"""Precisions of a potential, and the dtypes of its model and its kernels for each."""

from __future__ import annotations

from copy import deepcopy

import torch

from atomgraph.errors import ConfigError, nearest
from atomgraph.potential import Potential

MIXED = "mixed"  # kernels in float32; sums and the model itself in float64
OF_KERNELS = {"float32": torch.float32, "float64": torch.float64, MIXED: torch.float32}
OF_MODELS = {"float32": torch.float32, "float64": torch.float64, MIXED: torch.float64}


def precision(dtype: str | torch.dtype) -> str:
    """The name of a precision, ``float32``, ``float64`` or ``mixed``; ConfigError for anything else."""
    name = str(dtype).removeprefix("torch.")
    if name not in OF_KERNELS:
        raise ConfigError(f"unknown dtype {name!r}{nearest(name, OF_KERNELS)}")
    return name


def in_precision(potential: Potential, dtype: str | torch.dtype | None) -> Potential:
    """The potential with its model in a dtype (float64 for ``mixed``): itself if it has that dtype, else a copy.

    Raises:
        ConfigError: For an unknown dtype, and for float32 where the potential is for float64 only.
    """
    model_dtype = potential.model.dtype if dtype is None else OF_MODELS[precision(dtype)]
    potential.require_dtype(model_dtype)
    return potential if model_dtype == potential.model.dtype else deepcopy(potential).to(model_dtype)
