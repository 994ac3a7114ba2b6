"""Compiled potentials: frozen models that are evaluated by C++ kernels, for inference on CPUs.

Kernels are generated for the shapes of a model. The matrices of consecutive linear maps are multiplied to one matrix. Radial
functions are tabulated.
The package ``kernels`` has the C++ code and the code that compiles it.
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
