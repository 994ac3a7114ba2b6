"""Compile a potential for CPU inference."""

from __future__ import annotations

import warnings

import torch

from atomgraph.compiled.compiled_potential import CompiledPotential
from atomgraph.compiled.fused_model import FusedModel, unsupported_reason
from atomgraph.compiled.precision import KERNEL_DTYPES, precision
from atomgraph.compiled.wrapped_potential import WrappedPotential
from atomgraph.kernels import KernelWarning
from atomgraph.potential import Potential


def compile(
    potential: Potential | WrappedPotential, *, dtype: str | torch.dtype | None = None
) -> Potential | WrappedPotential:
    """Compile a potential for CPU inference. A potential that is not supported is returned unchanged, with a warning.

    The compiled potential has the same interface and computes the same numbers. The local C++ compiler compiles the kernels
    once for each shape of a model, in seconds; later processes read them from the cache.

    Args:
        potential: The potential to compile. It is not changed. Later changes of its weights have no effect on the result.
        dtype: Dtype of the kernels, ``float32`` or ``float64``; None: the dtype of the potential. Energies, forces and
            stresses are summed in float64 in either case, so ``float32`` is the mixed precision of other programs
            (``mixed`` has the same effect).

    Returns:
        The compiled potential. The potential itself, with a KernelWarning that gives the reason, if there is no compiler,
        if the potential is not on a CPU, or if a part of the model has no fused form.

    Raises:
        ConfigError: For an unknown dtype.
    """
    if isinstance(potential, WrappedPotential):
        potential = potential.potential
    if potential.device.type != "cpu":
        reason = f"kernels are for CPUs, but the potential is on {potential.device}"
        warnings.warn(
            f"nothing is compiled: {reason}; the potential is used without kernels", KernelWarning, stacklevel=2
        )
        return potential
    kernel_dtype = KERNEL_DTYPES[precision(potential.model.dtype if dtype is None else dtype)]
    part = unsupported_reason(potential.model)
    if part is not None:
        message = f"nothing is compiled: kernels do not support {part}; the potential is used without kernels"
        warnings.warn(message, KernelWarning, stacklevel=2)
        return potential
    fused = FusedModel(potential.model, kernel_dtype)
    if not fused.compile():  # a warning has given the reason
        return potential
    return CompiledPotential(potential, fused)
