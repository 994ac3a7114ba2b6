"""What two or more of the three sisters (featurizers, layers, readouts) share."""

from atomgraph.nn.equivariant.distance_transform import Agnesi, Soft
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.repulsion.zbl import ZBL

__all__ = ["ZBL", "Agnesi", "RadialEmbedding", "Soft"]
