"""Readouts: h -> one number (or several) per atom."""

from atomgraph.readouts.density_embedding import Densities
from atomgraph.readouts.linear import Linear
from atomgraph.readouts.mlp import MLP
from atomgraph.readouts.multi_head_mlp import GroupedMLP
from atomgraph.readouts.per_element_linear import PerElementLinear
from atomgraph.readouts.per_element_mlp import PerElementMLP
from atomgraph.readouts.scaled_linear import ScaledLinear
from atomgraph.readouts.sparse_kernel import SparseKernel
from atomgraph.readouts.zero import Silent

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
