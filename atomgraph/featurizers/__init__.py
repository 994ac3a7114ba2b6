"""Featurizers: (graph, edges) -> h, the description of each atom."""

from atomgraph.featurizers.ace import ACE
from atomgraph.featurizers.bispectrum import Bispectrum
from atomgraph.featurizers.concatenation import Concatenation
from atomgraph.featurizers.element import ElementEmbedding
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.featurizers.pair_kernel import PairKernel
from atomgraph.featurizers.radial_density import RadialDensity
from atomgraph.featurizers.soap import SOAP
from atomgraph.featurizers.symmetry_functions import SymmetryFunctions
from atomgraph.featurizers.triple_kernel import TripleKernel

__all__ = [
    "ACE",
    "SOAP",
    "Bispectrum",
    "Concatenation",
    "ElementEmbedding",
    "NodeEmbedding",
    "PairKernel",
    "RadialDensity",
    "SymmetryFunctions",
    "TripleKernel",
]
