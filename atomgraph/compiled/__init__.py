"""Frozen potentials: a model's plan read off its parts, weights folded, and evaluated by kernels that were compiled for it."""

from atomgraph.compiled.compiled_potential import PRECISION, CompiledPotential
from atomgraph.compiled.compiling import compile
from atomgraph.compiled.lazy import LazyCompiled, for_inference
from atomgraph.compiled.memory import keep_memory
from atomgraph.compiled.precision import MIXED, in_precision
from atomgraph.old_names import old_names_of

__all__ = [
    "MIXED",
    "PRECISION",
    "CompiledPotential",
    "LazyCompiled",
    "compile",
    "for_inference",
    "in_precision",
    "keep_memory",
]

__getattr__ = old_names_of(__name__)
