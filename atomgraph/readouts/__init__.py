"""Readouts: features of atoms -> energies of atoms, one column per head."""

from atomgraph.nn.part_lookup import package_getattr
from atomgraph.nn.protocols import Readout
from atomgraph.readouts.density_embedding import DensityEmbedding
from atomgraph.readouts.linear import Linear
from atomgraph.readouts.mlp import MLP
from atomgraph.readouts.multi_head_mlp import MultiHeadMLP
from atomgraph.readouts.per_element_linear import PerElementLinear
from atomgraph.readouts.per_element_mlp import PerElementMLP
from atomgraph.readouts.scaled_linear import ScaledLinear
from atomgraph.readouts.sparse_kernel import SparseKernel
from atomgraph.readouts.zero import ZeroReadout

__all__ = [
    "MLP",
    "DensityEmbedding",
    "Linear",
    "MultiHeadMLP",
    "PerElementLinear",
    "PerElementMLP",
    "Readout",
    "ScaledLinear",
    "SparseKernel",
    "ZeroReadout",
]

__getattr__ = package_getattr(__name__)
