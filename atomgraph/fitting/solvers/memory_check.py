"""Whether a linear problem fits into the machine's memory, asked before it is allocated."""

from __future__ import annotations

import os

import torch

from atomgraph.fitting.solvers.fit_errors import FittingError


def require_memory(n_unknowns: int, n_bytes: int, device: torch.device) -> None:
    """Refuse a linear problem that is larger than the memory of the machine, or of the device.

    Args:
        n_unknowns: Weights that are solved for.
        n_bytes: What the solver keeps for them, bytes.
        device: Where.

    Raises:
        FittingError: With the numbers and the way out.
    """
    on_gpu = device.type == "cuda"
    total = torch.cuda.get_device_properties(device).total_memory if on_gpu else _physical_memory()
    if n_bytes > total:
        raise FittingError(
            f"a fit of {n_unknowns} weights takes {n_bytes / 1e9:.0f} GB, but there are {total / 1e9:.0f} GB here; ask for "
            "fewer functions (ACE: n_max, l_max; SNAP: twojmax, quadratic; GAP: n_points), which grow fast with the number of "
            "elements, or fit with fit: {kind: gradient}"
        )


def _physical_memory() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not told by this system
        return float("inf")
