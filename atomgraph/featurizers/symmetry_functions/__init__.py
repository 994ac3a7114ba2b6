"""Symmetry functions of Behler and Parrinello: sets of them, sums over neighbours and over triples."""

from atomgraph.featurizers.symmetry_functions.symmetry_functions import SymmetryFunctions

__all__ = ["SymmetryFunctions"]
