"""Kernels: functions in C++, and the Python code that generates, compiles and caches them.

All kernels are optional, because each has a reference implementation in PyTorch or another library. The arguments of kernels
are pointers and numbers; their C++ does not depend on torch. The package ``compiled`` evaluates models by kernels.
"""

from atomgraph.kernels.toolchain import can_compile, compile_library, is_cached
from atomgraph.kernels.warnings import KernelWarning, warn_once
from atomgraph.old_names import old_names_of

__all__ = ["KernelWarning", "can_compile", "compile_library", "is_cached", "warn_once"]

__getattr__ = old_names_of(__name__)
