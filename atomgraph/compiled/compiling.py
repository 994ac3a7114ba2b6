"""compile: the same potential, frozen and fused; or itself, with a word why, where it has no such form."""

from __future__ import annotations

import warnings

import torch

from atomgraph.compiled.compiled_potential import CompiledPotential
from atomgraph.compiled.mace.fused_model import FusedMACE, unsupported_reason
from atomgraph.compiled.precision import OF_KERNELS, precision
from atomgraph.kernels import KernelWarning
from atomgraph.potential import Potential


def compile(potential: Potential, *, dtype: str | torch.dtype | None = None) -> Potential:
    """The same numbers and the same interface, frozen and fused, for inference on CPUs.

    The kernels are compiled once for a model's shape, in seconds, by the local C++ compiler, and kept for later processes.
    Without a compiler, on another device, or where a part has no fused form, the potential itself comes back, and a
    KernelWarning says why.

    Args:
        potential: Is left as it is; what is learned later, the compiled one does not see.
        dtype: Of the kernels, ``float32`` or ``float64``; the potential's own if None. Energies, forces and stresses
            are summed in float64 either way, so that ``float32`` is what others call mixed precision (and ``mixed`` is
            another name for it).

    Raises:
        ConfigError: For an unknown dtype.
    """
    if potential.device.type != "cpu":
        where = f"kernels are for CPUs, but the potential is on {potential.device}"
        warnings.warn(f"nothing is compiled: {where}; it runs as it is", KernelWarning, stacklevel=2)
        return potential
    wanted = OF_KERNELS[precision(potential.model.dtype if dtype is None else dtype)]
    lack = unsupported_reason(potential.model)
    if lack is not None:
        warnings.warn(f"nothing is compiled: {lack} has no fused form; it runs as it is", KernelWarning, stacklevel=2)
        return potential
    fused = FusedMACE(potential.model, wanted)
    if not fused.compile():  # the kernels' room has said why
        return potential
    return CompiledPotential(potential, fused)
