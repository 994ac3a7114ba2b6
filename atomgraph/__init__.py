"""atomgraph: graph neural networks for atomistic graphs.

Edges are encoded, a featurizer describes each atom, layers pass messages, readouts give energies, and forces are the
slope of their sum.
"""

from typing import TYPE_CHECKING, Any

from atomgraph import featurizers, layers, models, readouts
from atomgraph.calculators import Calculator
from atomgraph.graph import AtomicGraph
from atomgraph.loading import load
from atomgraph.potential import Potential

if TYPE_CHECKING:
    from atomgraph.config import train

__all__ = ["AtomicGraph", "Calculator", "Potential", "featurizers", "layers", "load", "models", "readouts", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``train`` when it is asked for: Lightning takes seconds to import, and using a potential does not need it."""
    if name == "train":
        from atomgraph.config import train

        return train
    raise AttributeError(f"module 'atomgraph' has no attribute {name!r}")
