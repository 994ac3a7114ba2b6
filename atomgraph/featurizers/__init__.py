"""Featurizers: parts that compute the description h of each atom, ``(graph, edges) -> h``."""

from atomgraph.featurizers.ace.ace import ACE
from atomgraph.featurizers.bispectrum import Bispectrum
from atomgraph.featurizers.concatenation import Concatenation
from atomgraph.featurizers.deep_potential.angular import DeepPotAngular
from atomgraph.featurizers.deep_potential.radial import DeepPotRadial
from atomgraph.featurizers.deep_potential.three_body import DeepPotThreeBody
from atomgraph.featurizers.element import ElementEmbedding
from atomgraph.featurizers.gap.pair_kernel import PairKernel
from atomgraph.featurizers.gap.triple_kernel import TripleKernel
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.featurizers.radial_density import RadialDensity
from atomgraph.featurizers.soap.soap import SOAP
from atomgraph.featurizers.symmetry_functions.symmetry_functions import SymmetryFunctions
from atomgraph.nn.part_lookup import package_getattr
from atomgraph.nn.protocols import Featurizer

__all__ = [
    "ACE",
    "SOAP",
    "Bispectrum",
    "Concatenation",
    "DeepPotAngular",
    "DeepPotRadial",
    "DeepPotThreeBody",
    "ElementEmbedding",
    "Featurizer",
    "NodeEmbedding",
    "PairKernel",
    "RadialDensity",
    "SymmetryFunctions",
    "TripleKernel",
]

__getattr__ = package_getattr(__name__)
