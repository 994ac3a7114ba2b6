"""MACE's layer: what neighbours say (an interaction), and products of it (a symmetric product basis)."""

from atomgraph.layers.mace.layer import INTERACTIONS, MACELayer, fades

__all__ = ["INTERACTIONS", "MACELayer", "fades"]
