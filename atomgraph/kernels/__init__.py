"""Fused forms of what is written plainly elsewhere: C++ behind a plain C interface, compiled once, cached, optional.

Nothing in here imports torch, and no kernel knows it: kernels see pointers and numbers.
"""

from atomgraph.kernels.toolchain import can_compile, compiled, is_kept
from atomgraph.kernels.warnings import KernelWarning, warn_once
from atomgraph.old_names import old_names_of

__all__ = ["KernelWarning", "can_compile", "compiled", "is_kept", "warn_once"]

__getattr__ = old_names_of(__name__)
