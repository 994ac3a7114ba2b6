"""Models: compositions of the parts, about 30 lines each."""

from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel

__all__ = ["Baseline", "Branch", "EnergyModel"]
