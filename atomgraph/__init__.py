"""atomgraph: graph neural networks for atomistic graphs.

Edges are encoded, a featurizer describes each atom, layers pass messages, readouts give energies, and forces are the
slope of their sum.
"""

from atomgraph import featurizers, layers, models, readouts
from atomgraph.graph import AtomicGraph
from atomgraph.loading import load
from atomgraph.potential import Potential

__all__ = ["AtomicGraph", "Potential", "featurizers", "layers", "load", "models", "readouts"]
__version__ = "0.1.0"
