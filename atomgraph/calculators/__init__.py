"""Interfaces to simulation engines."""

from atomgraph.calculators.ase import Calculator

__all__ = ["Calculator"]
