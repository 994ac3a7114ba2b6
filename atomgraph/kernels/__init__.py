"""Kernels: C++ behind a plain C interface, and the Python that compiles, caches and binds it. All kernels are optional.

ops = mathematics on tensors, nn = modules, kernels = C++ and the Python that binds it, compiled = a frozen model made of
kernels. Each kernel has a reference implementation in PyTorch or another library. Kernels take pointers and numbers and do
not depend on torch.
"""

from atomgraph.kernels.toolchain import can_compile, compiled, is_kept
from atomgraph.kernels.warnings import KernelWarning, warn_once
from atomgraph.old_names import old_names_of

__all__ = ["KernelWarning", "can_compile", "compiled", "is_kept", "warn_once"]

__getattr__ = old_names_of(__name__)
