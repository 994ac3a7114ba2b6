"""Frozen potentials: a model's plan read off its parts, weights folded, and evaluated by kernels that were compiled for it."""

from atomgraph.compiled.compiling import compile
from atomgraph.compiled.on_demand import OnDemand, for_inference
from atomgraph.compiled.potential import PRECISION, CompiledPotential

__all__ = ["PRECISION", "CompiledPotential", "OnDemand", "compile", "for_inference"]
