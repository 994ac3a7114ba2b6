"""Modules that at least two of featurizers, layers, readouts and models share.

ops = mathematics on tensors, nn = modules, kernels = C++ and the Python that binds it, compiled = a frozen model made of
kernels.
"""

from atomgraph.nn.equivariant.distance_transform import Agnesi, Soft
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.repulsion.zbl import ZBL

__all__ = ["ZBL", "Agnesi", "RadialEmbedding", "Soft"]
