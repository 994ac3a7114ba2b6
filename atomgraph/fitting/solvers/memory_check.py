"""Check of the memory that a linear problem needs, before allocation."""

from __future__ import annotations

import os

import torch

from atomgraph.fitting.solvers.fit_errors import FittingError


def check_memory(n_unknowns: int, n_bytes: int, device: torch.device) -> None:
    """Raise an error if a linear problem is larger than the memory of the machine or of the GPU.

    Args:
        n_unknowns: Number of weights.
        n_bytes: Memory that the solver needs, bytes.
        device: Device of the solver.

    Raises:
        FittingError: If the memory is too small.
    """
    on_gpu = device.type == "cuda"
    total = torch.cuda.get_device_properties(device).total_memory if on_gpu else _physical_memory()
    if n_bytes > total:
        raise FittingError(
            f"a fit of {n_unknowns} weights takes {n_bytes / 1e9:.0f} GB, but {'the GPU' if on_gpu else 'this machine'} has "
            f"{total / 1e9:.0f} GB; use "
            "fewer functions (ACE: n_max, l_max; SNAP: twojmax, quadratic; GAP: n_points), whose number grows fast with the "
            "number of elements, or fit with fit: {kind: gradient}"
        )


def _physical_memory() -> float:
    """Return the memory of the machine, bytes; inf if the system does not report it."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
