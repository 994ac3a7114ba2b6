"""SOAP: the power spectrum and its radial functions."""

from atomgraph.featurizers.soap.soap import SOAP

__all__ = ["SOAP"]
