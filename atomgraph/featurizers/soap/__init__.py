"""SOAP: power spectrum of the neighbour density, and its radial functions."""

from atomgraph.featurizers.soap.soap import SOAP

__all__ = ["SOAP"]
