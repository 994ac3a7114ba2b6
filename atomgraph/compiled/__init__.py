"""Compiled: a frozen model made of kernels, for inference on CPUs.

ops = mathematics on tensors, nn = modules, kernels = C++ and the Python that binds it, compiled = a frozen model made of
kernels. Kernels are generated for the shape of a model, its weights are folded, and radial functions are tabulated.
"""

from atomgraph.compiled.compiled_potential import PRECISION, CompiledPotential
from atomgraph.compiled.compiling import compile
from atomgraph.compiled.lazy import LazyCompiled, for_inference
from atomgraph.compiled.memory import keep_memory
from atomgraph.compiled.precision import MIXED, in_precision
from atomgraph.compiled.wrapped_potential import WrappedPotential
from atomgraph.old_names import old_names_of

__all__ = [
    "MIXED",
    "PRECISION",
    "CompiledPotential",
    "LazyCompiled",
    "WrappedPotential",
    "compile",
    "for_inference",
    "in_precision",
    "keep_memory",
]

__getattr__ = old_names_of(__name__)
