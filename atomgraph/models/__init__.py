"""Models: each potential family as a composition of parts, in about 30 lines."""

from atomgraph.models.ace import ACE
from atomgraph.models.baseline import Baseline
from atomgraph.models.behler_parrinello import BehlerParrinello
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.models.gap import GAP
from atomgraph.models.gcn import GCN
from atomgraph.models.mace import MACE
from atomgraph.models.snap import SNAP
from atomgraph.nn.part_lookup import package_getattr

__all__ = ["ACE", "GAP", "GCN", "MACE", "SNAP", "Baseline", "BehlerParrinello", "Branch", "EnergyModel"]

__getattr__ = package_getattr(__name__)
