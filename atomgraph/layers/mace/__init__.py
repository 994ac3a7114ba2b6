"""Layer of MACE: an interaction (sum of messages from neighbours), then symmetric products of the sum."""

from atomgraph.layers.mace.layer import INTERACTIONS, MACELayer, envelope_target
from atomgraph.old_names import old_names_of

__all__ = ["INTERACTIONS", "MACELayer", "envelope_target"]

__getattr__ = old_names_of(__name__)
