"""Graphs of atomic structures: fields, neighbour lists, edge vectors, labels."""

from atomgraph.graph.structure import AtomicGraph

__all__ = ["AtomicGraph"]
