"""Fused forms of what is written plainly elsewhere: C++ behind a plain C interface, compiled once, cached, optional.

Nothing in here imports torch, and no kernel knows it: kernels see pointers and numbers.
"""

from atomgraph.kernels.toolchain import can_compile, compiled, is_kept
from atomgraph.kernels.warnings import KernelWarning, explain_once

__all__ = ["KernelWarning", "can_compile", "compiled", "explain_once", "is_kept"]
