"""What two or more of the three sisters (featurizers, layers, readouts) share."""

from atomgraph.nn.distance_transform import Agnesi, Soft
from atomgraph.nn.radial_embedding import RadialEmbedding
from atomgraph.nn.zbl import ZBL

__all__ = ["ZBL", "Agnesi", "RadialEmbedding", "Soft"]
