"""Kernels of pairs and triples of atoms, which GAP uses in addition to SOAP."""

from atomgraph.featurizers.gap.pair_kernel import PairKernel
from atomgraph.featurizers.gap.triple_kernel import TripleKernel

__all__ = ["PairKernel", "TripleKernel"]
