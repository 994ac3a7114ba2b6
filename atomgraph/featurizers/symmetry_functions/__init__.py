"""Symmetry functions of Behler and Parrinello: sets of functions, sums over neighbours and over triples of atoms."""

from atomgraph.featurizers.symmetry_functions.symmetry_functions import SymmetryFunctions

__all__ = ["SymmetryFunctions"]
