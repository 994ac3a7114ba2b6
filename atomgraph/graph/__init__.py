"""What an atomistic graph is: its fields, its neighbours, its geometry."""

from atomgraph.graph.structure import AtomicGraph

__all__ = ["AtomicGraph"]
