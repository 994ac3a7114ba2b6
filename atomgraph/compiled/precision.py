"""Precisions of a potential, and the dtypes of model and kernels for each precision."""

from __future__ import annotations

from copy import deepcopy

import torch

from atomgraph.errors import ConfigError, nearest
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential

MIXED = "mixed"  # kernels in float32, sums and model in float64
KERNEL_DTYPES = {"float32": torch.float32, "float64": torch.float64, MIXED: torch.float32}
MODEL_DTYPES = {"float32": torch.float32, "float64": torch.float64, MIXED: torch.float64}


def precision(dtype: str | torch.dtype) -> str:
    """Return the name of a precision: ``float32``, ``float64`` or ``mixed``.

    Raises:
        ConfigError: For any other dtype.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in KERNEL_DTYPES:
        raise ConfigError(f"unknown dtype {name!r}{nearest(name, KERNEL_DTYPES)}")
    return name


def in_precision(potential: Potential, dtype: str | torch.dtype | None) -> Potential:
    """Return the potential itself if its model has the requested dtype, else a copy with the model in this dtype.

    Args:
        potential: The potential.
        dtype: ``float32``, ``float64``, or ``mixed`` (the model in float64); None: the dtype of the potential.

    Raises:
        ConfigError: For an unknown dtype, and for float32 if the potential allows only float64.
    """
    model_dtype = potential.model.dtype if dtype is None else MODEL_DTYPES[precision(dtype)]
    potential.require_dtype(model_dtype)
    return potential if model_dtype == potential.model.dtype else deepcopy(potential).to(model_dtype)


__getattr__ = old_names_of(__name__)
