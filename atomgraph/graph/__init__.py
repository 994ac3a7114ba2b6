"""Atomistic graphs: fields, neighbours, geometry, labels."""

from atomgraph.graph.structure import AtomicGraph

__all__ = ["AtomicGraph"]
