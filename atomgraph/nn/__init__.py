"""What two or more of the three sisters (featurizers, layers, readouts) share."""

from atomgraph.nn.zbl import ZBL

__all__ = ["ZBL"]
