"""Atomic cluster expansion: radial functions of bonds, products of densities, invariants."""

from atomgraph.featurizers.ace.ace import ACE

__all__ = ["ACE"]
