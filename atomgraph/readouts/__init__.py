"""Readouts: h -> one number (or several) per atom."""

from atomgraph.readouts.densities import Densities
from atomgraph.readouts.grouped_mlp import GroupedMLP
from atomgraph.readouts.linear import Linear
from atomgraph.readouts.mlp import MLP
from atomgraph.readouts.per_element_linear import PerElementLinear
from atomgraph.readouts.per_element_mlp import PerElementMLP
from atomgraph.readouts.scaled_linear import ScaledLinear
from atomgraph.readouts.silent import Silent
from atomgraph.readouts.sparse_kernel import SparseKernel

__all__ = [
    "MLP",
    "Densities",
    "GroupedMLP",
    "Linear",
    "PerElementLinear",
    "PerElementMLP",
    "ScaledLinear",
    "Silent",
    "SparseKernel",
]
