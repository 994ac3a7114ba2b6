"""Layers: (h, graph, edges) -> h, new features of atoms, with or without messages of neighbours."""

from atomgraph.layers.adjacency import Adjacency, Envelope, GaussianShells
from atomgraph.layers.atom_wise import AtomWise
from atomgraph.layers.graph_convolution import GraphConvolution
from atomgraph.layers.laplacian_convolution import LaplacianConvolution
from atomgraph.layers.layer_norm import LayerNorm
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.polynomial_filter import PolynomialFilter
from atomgraph.layers.residual import Residual
from atomgraph.layers.standardize import Standardize
from atomgraph.nn.part_lookup import package_getattr
from atomgraph.nn.protocols import Layer, MessageLayer

__all__ = [
    "Adjacency",
    "AtomWise",
    "Envelope",
    "GaussianShells",
    "GraphConvolution",
    "LaplacianConvolution",
    "Layer",
    "LayerNorm",
    "MACELayer",
    "MessageLayer",
    "PolynomialFilter",
    "Residual",
    "Standardize",
]

__getattr__ = package_getattr(__name__)
