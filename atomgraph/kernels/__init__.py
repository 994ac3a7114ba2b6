"""Fused forms of what is written plainly elsewhere: C++ behind a plain C interface, compiled once, cached, optional.

Nothing in here imports torch, and no kernel knows it: kernels see pointers and numbers.
"""

from atomgraph.kernels.explanation import KernelWarning
from atomgraph.kernels.toolchain import compiled

__all__ = ["KernelWarning", "compiled"]
