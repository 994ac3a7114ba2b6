"""Readouts: h -> one number (or several) per atom."""

from atomgraph.readouts.linear import Linear
from atomgraph.readouts.mlp import MLP
from atomgraph.readouts.per_element_mlp import PerElementMLP

__all__ = ["MLP", "Linear", "PerElementMLP"]
